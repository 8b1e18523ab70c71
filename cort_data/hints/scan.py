"""Runs a detector over a finished trace, as it would have run while the trace was written.

It goes on after a detection, so that all spans are found; one chain of evidence gives one span, which has one start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from cort_data.hints.triggers import TRIGGERS, Span, Trigger
from cort_data.hints.view import MAX_CLAUSE, View
from cort_data.profiles import load_profile
from cort_data.trace import Kind, Segment, Trace


def scan(trace: Trace, trigger: str) -> Iterator[Span]:
    """The detections of a trigger with its default parameters, in order."""
    return detect(trace.segments, TRIGGERS[trigger](), _think_close(trace.profile))


def detect(segments: Iterable[Segment], trigger: Trigger, think_close: str = "</think>") -> Iterator[Span]:
    """The detections in what the model wrote of these segments. A span ends where its evidence ends."""
    open_span: Span | None = None
    for span in _evidence(segments, trigger, think_close):
        if open_span is not None and (span is None or span.start != open_span.start):
            yield from _fired(open_span)
        open_span = span
    yield from _fired(open_span)


def firings(segments: Iterable[Segment], trigger: Trigger, think_close: str = "</think>") -> Iterator[Span]:
    """Each detection as it first fires: a span ends where the detector had read to, as a policy sees it."""
    fired: set[int] = set()
    for span in _evidence(segments, trigger, think_close):
        if span is not None and span.fires and span.start not in fired:
            fired.add(span.start)
            yield span


def _evidence(segments: Iterable[Segment], trigger: Trigger, think_close: str) -> Iterator[Span | None]:
    """All that the detector says, in order; None where a run begins."""
    view = View(think_close=think_close)
    detector = trigger.detector()
    epoch, read, span = view.epoch, 0, detector.restart(view)
    if span is not None:
        yield span
    for segment, text in _pieces(segments):
        view.append(segment.kind, segment.origin, text)
        if view.epoch != epoch:
            epoch, read = view.epoch, 0
            yield None
            if (span := detector.restart(view)) is not None:
                yield span
        for clause in view.clauses[read:] if detector.reads else ():
            if (span := detector.read(view, clause)) is not None:
                yield span
        read = len(view.clauses)


def _pieces(segments: Iterable[Segment]) -> Iterator[tuple[Segment, str]]:
    """Text in small pieces: a detector that looks back from the end of the view must not pass much that comes later."""
    for segment in segments:
        if segment.kind is not Kind.TEXT:
            yield segment, segment.text
            continue
        for at in range(0, len(segment.text), MAX_CLAUSE):
            yield segment, segment.text[at : at + MAX_CLAUSE]


@cache
def _think_close(profile: str) -> str:
    return load_profile(profile).think_close


def _fired(span: Span | None) -> Iterator[Span]:
    if span is not None and span.fires:
        yield span
