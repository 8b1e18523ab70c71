"""Gold spans, marked by reading completions.

An annotation file is JSONL, `{trace_id, sha256, label, start, end}`: characters `[start, end)` of the completion that
has this hash. A line with the label `none` says that the trace was read and holds no span. Spans of one label that are
less than `APART` characters from each other are one.
"""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cort_data.errors import TraceError
from cort_data.hints.view import View
from cort_data.profiles import load_profile
from cort_data.trace import Origin, Segment, first_problem, segments_of
from cort_data.traces_io import parse_line, read_lines

APART = 40
UNMARKED = "none"
_MINE = (Origin.MODEL, Origin.HUMAN)


class Mark(BaseModel):
    """One line of an annotation file."""

    model_config = ConfigDict(frozen=True)

    trace_id: str
    sha256: str = Field(min_length=64, max_length=64)
    label: str = Field(min_length=1)
    start: int = Field(default=0, ge=0)
    end: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _holds_text(self) -> Mark:
        if self.label != UNMARKED and self.end <= self.start:
            raise ValueError(f"a span needs start < end, this one has {self.start} and {self.end}")
        return self


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion that may be annotated: who wrote what in it."""

    id: str
    model: str
    """As its line says, "" if it does not: figures can be grouped by it."""
    segments: tuple[Segment, ...]
    think_close: str = "</think>"

    @property
    def text(self) -> str:
        """The completion."""
        return "".join(segment.text for segment in self.segments)

    @property
    def written(self) -> int:
        """Characters that the model wrote."""
        return sum(len(s.text) for s in self.segments if s.origin in _MINE)

    def borders(self) -> tuple[list[int], list[int]]:
        """Where its sentences start, and where its runs do; both sorted."""
        view = View(think_close=self.think_close)
        sentences, runs = set[int](), {0}
        for segment in self.segments:
            view.append(segment.kind, segment.origin, segment.text)
            runs.add(view.run_start)
            sentences.update(clause.sentence for clause in view.clauses)
        return sorted(sentences), sorted(runs)


@dataclass(frozen=True, slots=True)
class Gold:
    """An annotated span."""

    label: str
    start: int
    end: int
    reach: int
    """A detection that starts from here on is one of this span: one sentence before its start."""

    def meets(self, start: int) -> bool:
        """Is a detection that starts here one of this span?"""
        return self.reach <= start < self.end


@dataclass(frozen=True, slots=True)
class Marked:
    """A completion with its gold spans, in order."""

    completion: Completion
    gold: tuple[Gold, ...]

    def of(self, label: str) -> list[Gold]:
        """The spans of one label."""
        return [gold for gold in self.gold if gold.label == label]


def read_marked(
    traces: Iterable[Path], annotated: Path, think_close: Callable[[str], str] | None = None
) -> list[Marked]:
    """The annotated completions, in the order of the annotations; traces without a line there are left out.

    `think_close`: what ends the thinking, by the model of a foreign line. Raises TraceError.
    """
    marks: dict[str, list[tuple[str, Mark]]] = {}
    for number, line in read_lines(annotated):
        where = f"{annotated}:{number}"
        mark = _mark(line, where)
        marks.setdefault(mark.trace_id, []).append((where, mark))
    found = {c.id: c for path in traces for c in read_completions(path, think_close, marks)}
    return [_marked(found.get(id), id, lines) for id, lines in marks.items()]


def read_completions(
    path: Path, think_close: Callable[[str], str] | None = None, wanted: Container[str] | None = None
) -> Iterator[Completion]:
    """The completions of a file, or those with wanted ids. Foreign ones are taken as they stand, with think tags."""
    for number, line in read_lines(path):
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise TraceError(f"{path}:{number}: not JSON ({error})") from None
        if isinstance(record, dict) and wanted is not None and str(record.get("id")) not in wanted:
            continue
        if isinstance(record, dict) and isinstance(text := record.get("completion"), str):
            model = str(record.get("model") or "")
            close = think_close(model) if think_close else "</think>"
            yield Completion(str(record.get("id")), model, segments_of(text)[0], close)
        else:
            trace = parse_line(line, f"{path}:{number}")
            yield Completion(trace.id, trace.engine, trace.segments, load_profile(trace.profile).think_close)


def golden(completion: Completion, spans: Iterable[tuple[str, int, int]]) -> Marked:
    """A completion with these spans (label, start, end): close ones joined, each with its reach."""
    sentences, runs = completion.borders()
    joined: dict[str, list[tuple[int, int]]] = {}
    for label, start, end in sorted(spans):
        of_label = joined.setdefault(label, [])
        if of_label and start - of_label[-1][1] < APART:
            of_label[-1] = (of_label[-1][0], max(end, of_label[-1][1]))
        else:
            of_label.append((start, end))
    gold = (Gold(label, a, b, _reach(sentences, runs, a)) for label, spans in joined.items() for a, b in spans)
    return Marked(completion, tuple(sorted(gold, key=lambda g: (g.start, g.label))))


def _reach(sentences: list[int], runs: list[int], at: int) -> int:
    """Start of the last sentence that begins before `at` in the same run."""
    index = bisect.bisect_left(sentences, at)
    run = runs[bisect.bisect_right(runs, at) - 1]
    return max(sentences[index - 1], run) if index else run if run < at else at


def _mark(line: str, where: str) -> Mark:
    try:
        return Mark.model_validate_json(line)
    except ValidationError as error:
        raise TraceError(f"{where}: not an annotation: {first_problem(error)}") from None


def _marked(completion: Completion | None, id: str, lines: list[tuple[str, Mark]]) -> Marked:
    if completion is None:
        raise TraceError(
            f"{lines[0][0]}: trace {id} is not among the traces; name the file that holds it with --traces"
        )
    text = completion.text
    found = hashlib.sha256(text.encode("utf-8")).hexdigest()
    for where, mark in lines:
        if mark.sha256 != found:
            raise TraceError(
                f"{where}: trace {id}: the completion's sha256 is {found[:12]}…, annotated was {mark.sha256[:12]}…; "
                "annotate this text anew, or give the file with the text that was annotated"
            )
        if mark.end > len(text):
            raise TraceError(f"{where}: trace {id}: the span ends at {mark.end}, the text at {len(text)}; mend it")
    return golden(completion, ((mark.label, mark.start, mark.end) for _, mark in lines if mark.label != UNMARKED))
