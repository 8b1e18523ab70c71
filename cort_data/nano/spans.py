"""The corpus traces as annotated completions: the generator knows where it put hand work, re-checks and loops.

Labels are those of the triggers, by the rules for annotating real traces: hand work has at least three evaluations, a
re-check of so many is hand work as well, a loop begins with its second round.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from cort_data.hints.annotations import Completion, Marked, golden
from cort_data.nano.corpus import CorpusTrace, Mixture, Span, traces
from cort_data.nano.families import Split
from cort_data.trace import Kind, Origin, Segment, segments_of

STEPS = 3
"""Evaluations that make hand work; less is a step in passing."""


def marked_traces(split: Split, seed: int, mixture: Mixture) -> Iterator[Marked]:
    """An endless corpus over a split, with its gold spans."""
    for number, trace in enumerate(traces(split, seed, mixture)):
        yield marked(trace, f"{trace.problem.id}-{number}")


def marked(trace: CorpusTrace, id: str) -> Marked:
    """A corpus trace with its gold spans."""
    spans = [found for span in trace.spans for found in _gold(trace.text, span)]
    return golden(Completion(id, "nano corpus", _segments(trace)), spans)


def _gold(text: str, span: Span) -> Iterator[tuple[str, int, int]]:
    shown = text[span.start : span.end]
    if span.label == "loop":
        yield "loop", span.start + shown.index("\n") + 1, span.end
    elif shown.count("=") >= STEPS:
        yield "manual_arithmetic", span.start, span.end
    if span.label == "recheck":
        yield "result_distrust", span.start, span.end


def _segments(trace: CorpusTrace) -> tuple[Segment, ...]:
    """What stands in the completion; the text of hints by its writer."""
    hints, at = [], 0
    for piece in trace.pieces:
        if piece.origin is Origin.HINT:
            hints.append((at, at + len(piece.text)))
        at += len(piece.text)
    cut, at = list[Segment](), 0
    for segment in segments_of(trace.text)[0]:
        cut.extend(_apart(segment, at, hints) if segment.kind is Kind.TEXT else [segment])
        at += len(segment.text)
    return tuple(cut)


def _apart(segment: Segment, at: int, hints: list[tuple[int, int]]) -> Iterator[Segment]:
    """A text segment that starts at `at`, cut where hints begin and end."""
    end = at + len(segment.text)
    inside = [(max(a, at), min(b, end)) for a, b in hints if a < end and b > at]
    borders = [at, *(border for span in inside for border in span), end]
    for index, (a, b) in enumerate(itertools.pairwise(borders)):
        if a < b:
            origin = Origin.HINT if index % 2 else segment.origin
            yield Segment(kind=Kind.TEXT, origin=origin, text=segment.text[a - at : b - at])
