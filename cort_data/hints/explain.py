"""What the detectors saw in one trace: each hint event with its text, and what branch search found at a candidate.

Offsets of an event are of the completion as it was then. Where the text was taken back for a hint, what stood there is
put together again from the trace and from what its rewind dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from cort_data.trace import Arm, Arms, Event, HintMark, Trace

SHOWN = 90
"""Characters of a span in the table; the middle of a longer one is left out."""
GONE = "(taken back, and not in the trace)"

_STYLES = {"fired": "green", "below": "dim", "blocked": "yellow", "declined": "yellow", "win": "green", "loss": "red"}


@dataclass(frozen=True, slots=True)
class Row:
    """One event of a hint: fired, below its threshold, blocked or declined; or a candidate of branch search."""

    event: Event
    text: str
    """What the detector fired on."""
    tokens_saved: float | None = None
    """Estimated by branch search, of a hint that stayed."""


def explain(trace: Trace) -> list[Row]:
    """The hint events of a trace by position."""
    past = _Past(trace)
    events = [e for e in trace.events if e.kind in ("hint", "candidate") and e.start is not None and e.end is not None]
    rows = [Row(e, past.text(e.start or 0, e.end or 0), past.saved(e)) for e in events]
    return sorted(rows, key=lambda row: (row.event.start or 0, row.event.kind))


def explain_table(rows: Sequence[Row]) -> Table:
    """The rows for reading; what branch search found stands below the reason."""
    table = Table("position", "hint", "detector", "text", "score", "outcome", "reason", box=SIMPLE, padding=(0, 1))
    for row in rows:
        event = row.event
        outcome = event.outcome or ""
        table.add_row(
            f"{event.start}–{event.end}",
            event.name,
            event.trigger,
            Text(_short(row.text)),
            _score(event),
            Text(f"tried: {outcome}" if event.kind == "candidate" else outcome, _STYLES.get(outcome, "")),
            Text("\n".join(_about(row))),
        )
    return table


class _Past:
    """The completion as it was when a hint was inserted."""

    def __init__(self, trace: Trace) -> None:
        self._now = trace.text
        self._hints = list(_hints(trace))
        rewinds = [event.text or "" for event in trace.events if event.kind == "rewind"]
        self._dropped = dict(zip(self._rewound(len(rewinds), trace), rewinds, strict=False))

    def text(self, start: int, end: int) -> str:
        """What stood at `[start, end)` when a detector fired there."""
        for at, until, _ in self._hints:
            if start < until and end > at:  # the hint stands where the span went on
                then = self._now[:at] + self._dropped.get(at, "")
                return then[start:end] if end <= len(then) else f"{then[start:at]}… {GONE}"
        return self._now[start:end] if end <= len(self._now) else GONE

    def saved(self, event: Event) -> float | None:
        """What the hint of this event is estimated to have saved."""
        place = (event.name, event.start, event.end)
        marks = (mark for _, _, mark in self._hints if (mark.name, mark.span_start, mark.span_end) == place)
        return next((mark.tokens_saved for mark in marks), None)

    def _rewound(self, rewinds: int, trace: Trace) -> list[int]:
        """Where the hints stand that took text back, in the order of the rewinds; none if that cannot be told.

        A hint whose span goes on behind its place did. Of the others nobody knows, but for the number of rewinds.
        """
        sure = [at for at, _, mark in self._hints if mark.span_end > at]
        declined = any(event.outcome == "declined" for event in trace.events if event.kind == "hint")
        if len(sure) == rewinds and not declined:
            return sure
        return [at for at, _, _ in self._hints] if len(self._hints) == rewinds and not declined else []


def _hints(trace: Trace) -> Iterator[tuple[int, int, HintMark]]:
    """Each hint, which may be of several segments: where it begins and ends."""
    at, last = 0, None
    for segment in trace.segments:
        end = at + len(segment.text)
        if segment.hint is not None and last is not None and last[2] == segment.hint:
            last = (last[0], end, segment.hint)
        else:
            if last is not None:
                yield last
            last = None if segment.hint is None else (at, end, segment.hint)
        at = end
    if last is not None:
        yield last


def _score(event: Event) -> str:
    return "" if event.score is None or event.threshold is None else f"{event.score:.3g}/{event.threshold:.3g}"


def _about(row: Row) -> Iterator[str]:
    if row.event.reason:
        yield row.event.reason
    if row.event.arms is not None:
        yield from _arms(row.event.arms)
    if row.tokens_saved is not None and row.event.kind == "candidate":
        yield f"saves about {row.tokens_saved:.0f} tokens"


def _arms(arms: Arms) -> Iterator[str]:
    yield f"chosen by: with {_arm(arms.with_hint)}; without {_arm(arms.without)}"
    if arms.fresh_with_hint.tokens or arms.fresh_without.tokens:
        yield f"afresh: with {_arm(arms.fresh_with_hint)}; without {_arm(arms.fresh_without)}"


def _arm(arm: Arm) -> str:
    if not arm.tokens:
        return "none"
    return f"{sum(arm.correct)}/{len(arm.correct)} right, {arm.mean_tokens:.0f} tokens"


def _short(text: str) -> str:
    text = " ".join(text.split())
    half = SHOWN // 2
    return text if len(text) <= SHOWN else f"{text[:half]} … {text[-half:]}"
