"""Evaluation: the same problems and samples for each model, problem set and hint policy, graded and measured.

It runs the same rollouts as synthesis. All differences are to the first policy of the recipe, paired by problem,
with 95% intervals (CONTRACT "Statistics"). For a nano model, traces with hint wordings that its corpus has and those
with wordings it has never seen make separate rows: the trace's seed, not the outcome, decides which it gets. Where a
model's cutoff is given, problems from before and after it make separate rows too.

    RUN/eval/MODEL/[SET/]POLICY/    traces
    RUN/eval/problems/SET.jsonl     problems that came from the Hub
    RUN/eval/scores.jsonl           the graded traces, one line each, with their sampling seeds
    RUN/eval/unscored.jsonl         answers that could not be judged, as where two grading rules disagree
    RUN/eval/results.json           the tables
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cort_data.budget import Allowance, unlimited
from cort_data.errors import RecipeError
from cort_data.evaluation.measures import Measured, measure
from cort_data.evaluation.problem_sets import load_set
from cort_data.evaluation.scores import FILE, Score, score_traces, write_scores
from cort_data.evaluation.settings import TEST, EvalSet
from cort_data.grading import Grade, Grader, Verdict, extract_answer
from cort_data.grading.verdict import unscored
from cort_data.jobs import Writer
from cort_data.profiles import load_profile
from cort_data.progress import Meter
from cort_data.recipe import Recipe, StageName
from cort_data.runs import RunDirectory, StageFolder, write_atomically
from cort_data.shards import FAILED, TraceStore
from cort_data.sources import read_source
from cort_data.stages.trained import is_there, model_of
from cort_data.stages.workshop import Workshop, known_folder, open_workshop, trace_key
from cort_data.stages.writing import Plan, Work, provenance, summary, write_traces
from cort_data.statistics import Interval, averaged
from cort_data.trace import Problem, Trace

VERSION = 1
NANO_NOTE = "The nano world tests the mechanism; its numbers say nothing about models of useful size."
ALL = "all"
_AVERAGED = ("accuracy", "tokens_kept", "tokens_generated")


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
        return self.run.stage(StageName.EVAL, f"{re.sub(r'[^A-Za-z0-9.]+', '-', self.model).strip('-')}/{self.label}")

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


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    arm: Arm
    wordings: str
    """`all`, or for nano models `seen` or `unseen`: hint wordings that the model's corpus has or has not."""
    released: str
    """`all`, or `before` or `after`: problems that were or were not public at the model's cutoff."""
    scores: Sequence[Score]


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
    """Raises CortError for what would be refused later: other settings, problems that cannot be read."""
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
    rows = _rows(run, recipe)
    _write_results(run, recipe, rows)
    return any(written)


def results_file(run: RunDirectory) -> Path:
    """Where the results stand."""
    return run.path / StageName.EVAL / "results.json"


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
    think_close = load_profile(recipe.engine.profile).think_close
    rows: list[Row] = []
    with Grader(rules=recipe.graders) as grader:
        for arm in arms(run, recipe):
            seen = _seen_wordings(model_of(run, arm.model))
            with TraceStore(arm.folder.path) as store:
                traces = _checked(Work(arm.plan(), store).traces(), seen)
                graded = _grade(traces, grader, think_close)
                scores = list(score_traces(graded, grader, arm.model, arm.set))
            rows += _split(arm, scores, seen is not None)
    return rows


def _split(arm: Arm, scores: Sequence[Score], known_wordings: bool) -> list[Row]:
    """The row of all traces; of seen and unseen wordings where there are hints; of problems before and after."""
    rows = [Row(arm, ALL, ALL, scores)]
    if known_wordings and any(score.hinted for score in scores):
        for name, parity in (("seen", 0), ("unseen", 1)):
            rows.append(Row(arm, name, ALL, [score for score in scores if score.seed % 2 == parity]))
    cutoff = arm.recipe.eval.cutoffs.get(arm.model)
    if cutoff is not None:
        dated = [score for score in scores if score.released]
        rows.append(Row(arm, ALL, "before", [score for score in dated if score.released <= cutoff]))
        rows.append(Row(arm, ALL, "after", [score for score in dated if score.released > cutoff]))
    return [rows[0], *(row for row in rows[1:] if row.scores)]


def _checked(traces: Iterable[Trace], seen: dict[str, frozenset[str]] | None) -> Iterator[Trace]:
    for trace in traces:
        if seen is not None:
            _check_wordings(trace, seen)
        yield trace


def _check_wordings(trace: Trace, seen: dict[str, frozenset[str]]) -> None:
    """Raises RecipeError if the hints are not of the kind that the trace's seed stands for."""
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


def _seen_wordings(model: str) -> dict[str, frozenset[str]] | None:
    """The wordings in a nano model's corpus, by hint; None for other models, where nobody knows."""
    file = known_folder(model) / "seen_wordings.json"  # also where a server has the model
    if not file.is_file():
        return None
    by_hint = json.loads(file.read_text("utf-8"))
    return {name: frozenset(text.strip() for text in texts) for name, texts in by_hint.items()}


