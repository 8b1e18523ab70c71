"""A whole run: the recipe's stages in order, what is reused, what is done again, and what is refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable, Coroutine, Iterable
from itertools import islice
from typing import Any

from cort_data.budget import Allowance, Budget, open_allowance, record
from cort_data.errors import RecipeError, RunError
from cort_data.filters import build_filters
from cort_data.profiles import load_profile
from cort_data.progress import Meter
from cort_data.prompts import render_prompt
from cort_data.recipe import Recipe, StageName
from cort_data.runs import Key, RunDirectory
from cort_data.spending import Spending
from cort_data.stages import evaluate, rft, sft, synth
from cort_data.stages.filter import KEPT_FILE, filter_traces, open_resources
from cort_data.stages.workshop import interpreter_used
from cort_data.trace import Problem, Trace
from cort_data.traces_io import read_traces

FILTER_VERSION = 2
DATASET_VERSION = 1


def selected(recipe: Recipe, until: StageName | None) -> tuple[StageName, ...]:
    """The recipe's stages up to and with `until`. Raises RecipeError if the recipe has no such stage."""
    if until is None:
        return recipe.stages
    if until not in recipe.stages:
        raise RecipeError(f"--until {until}: the recipe's stages are {', '.join(recipe.stages)}")
    return recipe.stages[: recipe.stages.index(until) + 1]


def check(run: RunDirectory, recipe: Recipe, stages: Iterable[StageName]) -> None:
    """Raises CortError, before anything is done, for what would be refused later."""
    if StageName.SYNTH in stages:
        run.stage(StageName.SYNTH).check(synth.key(recipe))
        next(synth.plan(recipe).problems())
    if StageName.EVAL in stages:
        evaluate.check(run, recipe)


def first_prompt(run: RunDirectory, recipe: Recipe, stages: Iterable[StageName]) -> str:
    """The prompt of the first problem as the model gets it."""
    stages = tuple(stages)
    writing = next((stage for stage in (StageName.SYNTH, StageName.EVAL) if stage in stages), None)
    problem = _first_problem(run, recipe, writing) if writing else Problem(id="any", text="(the problem)", answer="?")
    return load_profile(recipe.engine.profile).render(render_prompt(recipe.rollout.prompt, problem))


def _first_problem(run: RunDirectory, recipe: Recipe, stage: StageName) -> Problem:
    plan = synth.plan(recipe) if stage is StageName.SYNTH else evaluate.arms(run, recipe)[0].plan()
    return next(plan.problems())


def run_stages(run: RunDirectory, recipe: Recipe, stages: Iterable[StageName], budget: Budget | None = None) -> None:
    """Run the stages; what is complete is reused. The run directory is entered (locked).

    Raises BudgetError where the budget ends the writing of traces.
    """
    stages = tuple(stages)
    check(run, recipe, stages)
    allowance = open_allowance(run, recipe, budget or Budget())
    run.save_recipe(recipe)
    try:
        for stage in stages:
            if not asyncio.run(_STAGES[stage](run, recipe, allowance)):
                print(f"{stage}: complete, reused", file=sys.stderr)
    finally:
        record(run, allowance)


async def _filter(run: RunDirectory, recipe: Recipe, _allowance: Allowance) -> bool:
    folder = run.stage(StageName.FILTER)
    _tell(StageName.FILTER, folder.enter_afresh(_filter_key(run, recipe)))
    if folder.manifest() is not None:
        return False
    total = _complete(run, StageName.SYNTH)["traces"]
    guarded = list(evaluate.test_problems(run, recipe))
    async with open_resources(recipe.interpreter, guarded, recipe.graders) as resources:
        filters = build_filters(recipe.filter_specs(), resources)
        with Meter("filter", total, read=True) as meter:
            spending = Spending()

            def count(trace: Trace) -> None:
                meter.add(trace)
                spending.add(trace)

            funnel = await filter_traces(synth.traces(run, recipe), filters, folder.path, on_trace=count)
    folder.finish({**funnel.as_dict(), "spending": spending.as_dict(), "seconds": round(meter.seconds, 1)})
    return True


async def _dataset(run: RunDirectory, recipe: Recipe, _allowance: Allowance) -> bool:
    folder = run.stage(StageName.DATASET)
    _complete(run, StageName.FILTER)
    filtered = run.stage(StageName.FILTER)
    key = {
        "stage": StageName.DATASET,
        "version": DATASET_VERSION,
        "name": recipe.name,
        "input": _digest(filtered.key()),
    }
    folder.enter_afresh(key)
    if folder.manifest() is not None:
        return False
    from cort_data.stages.dataset import write_dataset  # brings pyarrow and pandas

    info = write_dataset(read_traces(filtered.path / KEPT_FILE), folder.path, recipe.name)
    folder.finish({"stage": "dataset", "rows": info.rows, "problems": info.problems, "sha256": info.sha256})
    return True


async def _sft(run: RunDirectory, recipe: Recipe, _allowance: Allowance) -> bool:
    _, fresh = sft.run_sft(run, recipe)
    return fresh


async def _distill(run: RunDirectory, recipe: Recipe, _allowance: Allowance) -> bool:
    _, fresh = sft.run_distill(run, recipe)
    return fresh


_STAGES: dict[StageName, Callable[[RunDirectory, Recipe, Allowance], Coroutine[Any, Any, bool]]] = {
    StageName.SYNTH: synth.synthesize,
    StageName.FILTER: _filter,
    StageName.DATASET: _dataset,
    StageName.SFT: _sft,
    StageName.RFT: rft.run_rft,
    StageName.DISTILL: _distill,
    StageName.EVAL: evaluate.evaluate,
}


def _filter_key(run: RunDirectory, recipe: Recipe) -> Key:
    _complete(run, StageName.SYNTH)
    return {
        "stage": StageName.FILTER,
        "version": FILTER_VERSION,
        "filters": [{"name": s.cls.name, **s.params.model_dump(mode="json")} for s in recipe.filter_specs()],
        "graders": list(recipe.graders),
        "interpreter": interpreter_used(recipe).model_dump(),
        "input": {
            "synth": _digest(run.stage(StageName.SYNTH).key()),
            "traces": _digest(list(synth.plan(recipe).ids())),
            "test_problems": _digest([p.id for p in evaluate.test_problems(run, recipe)]),
        },
    }


def _complete(run: RunDirectory, stage: StageName) -> dict[str, Any]:
    """The manifest of a stage that another one builds on."""
    manifest = run.stage(stage).manifest()
    if manifest is None:
        raise RunError(f"{run.path}: the stage {stage} is not complete; run it first")
    return manifest


def _tell(stage: StageName, changed: list[str]) -> None:
    if changed:
        shown = "; ".join(islice(changed, 4)) + ("; …" if len(changed) > 4 else "")
        print(f"{stage}: done again, since these changed: {shown}", file=sys.stderr)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
