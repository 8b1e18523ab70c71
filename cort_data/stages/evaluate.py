"""The policy comparison: the same problems and samples under each hint policy, and what the hints did.

It runs the same rollouts as synthesis. All differences are to the first policy of the recipe, paired by problem,
with 95% intervals (CONTRACT "Statistics"). For a nano model, traces with hint wordings that its corpus has and those
with wordings it has never seen make separate rows: the trace's seed, not the outcome, decides which it gets.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cort_data.budget import Allowance, unlimited
from cort_data.errors import RecipeError
from cort_data.grading import Grader, Verdict, extract_answer
from cort_data.profiles import load_profile
from cort_data.progress import Meter
from cort_data.recipe import Recipe, StageName
from cort_data.rollout import Writer
from cort_data.runs import RunDirectory, StageFolder, write_atomically
from cort_data.shards import FAILED, TraceStore
from cort_data.sources import read_source
from cort_data.stages.trained import model_of
from cort_data.stages.workshop import Workshop, known_folder, open_workshop, trace_key
from cort_data.stages.writing import Plan, Work, provenance, summary, write_traces
from cort_data.statistics import Array, Interval, Ratios, paired_differences
from cort_data.trace import Problem, Trace

VERSION = 1
NANO_NOTE = "The nano world tests the mechanism; its numbers say nothing about models of useful size."
MEASURES = (
    "accuracy",
    "code_use_rate",
    "tokens_kept",
    "tokens_generated",
    "calls",
    "tokens_after_last_output",
    "tokens_per_correct",
)
_FIELDS = ("traces", "scored", "correct", "code", "kept", "generated", "calls", "after", "after_traces")


class Tally:
    """Sums over the samples of each problem, one row of the table."""

    def __init__(self, problems: int) -> None:
        self.sums: Array = np.zeros((len(_FIELDS), problems))

    def add(self, problem: int, trace: Trace, verdict: Verdict) -> None:
        """Count a trace."""
        after = trace.tokens_after_last_output
        self.sums[:, problem] += (
            1,
            verdict is not Verdict.UNSCORED,
            verdict is Verdict.EQUAL,
            trace.calls > 0,
            trace.kept_tokens,
            trace.generated_tokens,
            trace.calls,
            after or 0,
            after is not None,
        )

    def __getitem__(self, field: str) -> Array:
        sums: Array = self.sums[_FIELDS.index(field)]
        return sums

    def ratios(self, among: Array) -> Ratios:
        """The `MEASURES`. `among` `(P,)` is 1 for problems whose accuracy counts."""
        present = np.minimum(self["traces"], 1)
        per_trace = [self[f] / np.maximum(self["traces"], 1) for f in ("code", "kept", "generated", "calls")]
        accuracy = self["correct"] / np.maximum(self["scored"], 1) * among
        return Ratios(
            numerator=np.stack([accuracy, *per_trace, self["after"], self["generated"]]),
            denominator=np.stack([among, *[present] * 4, self["after_traces"], self["correct"]]),
        )


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    model: str
    policy: str
    wordings: str
    """`all`, or for nano models `seen` or `unseen`: hint wordings that the model's corpus has or has not."""
    tally: Tally


def plan(recipe: Recipe, policy: str) -> Plan:
    """The traces of one policy on the test problems."""
    source = recipe.problems.test
    if source is None:
        raise RecipeError("problems.test: required by the stage eval, and missing")

    def problems() -> Iterator[Problem]:
        return read_source(source, "test", recipe.seed)

    return Plan(problems, recipe.eval.samples, policy, StageName.EVAL, recipe.seed)


def key(recipe: Recipe, model: str, policy: str) -> dict[str, Any]:
    """What shapes each trace of one model and policy."""
    tokens = recipe.eval.teacher_tokens
    return {
        "stage": "eval",
        "version": VERSION,
        **trace_key(recipe, model, policy),
        **({"teacher_tokens": tokens} if tokens else {}),
    }


def models(recipe: Recipe) -> tuple[str, ...]:
    """The models that are evaluated."""
    return recipe.eval.models or (recipe.engine.model,)


