"""Synthesis: problems → traces under the recipe's hint policy. Goes on where it was stopped; more n extends it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cort_data.budget import Allowance, unlimited
from cort_data.errors import BudgetError, RecipeError
from cort_data.progress import Meter
from cort_data.recipe import Recipe, StageName
from cort_data.runs import RunDirectory
from cort_data.shards import TraceStore
from cort_data.sources import read_source
from cort_data.stages.workshop import open_workshop, trace_key
from cort_data.stages.writing import Plan, Work, provenance, summary, write_traces
from cort_data.trace import Problem, Trace

VERSION = 1


def plan(recipe: Recipe) -> Plan:
    """The traces of the data set before any filter."""
    source = recipe.problems.synth
    if source is None:
        raise RecipeError("problems.synth: required by the stage synth, and missing")

    def problems() -> Iterator[Problem]:
        return read_source(source, "synth", recipe.seed)

    return Plan(problems, recipe.rollout.samples, recipe.rollout.policy, StageName.SYNTH, recipe.seed)


def key(recipe: Recipe) -> dict[str, Any]:
    """What shapes each trace; n and samples only say how many there are."""
    return {"stage": "synth", "version": VERSION, **trace_key(recipe, recipe.engine.model, recipe.rollout.policy)}


async def synthesize(run: RunDirectory, recipe: Recipe, allowance: Allowance | None = None) -> bool:
    """Write the missing traces. False if there was nothing to do. Raises BudgetError if the allowance is used up."""
    allowance = allowance or unlimited()
    folder = run.stage(StageName.SYNTH)
    folder.enter(key(recipe))
    with TraceStore(folder.path) as store:
        work = Work(plan(recipe), store)
        survey = work.survey()
        manifest = folder.manifest()
        if manifest is not None and not survey.missing and manifest["traces"] == survey.planned:
            return False
        folder.reopen()
        meter = Meter("synth", survey.missing)
        if survey.missing:
            async with open_workshop(recipe, recipe.engine.model, store.first()) as workshop:
                folder.save_engine(workshop.engine.capabilities)
                allowance.expect(recipe.rollout.tokens * workshop.writer(recipe.rollout.policy).width)
                with meter, _naming_what_is_whole(work):
                    await write_traces([work], workshop.writer, recipe.engine.in_flight, meter, allowance)
        store.sync()
        folder.finish({"stage": "synth", **provenance(recipe, recipe.engine.model, meter), **summary(work.traces())})
    return True


@contextmanager
def _naming_what_is_whole(work: Work) -> Iterator[None]:
    """A limit that stops the synthesis also says how to make do with what is written."""
    try:
        yield
    except BudgetError as stop:
        traces = sum(1 for _ in itertools.takewhile(work.has, work.plan.ids()))
        whole = traces // work.plan.samples
        make_do = f"; --set problems.synth.n={whole} makes do with the problems that are done" if whole else ""
        raise BudgetError(f"{stop}{make_do}") from None


def traces(run: RunDirectory, recipe: Recipe) -> Iterator[Trace]:
    """The traces of the recipe's plan in its order, whatever the order in which they were finished."""
    with TraceStore(run.stage(StageName.SYNTH).path) as store:
        yield from Work(plan(recipe), store).traces()
