"""The behaviours that the method is about, found by the same detectors that place hints, run over the finished trace.

Work that a hint rewound is not in the trace any more. What a detector still finds was carried out, unless a hint of
that very span stands after it: then the model was stopped where the detector fired.
"""

from __future__ import annotations

from collections.abc import Iterator

from cort_data.blocks import blocks
from cort_data.filters.base import Filter, FilterParams
from cort_data.hints.scan import scan
from cort_data.hints.triggers import Span
from cort_data.trace import Decision, HintMark, Trace

_SHOWN = 80


class DelayedComputation(Filter[FilterParams]):
    """A computation is carried out by hand and code comes afterwards to confirm it, or never (METHOD §1)."""

    name = "delayed_computation"
    reasons = ("delayed_computation", "never_code")

    async def decide(self, trace: Trace) -> Decision:
        """Not delayed: handwork after the last block, for which no code waited; a re-check, which is distrust."""
        starts = [block.start for block in blocks(trace)]
        doubts = list(scan(trace, "result_distrust"))
        for span in carried_out(trace, "manual_arithmetic"):
            if any(span.start < doubt.end and doubt.start < span.end for doubt in doubts):
                continue
            if not starts:
                return self.drop("never_code", _shown(trace, span))
            if span.start < starts[-1]:
                return self.drop("delayed_computation", _shown(trace, span))
        return self.keep()


class ResultDistrust(Filter[FilterParams]):
    """After a correct output the same numbers are computed again by hand, or doubted without a reason."""

    name = "result_distrust"
    reasons = ("result_distrust",)

    async def decide(self, trace: Trace) -> Decision:
        """The first such span."""
        span = next(carried_out(trace, "result_distrust"), None)
        return self.keep() if span is None else self.drop("result_distrust", _shown(trace, span))


class Loop(Filter[FilterParams]):
    """The same sentences again and again without progress."""

    name = "loop"
    reasons = ("loop",)

    async def decide(self, trace: Trace) -> Decision:
        """The first such span."""
        span = next(carried_out(trace, "loop"), None)
        return self.keep() if span is None else self.drop("loop", _shown(trace, span))


def carried_out(trace: Trace, trigger: str) -> Iterator[Span]:
    """Spans of a detector that no hint of the same span stopped."""
    hints = [(at, mark) for at, mark in _hints(trace) if mark.trigger == trigger]
    return (span for span in scan(trace, trigger) if not any(_stopped(span, at, mark) for at, mark in hints))


def _stopped(span: Span, at: int, mark: HintMark) -> bool:
    """Was this hint, which stands at `at`, inserted because of this span?"""
    return span.end <= at and mark.span_start < span.end and span.start < mark.span_end


def _hints(trace: Trace) -> Iterator[tuple[int, HintMark]]:
    """Where hints begin in the completion."""
    at = 0
    for segment in trace.segments:
        if segment.hint is not None:
            yield at, segment.hint
        at += len(segment.text)


def _shown(trace: Trace, span: Span) -> str:
    text = " ".join(trace.text[span.start : span.end].split())
    return f"at {span.start}: {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}"