def folder(run: RunDirectory, model: str, policy: str) -> StageFolder:
    """Where the traces of one model and policy stand."""
    return run.stage(StageName.EVAL, f"{re.sub(r'[^A-Za-z0-9.]+', '-', model).strip('-')}/{policy}")


async def evaluate(run: RunDirectory, recipe: Recipe, allowance: Allowance | None = None) -> bool:
    """Write and grade what is missing, and the results to `eval/results.json`. False if nothing was missing.

    Raises BudgetError if the allowance is used up.
    """
    allowance = allowance or unlimited()
    written = [await _write(run, recipe, model, allowance) for model in models(recipe)]
    rows = [row for model in models(recipe) for row in _rows(run, recipe, model)]
    text = json.dumps(_results(recipe, rows), indent=2, ensure_ascii=False) + "\n"
    write_atomically(results_file(run), text)
    return any(written)


def results_file(run: RunDirectory) -> Path:
    """Where the results stand."""
    return run.path / StageName.EVAL / "results.json"


async def _write(run: RunDirectory, recipe: Recipe, model: str, allowance: Allowance) -> bool:
    """All policies of a model in one go, so that the engine is never left half empty between two."""
    weights = model_of(run, model)
    with ExitStack() as stack:
        work: dict[str, Work] = {}
        for policy in recipe.eval.policies:
            stage = folder(run, model, policy)
            stage.enter(key(recipe, weights, policy))
            work[policy] = Work(plan(recipe, policy), stack.enter_context(TraceStore(stage.path)))
        missing = {policy: item.survey().missing for policy, item in work.items()}
        todo = {p: w for p, w in work.items() if missing[p] or folder(run, model, p).manifest() is None}
        for policy in todo:
            folder(run, model, policy).reopen()
        meter = Meter(f"eval {Path(model).name}", sum(missing.values()))
        if meter.total:
            before = next((trace for item in work.values() if (trace := item.store.first())), None)
            async with open_workshop(recipe, weights, before) as workshop:
                for policy in todo:
                    folder(run, model, policy).save_engine(workshop.engine.capabilities)
                writer = _writer(workshop, recipe.eval.teacher_tokens)
                allowance.expect(max(recipe.rollout.tokens * writer(policy).width for policy in todo))
                with meter:
                    await write_traces(todo.values(), writer, recipe.engine.in_flight, meter, allowance)
        for policy, item in todo.items():
            item.store.sync()
            manifest = provenance(recipe, weights, meter) | summary(item.traces())
            folder(run, model, policy).finish({"stage": "eval", "policy": policy, **manifest})
    return bool(todo)


def _writer(workshop: Workshop, teacher_tokens: int | None) -> Callable[[str], Writer]:
    if teacher_tokens is None:
        return workshop.writer
    return partial(workshop.writer_within, tokens=teacher_tokens)


def _rows(run: RunDirectory, recipe: Recipe, model: str) -> list[Row]:
    think_close = load_profile(recipe.engine.profile).think_close
    seen = _seen_wordings(model_of(run, model))
    rows: list[Row] = []
    with Grader() as grader:
        for policy in recipe.eval.policies:
            with TraceStore(folder(run, model, policy).path) as store:
                graded = _grade(Work(plan(recipe, policy), store).traces(), grader, think_close)
                rows += _policy_rows(graded, Row(model, policy, "all", Tally(_problem_count(recipe))), seen)
    return rows


def _problem_count(recipe: Recipe) -> int:
    return sum(1 for _ in plan(recipe, "").problems())


def _policy_rows(
    graded: Iterator[tuple[Trace, Verdict]], whole: Row, seen: dict[str, frozenset[str]] | None
) -> list[Row]:
    """The row of all traces and, where the model's wordings are known, those of seen and unseen ones."""
    size = whole.tally.sums.shape[1]
    parts = {name: Row(whole.model, whole.policy, name, Tally(size)) for name in ("seen", "unseen")}
    numbers: dict[str, int] = {}
    hinted = False
    for trace, verdict in graded:
        number = numbers.setdefault(trace.problem.id, len(numbers))
        whole.tally.add(number, trace, verdict)
        parts["unseen" if trace.seed % 2 else "seen"].tally.add(number, trace, verdict)
        if seen is not None:
            hinted |= _check_wordings(trace, seen)
    if not hinted:
        return [whole]
    return [whole, *(row for row in parts.values() if row.tally["traces"].any())]


