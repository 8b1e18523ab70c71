"""Synthesis: problems → traces under the recipe's hint policy. Goes on where it was stopped; more n extends it.

With `synth: {from: traces}` each trace goes on with one that was written elsewhere, from the first hint that fires in
it. Traces in which none fires, or whose blocks give other outputs here, are recorded as such.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cort_data.budget import Allowance, unlimited
from cort_data.errors import BudgetError, RecipeError
from cort_data.jobs import Job, rollout_seed
from cort_data.progress import Meter
from cort_data.recipe import ProblemSource, Recipe, StageName, SynthFrom
from cort_data.runs import RunDirectory
from cort_data.shards import TraceStore
from cort_data.sources import find_file, read_given, read_source
from cort_data.stages.workshop import THINK_OPEN, open_workshop, policy_of, trace_key
from cort_data.stages.writing import Plan, Work, provenance, summary, write_traces
from cort_data.trace import Trace, trace_id

VERSION = 1


@dataclass(frozen=True)
class Continuations(Plan):
    """The traces that go on with given ones: given traces × samples."""

    given: Callable[[], Iterator[Trace]]

    def jobs(self) -> Iterator[tuple[str, Job]]:
        """(trace id, job), all samples of a given trace in a row."""
        seen: Counter[str] = Counter()
        for trace in self.given():
            problem = trace.problem
            number, seen[problem.id] = seen[problem.id], seen[problem.id] + 1
            for i in range(self.samples):
                sample = _pair(number, i)
                seed = rollout_seed(self.seed, problem.id, sample)
                yield (
                    trace_id(problem.id, self.policy, sample, self.stage),
                    Job(problem, sample, self.stage, seed, trace),
                )


def _pair(number: int, i: int) -> int:
    """One number for two (Cantor's), so that neither more samples nor more given traces change the sample of others."""
    return (number + i) * (number + i + 1) // 2 + i


def plan(recipe: Recipe) -> Plan:
    """The traces of the data set before any filter."""
    source = recipe.problems.synth
    if source is None:
        raise RecipeError("problems.synth: required by the stage synth, and missing")
    shared = (recipe.rollout.samples, recipe.rollout.policy, StageName.SYNTH, recipe.seed)
    if recipe.synth.from_ is SynthFrom.TRACES:
        _check_hints(recipe)
        return Continuations(
            lambda: (t.problem for t in _given(recipe, source)), *shared, lambda: _given(recipe, source)
        )
    return Plan(lambda: read_source(source, "synth", recipe.seed), *shared)


def _check_hints(recipe: Recipe) -> None:
    policy = policy_of(recipe, recipe.rollout.policy)
    if all(hint.trigger.name == THINK_OPEN for hint in policy.hints):
        raise RecipeError(
            f"rollout.policy: {policy.name} has no hint that goes into a thought, so no given trace would be gone on "
            "with (synth.from: traces); expected one as hint_engineering"
        )


def _given(recipe: Recipe, source: ProblemSource) -> Iterator[Trace]:
    """The traces to go on with, in the words of the family that goes on."""
    profile = recipe.engine.profile
    for trace in read_given(source):
        if trace.profile != profile:
            raise RecipeError(
                f"problems.synth: trace {trace.id} of {source.source} is written for the profile {trace.profile}, and "
                f"engine.profile is {profile}; convert them: cort traces import {source.source} --profile {profile} "
                "--out NEW"
            )
        yield trace


def key(recipe: Recipe) -> dict[str, Any]:
    """What shapes each trace; n and samples only say how many there are."""
    source = recipe.problems.synth
    given = {}
    if recipe.synth.from_ is SynthFrom.TRACES and source is not None:
        with find_file(source.source, "traces").open("rb") as file:
            given = {"from": "traces", "traces": hashlib.file_digest(file, "sha256").hexdigest()[:16]}
    shaped = trace_key(recipe, recipe.engine.model, recipe.rollout.policy)
    return {"stage": "synth", "version": VERSION, **shaped, **given}


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
