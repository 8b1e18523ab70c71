"""How good the filters are in a reader's eyes: traces are read with the verdicts hidden, and compared afterwards.

Half of the traces are drawn from the kept ones, half from those dropped for something that a reader can see in one
trace, in turn from each filter; duplicates, leaks, lengths and replays are left out. The draw is fixed by the trace
ids: a larger one goes on from a smaller one. Answers stand in `RUN/audit/answers.jsonl`, one line each, so that an
audit that was stopped goes on.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from cort_data.errors import TraceError
from cort_data.filters.base import first_drop
from cort_data.recipe import StageName
from cort_data.stages.filter import DROPPED_FILE, KEPT_FILE, LineFile
from cort_data.statistics import Interval, share_interval
from cort_data.trace import Trace
from cort_data.traces_io import read_lines, read_traces

KEPT = "kept"


class Answer(StrEnum):
    """What a reader says of a trace: nothing against it, or its first fault."""

    GOOD = "good"
    WRONG = "wrong"
    DELAYED = "delayed"
    DISTRUST = "distrust"
    BEFORE_CODE = "before_code"
    BROKEN = "broken"
    LOOP = "loop"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Choice:
    """A key that the reader can press."""

    key: str
    answer: Answer
    text: str


CHOICES = (
    Choice("g", Answer.GOOD, "good, I would train on it"),
    Choice("w", Answer.WRONG, "wrong answer, or none"),
    Choice("d", Answer.DELAYED, "long computation by hand that code could have done"),
    Choice("r", Answer.DISTRUST, "a result of code computed again or doubted"),
    Choice("a", Answer.BEFORE_CODE, "the answer stands before the code"),
    Choice("f", Answer.BROKEN, "broken form: forged output, no closed thinking, code that never works"),
    Choice("l", Answer.LOOP, "goes round in circles"),
    Choice("u", Answer.UNSURE, "cannot say"),
)

VISIBLE = {
    "answer": Answer.WRONG,
    "delayed_computation": Answer.DELAYED,
    "result_distrust": Answer.DISTRUST,
    "answer_before_code": Answer.BEFORE_CODE,
    "format": Answer.BROKEN,
    "forged_output": Answer.BROKEN,
    "all_code_failed": Answer.BROKEN,
    "loop": Answer.LOOP,
}
"""Filter → the fault that it stands for, where a reader can see it."""


@dataclass(frozen=True, slots=True)
class Precision:
    """A filter's verdicts against the reader's."""

    filter: str
    """Or `kept`: all filters together let the trace pass."""
    read: int
    agreed: int
    """The reader would not train on them either; of kept ones: would."""
    same_fault: int | None
    """The reader named the filter's own fault; None for kept ones."""
    share: Interval
    """Agreed / read, 95%."""


class Audit:
    """The audit of one run's filter stage."""

    def __init__(self, run: Path) -> None:
        """Raises TraceError if the run has no decided traces."""
        self._files = [run / StageName.FILTER / name for name in (KEPT_FILE, DROPPED_FILE)]
        if not any(file.is_file() and file.stat().st_size for file in self._files):
            raise TraceError(f"{run}: no filtered traces in there (filter/{KEPT_FILE}); run the stage filter first")
        self._answers = run / "audit" / "answers.jsonl"
        self._verdicts = {trace.id: _verdict(trace) for trace in self._traces()}

    def draw(self, n: int) -> list[Trace]:
        """The traces to read, without decisions, in an order that does not tell kept from dropped."""
        groups: dict[str, list[str]] = defaultdict(list)
        for id in sorted(self._verdicts, key=_rank):
            if (verdict := self._verdicts[id]) is not None:
                groups[verdict].append(id)
        kept = groups.pop(KEPT, [])
        in_turn = itertools.zip_longest(*(groups[name] for name in sorted(groups)))
        dropped = [id for each in in_turn for id in each if id is not None]
        passed = min(len(kept), n - min(n // 2, len(dropped)))
        wanted = {*kept[:passed], *dropped[: n - passed]}
        found = [trace.with_decisions(()) for trace in self._traces() if trace.id in wanted]
        return sorted(found, key=lambda trace: _rank(f"order {trace.id}"))

    def answers(self) -> dict[str, Answer]:
        """Trace id → what the reader said last; answers on traces that the run has no more are left out."""
        if not self._answers.is_file() or not self._answers.stat().st_size:
            return {}
        return {id: answer for id, answer in read_answers(self._answers) if id in self._verdicts}

    def record(self, answers: Iterable[tuple[str, Answer]]) -> int:
        """Add answers; returns how many. Raises TraceError, and writes nothing, if a trace is not of this run."""
        answers = list(answers)
        for id, _ in answers:
            if id not in self._verdicts:
                raise TraceError(f"trace {id!r} is not among this run's filtered traces; check the answers' trace ids")
        self._answers.parent.mkdir(exist_ok=True)
        with LineFile(self._answers) as file:
            for id, answer in answers:
                file.append(json.dumps({"trace_id": id, "answer": answer}))
        return len(answers)

    def precision(self) -> list[Precision]:
        """Kept traces first, then the filters by name; traces of which the reader was unsure are left out."""
        said: dict[str, list[Answer]] = defaultdict(list)
        for id, answer in self.answers().items():
            if (verdict := self._verdicts[id]) is not None and answer is not Answer.UNSURE:
                said[verdict].append(answer)
        return [_precision(name, said[name]) for name in sorted(said, key=lambda name: (name != KEPT, name))]

    def _traces(self) -> Iterator[Trace]:
        for file in self._files:
            if file.is_file() and file.stat().st_size:
                yield from read_traces(file)


def read_answers(path: Path) -> Iterator[tuple[str, Answer]]:
    """`{trace_id, answer}` lines; an answer is a word or a key. Raises TraceError that names the line."""
    for number, line in read_lines(path):
        try:
            record = json.loads(line)
            yield str(record["trace_id"]), answer_of(str(record["answer"]))
        except (ValueError, KeyError, TypeError) as error:
            what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise TraceError(f'{path}:{number}: expected {{"trace_id": …, "answer": …}}; {what}') from None


def answer_of(text: str) -> Answer:
    """The answer of a key or word. Raises ValueError."""
    for choice in CHOICES:
        if text in (choice.key, choice.answer.value):
            return choice.answer
    known = ", ".join(f"{choice.answer} ({choice.key})" for choice in CHOICES)
    raise ValueError(f"unknown answer {text!r}; there are {known}")


def _verdict(trace: Trace) -> str | None:
    """`kept`, the filter that dropped it, or None where a reader could not see why."""
    drop = first_drop(trace.decisions)
    if drop is None:
        return KEPT
    return drop.filter if drop.filter in VISIBLE else None


def _precision(name: str, answers: list[Answer]) -> Precision:
    good = sum(answer is Answer.GOOD for answer in answers)
    agreed = good if name == KEPT else len(answers) - good
    same = None if name == KEPT else sum(answer is VISIBLE[name] for answer in answers)
    share = share_interval(np.repeat([1.0, 0.0], [agreed, len(answers) - agreed]))
    assert share is not None  # there is an answer
    return Precision(name, len(answers), agreed, same, share)


def _rank(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()
