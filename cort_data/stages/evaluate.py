"""Evaluation: the same problems and samples for each model, problem set and hint policy, graded and measured.

It runs the same rollouts as synthesis. `evaluation.rows` says what stands in a row and what it is compared with;
intervals are 95% over problems (CONTRACT "Statistics").

    RUN/eval/MODEL/[SET/]POLICY/    traces
    RUN/eval/problems/SET.jsonl     problems that came from the Hub
    RUN/eval/scores.jsonl           the graded traces, one line each, with their sampling seeds
    RUN/eval/unscored.jsonl         answers that could not be judged, as where two grading rules disagree
    RUN/eval/results.json           the tables
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cort_data.budget import Allowance, unlimited
from cort_data.errors import RecipeError
from cort_data.evaluation import results
from cort_data.evaluation.problem_sets import load_set
from cort_data.evaluation.rows import Row, split
from cort_data.evaluation.scores import score_traces
from cort_data.evaluation.settings import TEST, EvalSet
from cort_data.evaluation.wordings import checked, seen_wordings
from cort_data.grading import Grader
from cort_data.jobs import Writer
from cort_data.progress import Meter
from cort_data.recipe import Recipe, StageName
from cort_data.runs import RunDirectory, StageFolder
from cort_data.shards import TraceStore
from cort_data.sources import read_source
from cort_data.stages.trained import is_there, model_of
from cort_data.stages.workshop import Workshop, open_workshop, trace_key
from cort_data.stages.writing import Plan, Work, provenance, summary, write_traces
from cort_data.trace import Problem

VERSION = 1


@dataclass(frozen=True)
class Arm:
    """One model on one problem set under one policy."""

    run: RunDirectory
    recipe: Recipe
    model: str
    part: EvalSet | None
    """None: problems.test."""
    policy: str

    @property
    def set(self) -> str:
        """The name of the problem set."""
        return self.part.name if self.part else TEST

    @property
    def label(self) -> str:
        """Set and policy."""
        return f"{self.part.name}/{self.policy}" if self.part else self.policy

    @property
    def folder(self) -> StageFolder:
        """Where its traces stand."""
        return self.run.stage(StageName.EVAL, f"{results.folder_name(self.model)}/{self.label}")

    @property
    def own_recipe(self) -> Recipe:
        """The recipe, with what the set has of its own."""
        if self.part is None or self.part.temperature is None:
            return self.recipe
        sampling = self.recipe.sampling.model_copy(update={"temperature": self.part.temperature})
        return self.recipe.model_copy(update={"sampling": sampling})

    def problems(self) -> Iterator[Problem]:
        """The problems of the set."""
        if self.part is not None:
            return iter(load_set(self.part, self.run.path / StageName.EVAL / "problems"))
        source = self.recipe.problems.test
        if source is None:
            raise RecipeError("problems.test: required by the stage eval without eval.sets, and missing")
        return read_source(source, "test", self.recipe.seed)

    def plan(self) -> Plan:
        """Its traces."""
        samples = self.recipe.eval.samples_of(self.part)
        return Plan(self.problems, samples, self.policy, StageName.EVAL, self.recipe.seed)

    def key(self) -> dict[str, Any]:
        """What shapes each of its traces."""
        tokens = self.recipe.eval.teacher_tokens
        return {
            "stage": "eval",
            "version": VERSION,
            **trace_key(self.own_recipe, model_of(self.run, self.model), self.policy),
            **({"teacher_tokens": tokens} if tokens else {}),
        }

    def writer(self, workshop: Workshop) -> Writer:
        """What writes its traces."""
        own = replace(workshop, recipe=self.own_recipe)
        tokens = self.recipe.eval.teacher_tokens
        return own.writer(self.policy) if tokens is None else own.writer_within(self.policy, tokens)


def models(recipe: Recipe) -> tuple[str, ...]:
    """The models that are evaluated."""
    return recipe.eval.models or (recipe.engine.model,)


def arms(run: RunDirectory, recipe: Recipe, model: str | None = None) -> list[Arm]:
    """All that is evaluated, of one model or of all, in the order of the table."""
    return [
        Arm(run, recipe, name, part, policy)
        for name in ([model] if model else models(recipe))
        for part in (recipe.eval.sets or (None,))
        for policy in recipe.eval.policies
    ]


def test_problems(run: RunDirectory, recipe: Recipe) -> Iterator[Problem]:
    """All problems that tables are made on: no trace that is trained on may contain them."""
    for part in ((None,) if recipe.problems.test else ()) + recipe.eval.sets:
        yield from Arm(run, recipe, "", part, "").problems()


def check(run: RunDirectory, recipe: Recipe) -> None:
    """Raises CortError for what would be refused later or be of no use: other settings, problems that cannot be read,
    the cutoff of a model that is not evaluated.
    """
    for model in recipe.eval.cutoffs:
        if model not in models(recipe):
            raise RecipeError(f"eval.cutoffs: {model} is not evaluated; the models are {', '.join(models(recipe))}")
    for arm in arms(run, recipe):
        if is_there(run, arm.model):
            arm.folder.check(arm.key())
        next(arm.problems())


async def evaluate(run: RunDirectory, recipe: Recipe, allowance: Allowance | None = None) -> bool:
    """Write and grade what is missing, and the results to `eval/results.json`. False if nothing was missing.

    Raises BudgetError if the allowance is used up, RunError for a model that the run has not trained yet.
    """
    allowance = allowance or unlimited()
    for model in models(recipe):
        model_of(run, model)  # what is not trained yet is refused before any work
    if recipe.eval.sets:
        (run.path / StageName.EVAL / "problems").mkdir(parents=True, exist_ok=True)
    written = [await _write(run, recipe, model, allowance) for model in models(recipe)]
    results.write(run.path / StageName.EVAL, recipe, _rows(run, recipe))
    return any(written)


def results_file(run: RunDirectory) -> Path:
    """Where the results stand."""
    return run.path / StageName.EVAL / results.RESULTS


async def _write(run: RunDirectory, recipe: Recipe, model: str, allowance: Allowance) -> bool:
    """All sets and policies of a model in one go, so that the engine is never left half empty between two."""
    weights = model_of(run, model)
    with ExitStack() as stack:
        work: dict[str, tuple[Arm, Work]] = {}
        for arm in arms(run, recipe, model):
            arm.folder.enter(arm.key())
            work[arm.label] = arm, Work(arm.plan(), stack.enter_context(TraceStore(arm.folder.path)), arm.label)
        missing = {label: item.survey().missing for label, (_, item) in work.items()}
        todo = {k: (arm, w) for k, (arm, w) in work.items() if missing[k] or arm.folder.manifest() is None}
        if todo:
            results.withdraw(run.path / StageName.EVAL)
        for arm, _ in todo.values():
            arm.folder.reopen()
        meter = Meter(f"eval {Path(model).name}", sum(missing.values()))
        if meter.total:
            before = next((trace for _, item in work.values() if (trace := item.store.first())), None)
            async with open_workshop(recipe, weights, before) as workshop:
                writers = {label: arm.writer(workshop) for label, (arm, _) in todo.items()}
                for arm, _ in todo.values():
                    arm.folder.save_engine(workshop.engine.capabilities)
                allowance.expect(max(recipe.rollout.tokens * writer.width for writer in writers.values()))
                with meter:
                    items = [item for _, item in todo.values()]
                    await write_traces(items, writers.__getitem__, recipe.engine.in_flight, meter, allowance)
        for arm, item in todo.values():
            item.store.sync()
            manifest = provenance(arm.own_recipe, weights, meter) | summary(item.traces())
            arm.folder.finish({"stage": "eval", "set": arm.set, "policy": arm.policy, **manifest})
    return bool(todo)


def _rows(run: RunDirectory, recipe: Recipe) -> list[Row]:
    """Grade all that is written of the plan."""
    rows: list[Row] = []
    with Grader(rules=recipe.graders) as grader:
        for arm in arms(run, recipe):
            seen = seen_wordings(model_of(run, arm.model))
            with TraceStore(arm.folder.path) as store:
                traces = checked(Work(arm.plan(), store).traces(), seen)
                scores = [score for _, score in score_traces(traces, grader, arm.model, arm.set)]
            rows += split(scores, recipe.eval.cutoffs.get(arm.model), seen is not None)
    return rows