def _grade(traces: Iterator[Trace], grader: Grader, think_close: str) -> Iterator[tuple[Trace, str | None, Grade]]:
    """Each trace with its answer and grade; a rollout that failed for an outside reason is unscored."""
    waiting: deque[tuple[Trace, str | None]] = deque()

    def pairs() -> Iterator[tuple[str, str | None]]:
        for trace in traces:
            answer = extract_answer(trace.text, think_close)
            waiting.append((trace, answer))
            yield trace.problem.answer, answer

    for grade in grader.grade_many(pairs()):
        trace, answer = waiting.popleft()
        failed = trace.stop_reason in FAILED
        yield trace, answer, unscored(f"the rollout failed: {trace.stop_reason}") if failed else grade


def _write_results(run: RunDirectory, recipe: Recipe, rows: Sequence[Row]) -> None:
    folder = results_file(run).parent
    scores = [score for row in rows if row.wordings == row.released == ALL for score in row.scores]
    write_scores(folder / FILE, scores)
    doubts = [score for score in scores if score.verdict is Verdict.UNSCORED]
    fields = {"model", "set", "policy", "id", "problem", "gold", "answer", "reason"}
    write_atomically(folder / "unscored.jsonl", "".join(s.model_dump_json(include=fields) + "\n" for s in doubts))
    text = json.dumps(_results(recipe, rows), indent=2, ensure_ascii=False) + "\n"
    write_atomically(results_file(run), text)


def _results(recipe: Recipe, rows: Sequence[Row]) -> dict[str, Any]:
    source = recipe.problems.test
    nano = not recipe.eval.sets and source is not None and source.source == "nano"
    measured = [measure(row.scores, _problems(row, rows), recipe.eval.ks(row.arm.part)) for row in rows]
    counts = {row.arm.set: len(_problems(row, rows)) for row in rows if row.released == ALL}
    return {
        "name": recipe.name,
        "what": "each model, problem set and policy on the same problems; differences are to the model's first policy, "
        "or, with one policy, to the first model",
        "note": NANO_NOTE if nano else "",
        "recipe": recipe.digest(),
        "problems": sum(counts.values()),
        "samples": recipe.eval.samples,
        "sets": [
            {"name": name, "problems": count, "samples": recipe.eval.samples_of(_part(recipe, name))}
            for name, count in counts.items()
        ],
        "teacher_tokens": recipe.eval.teacher_tokens,
        "interval": "95%, over problems: Wilson's for shares, bootstrap elsewhere; differences paired by problem",
        "rows": [_row_json(row, own, _first(row, rows, measured)) for row, own in zip(rows, measured, strict=True)],
        "averages": _averages(rows, measured),
    }


def _part(recipe: Recipe, name: str) -> EvalSet | None:
    return next((part for part in recipe.eval.sets if part.name == name), None)


def _problems(row: Row, rows: Sequence[Row]) -> list[str]:
    """The problems of the row's model and set, in one order for all policies."""
    same = (r for r in rows if (r.arm.model, r.arm.set, r.released) == (row.arm.model, row.arm.set, row.released))
    return list(dict.fromkeys(score.problem for r in same for score in r.scores))


def _first(row: Row, rows: Sequence[Row], measured: Sequence[Measured]) -> Measured | None:
    """What the row is compared with: the model's first policy on the same problems; None for that row itself.

    With one policy it is the first model, so that the stages of a training stand against their base.
    """
    policies = {r.arm.policy for r in rows}

    def group(r: Row) -> tuple[str, str, str]:
        return r.arm.model if len(policies) > 1 else "", r.arm.set, r.released

    first, own = next((r, m) for r, m in zip(rows, measured, strict=True) if group(r) == group(row))
    return None if first is row else own


def _row_json(row: Row, own: Measured, first: Measured | None) -> dict[str, Any]:
    found = own.intervals()
    verdicts = Counter(score.verdict for score in row.scores)
    return {
        "model": row.arm.model,
        "set": row.arm.set,
        "policy": row.arm.policy,
        "wordings": row.wordings,
        "released": row.released,
        "traces": len(row.scores),
        "unscored": verdicts[Verdict.UNSCORED],
        "stop_reasons": dict(Counter(score.stop for score in row.scores).most_common()),
        **{name: interval and interval.value for name, interval in found.items()},
        "intervals": {name: interval and [interval.low, interval.high] for name, interval in found.items()},
        "difference": None if first is None else {n: _interval_json(d) for n, d in own.minus(first).items()},
    }


def _averages(rows: Sequence[Row], measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Means over the problem sets, each set counting once, of each model and policy; none for one set."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for row, own in zip(rows, measured, strict=True):
        if row.wordings == row.released == ALL:
            groups.setdefault((row.arm.model, row.arm.policy), []).append(own)
    return [
        {
            "model": model,
            "policy": policy,
            "sets": len(parts),
            **{name: _interval_json(found) for name, found in _average(parts).items()},
        }
        for (model, policy), parts in groups.items()
        if len(parts) > 1
    ]


def _average(parts: Sequence[Measured]) -> dict[str, Interval | None]:
    found = [part.intervals() for part in parts]
    columns = {name: [own[name] for own in found] for name in _AVERAGED}
    return {name: averaged([i for i in own if i]) if all(own) else None for name, own in columns.items()}


def _interval_json(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "beyond_interval": interval.beyond,
    }
