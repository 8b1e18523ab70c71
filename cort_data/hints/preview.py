"""Where hints would fire in traces that are already written, and what they would say.

Only up to the first firing is this what would happen: from there on the model would have written something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from cort_data.hints.judge import objection_now
from cort_data.hints.policy import Firing, HintPolicy
from cort_data.hints.triggers.judge import Judge
from cort_data.hints.view import View
from cort_data.profiles import load_profile
from cort_data.trace import Trace

AROUND = 240
"""Characters of the completion shown before a hint, and half as many after it."""
_LATER = "; after an earlier hint: the model would no longer have written this"
_FAR = 10**9  # calls: a preview never runs out of them


@dataclass(frozen=True, slots=True)
class Spot:
    """One firing in a written trace. `first`: the text before it is as the model would have written it."""

    trace: Trace
    firing: Firing
    first: bool


def preview(trace: Trace, policy: HintPolicy) -> Iterator[Spot]:
    """The firings of a policy's hints, in order. Raises EngineError if a hint's judge cannot be asked."""
    view = View(_FAR, load_profile(trace.profile).think_close)
    watcher = policy.start(trace.problem, trace.seed)
    first = True
    for segment in (None, *trace.segments):
        if segment is not None:
            view.append(segment.kind, segment.origin, segment.text)
        while (firing := watcher.observe(view)) is not None:
            judge = firing.hint.trigger
            if isinstance(judge, Judge) and (objection := objection_now(judge, firing.span, view.text)):
                watcher.decline(firing, objection)
                continue
            yield Spot(trace, firing, first)
            first = False


def render_spot(spot: Spot) -> Text:
    """The text around a firing: what stays, what would be taken back, the hint, and what follows now."""
    firing, text = spot.firing, spot.trace.text
    start = max(0, firing.cut - AROUND)
    shown = Text(f"{firing.hint.name}", "bold magenta")
    shown.append(f" at {firing.span.start}: {firing.span.reason}", "magenta")
    shown.append(f" (score {firing.span.score:g}, from {firing.span.threshold:g} on)", "dim")
    shown.append("\n" if spot.first else f"{_LATER}\n", "dim")
    shown.append(("…" if start else "") + text[start : firing.cut], "" if spot.first else "dim")
    shown.append(firing.text, "bold yellow")
    shown.append(text[firing.cut : firing.span.end], "strike red")
    shown.append(text[firing.span.end : firing.span.end + AROUND // 2] + "…\n", "dim")
    return shown