def _check_wordings(trace: Trace, seen: dict[str, frozenset[str]]) -> bool:
    """Does the trace have hints? Raises RecipeError if they are not of the kind that its seed stands for."""
    hints: dict[tuple[str, int, int], str] = {}
    for segment in trace.segments:
        if segment.hint is not None:
            mark = (segment.hint.name, segment.hint.span_start, segment.hint.wording)
            hints[mark] = hints.get(mark, "") + segment.text
    for (name, _, wording), text in hints.items():
        if name in seen and (text.strip() in seen[name]) == bool(trace.seed % 2):
            kind = "unseen" if trace.seed % 2 else "seen"
            raise RecipeError(
                f"trace {trace.id}: wording {wording} of hint {name!r} should be {kind} for this model and is not; "
                "the hint's file and the model's seen_wordings.json have come apart"
            )
    return bool(hints)


def _seen_wordings(model: str) -> dict[str, frozenset[str]] | None:
    """The wordings in a nano model's corpus, by hint; None for other models, where nobody knows."""
    file = known_folder(model) / "seen_wordings.json"  # also where a server has the model
    if not file.is_file():
        return None
    by_hint = json.loads(file.read_text("utf-8"))
    return {name: frozenset(text.strip() for text in texts) for name, texts in by_hint.items()}


def _grade(traces: Iterator[Trace], grader: Grader, think_close: str) -> Iterator[tuple[Trace, Verdict]]:
    """Each trace with its verdict; a rollout that failed for an outside reason is unscored."""
    waiting: deque[Trace] = deque()

    def pairs() -> Iterator[tuple[str, str | None]]:
        for trace in traces:
            waiting.append(trace)
            yield trace.problem.answer, extract_answer(trace.text, think_close)

    for grade in grader.grade_many(pairs()):
        trace = waiting.popleft()
        yield trace, Verdict.UNSCORED if trace.stop_reason in FAILED else grade.verdict


def _results(recipe: Recipe, rows: list[Row]) -> dict[str, Any]:
    source = recipe.problems.test
    nano = source is not None and source.source == "nano"
    return {
        "name": recipe.name,
        "what": "models and policies on the same problems; differences are to the first policy of a model, or, where "
        "there is one policy, to the first model",
        "note": NANO_NOTE if nano else "",
        "recipe": recipe.digest(),
        "problems": int(rows[0].tally.sums.shape[1]),
        "samples": recipe.eval.samples,
        "teacher_tokens": recipe.eval.teacher_tokens,
        "interval": "95%, paired bootstrap over problems",
        "rows": [_row_json(row, _first(rows, row, len(recipe.eval.policies) > 1)) for row in rows],
    }


def _first(rows: list[Row], row: Row, by_model: bool) -> Row:
    """What a row is compared with: the first policy of its model; with one policy, the first model."""
    return next(r for r in rows if r.model == row.model or not by_model)


def _row_json(row: Row, first: Row) -> dict[str, Any]:
    scored = np.minimum(row.tally["scored"], 1)
    both = scored * np.minimum(first.tally["scored"], 1)
    values = row.tally.ratios(scored).values()
    differences = paired_differences(first.tally.ratios(both), row.tally.ratios(both))
    return {
        "model": row.model,
        "policy": row.policy,
        "wordings": row.wordings,
        "traces": int(row.tally["traces"].sum()),
        "unscored": int((row.tally["traces"] - row.tally["scored"]).sum()),
        **{name: None if np.isnan(v) else float(v) for name, v in zip(MEASURES, values, strict=True)},
        "difference": None
        if row is first
        else {name: _interval_json(d) for name, d in zip(MEASURES, differences, strict=True)},
    }


def _interval_json(difference: Interval | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    return {
        "value": difference.value,
        "low": difference.low,
        "high": difference.high,
        "beyond_interval": difference.beyond,
    }
