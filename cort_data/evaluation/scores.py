"""Graded traces, one line each: all that tables, comparisons and the report's page are made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from cort_data.errors import RunError
from cort_data.evaluation.voting import answer_groups
from cort_data.grading import Grade, Grader, Verdict, extract_answer
from cort_data.grading.verdict import unscored
from cort_data.profiles import load_profile
from cort_data.runs import write_atomically
from cort_data.shards import FAILED, problem_digest
from cort_data.trace import Origin, Trace, first_problem

FILE = "scores.jsonl"


class Score(BaseModel):
    """A trace's verdict and its costs. Tokens are those in the trace; `generated` are all that the model wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    set: str
    policy: str
    problem: str
    digest: str
    """Of the whole problem, so that a changed one is not taken for the same."""
    released: str
    id: str
    sample: int
    seed: int
    verdict: Verdict
    reason: str
    gold: str
    answer: str | None
    group: int | None
    """Samples of one problem with the same number gave the same value; None gave no answer."""
    hinted: bool
    model_tokens: int
    hint_tokens: int
    interpreter_tokens: int
    generated: int
    calls: int
    after: int | None
    """Model tokens after the last output; None where no code ran."""
    stop: str

    @classmethod
    def of(cls, trace: Trace, answer: str | None, grade: Grade, group: int | None, *, model: str, part: str) -> Self:
        """A trace with its answer, the grade of that and the answer's class; `part` is the problem set."""
        return cls(
            model=model,
            set=part,
            policy=trace.policy,
            problem=trace.problem.id,
            digest=problem_digest(trace.problem).hex(),
            released=trace.problem.released,
            id=trace.id,
            sample=trace.sample,
            seed=trace.seed,
            verdict=grade.verdict,
            reason=grade.reason,
            gold=trace.problem.answer,
            answer=answer,
            group=group,
            hinted=any(segment.hint is not None for segment in trace.segments),
            model_tokens=trace.kept_tokens,
            hint_tokens=trace.tokens_by(Origin.HINT),
            interpreter_tokens=trace.tokens_by(Origin.INTERPRETER),
            generated=trace.generated_tokens,
            calls=trace.calls,
            after=trace.tokens_after_last_output,
            stop=trace.stop_reason,
        )

    @property
    def right(self) -> bool | None:
        """None where the answer could not be judged."""
        return None if self.verdict is Verdict.UNSCORED else self.verdict is Verdict.EQUAL


def score_traces(traces: Iterable[Trace], grader: Grader, model: str, part: str) -> Iterator[tuple[Trace, Score]]:
    """Grade traces, in which the samples of a problem stand in a row: each with its score, in their order.

    A rollout that failed for an outside reason is unscored and has no vote.
    """
    for _, samples in groupby(_graded(traces, grader), key=lambda item: item[0].problem.id):
        rows = list(samples)
        votes = [None if trace.stop_reason in FAILED else answer for trace, answer, _ in rows]
        groups = answer_groups(votes, lambda one, other: grader.grade(one, other).verdict is Verdict.EQUAL)
        for (trace, answer, grade), group in zip(rows, groups, strict=True):
            yield trace, Score.of(trace, answer, grade, group, model=model, part=part)


def _graded(traces: Iterable[Trace], grader: Grader) -> Iterator[tuple[Trace, str | None, Grade]]:
    """Each trace with its answer and grade; some are read ahead."""
    waiting: deque[tuple[Trace, str | None]] = deque()

    def pairs() -> Iterator[tuple[str, str | None]]:
        for trace in traces:
            answer = extract_answer(trace.text, load_profile(trace.profile).think_close)
            waiting.append((trace, answer))
            yield trace.problem.answer, answer

    for grade in grader.grade_many(pairs()):
        trace, answer = waiting.popleft()
        failed = trace.stop_reason in FAILED
        yield trace, answer, unscored(f"the rollout failed: {trace.stop_reason}") if failed else grade


def write_scores(path: Path, scores: Iterable[Score]) -> None:
    """Write the file anew. Raises RunError."""
    write_atomically(path, "".join(score.model_dump_json() + "\n" for score in scores))


def read_scores(run: Path) -> list[Score]:
    """The scores of a run's evaluation. Raises RunError if it has none."""
    path = run / "eval" / FILE
    if not path.is_file():
        raise RunError(f"{run}: no graded evaluation in there (expected {path}); finish it first with cort eval")
    try:
        with path.open("rb") as lines:
            return [Score.model_validate_json(line) for line in lines]
    except ValidationError as error:
        raise RunError(
            f"{path}: not written by this version ({first_problem(error)}); start cort eval again to grade anew"
        ) from None
