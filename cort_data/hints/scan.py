"""Runs a detector over a finished trace, as it would have run while the trace was written.

It goes on after a detection, so that all spans are found; one chain of evidence gives one span.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from cort_data.hints.triggers import TRIGGERS, Span, Trigger
from cort_data.hints.view import View
from cort_data.profiles import load_profile
from cort_data.trace import Segment, Trace


def scan(trace: Trace, trigger: str) -> Iterator[Span]:
    """The detections of a trigger with its default parameters, in order."""
    return detect(trace.segments, TRIGGERS[trigger](), _think_close(trace.profile))


def detect(segments: Iterable[Segment], trigger: Trigger, think_close: str = "</think>") -> Iterator[Span]:
    """The detections in what the model wrote of these segments. A span ends where its evidence ends."""
    view = View(think_close=think_close)
    detector = trigger.detector()
    epoch, read, open_span = view.epoch, 0, detector.restart(view)
    for segment in segments:
        view.append(segment.kind, segment.origin, segment.text)
        if view.epoch != epoch:
            epoch, read = view.epoch, 0
            yield from _fired(open_span)
            open_span = detector.restart(view)
        for clause in view.clauses[read:]:
            span = detector.read(view, clause)
            if span is None:
                continue
            if open_span is not None and span.start != open_span.start:
                yield from _fired(open_span)
            open_span = span
        read = len(view.clauses)
    yield from _fired(open_span)


@cache
def _think_close(profile: str) -> str:
    return load_profile(profile).think_close


def _fired(span: Span | None) -> Iterator[Span]:
    if span is not None and span.fires:
        yield span
