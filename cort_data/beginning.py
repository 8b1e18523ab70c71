"""Where a trace that was written elsewhere is taken up: where the first hint fires, and what stands before it.

The hints watch the given text as they watch a model that writes. A hint with nothing before it would throw the given
text away, so it does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cort_data.fences import parse
from cort_data.hints.judge import Judges
from cort_data.hints.policy import Firing, Policy, View
from cort_data.trace import Kind, Origin, Segment

NOTHING_BEFORE = "nothing of the given trace stands before it"


async def find_cut(segments: Iterable[Segment], view: View, policy: Policy, judges: Judges) -> Firing | None:
    """The first hint that goes into the given text; None if none does. `view` has seen nothing yet."""
    view = view.fork()
    for segment in (None, *segments):
        if segment is not None:
            view.append(segment.kind, segment.origin, segment.text)
        while (firing := policy.observe(view)) is not None:
            seen = view.text[: max(firing.cut, firing.span.end)]
            refusal = NOTHING_BEFORE if firing.cut == 0 else await judges.refusal(firing, seen)
            if refusal is None:
                return firing
            policy.decline(firing, refusal)
    return None


def before(segments: Iterable[Segment], cut: int) -> Iterator[Segment]:
    """The segments up to an offset of the completion, without token ids: they are another engine's."""
    at = 0
    for segment in segments:
        text = segment.text[: max(0, cut - at)]
        at += len(segment.text)
        if text:
            yield Segment(kind=segment.kind, origin=segment.origin, text=text, hint=segment.hint)


def objection(segments: Sequence[Segment]) -> str | None:
    """Why nobody could go on from these segments, as far as reading them tells."""
    number = 0
    for i, segment in enumerate(segments):
        if segment.kind is Kind.OUTPUT:
            number += 1
            if segment.origin is Origin.MODEL:
                return f"block {number}: its output is the model's own"
        following = segments[i + 1].kind if i + 1 < len(segments) else Kind.TEXT
        if segment.kind is Kind.CODE and following is Kind.TEXT:
            return f"block {number + 1}: it was never run"
    if any(piece.forged for piece in parse("".join(s.text for s in segments))):
        return "an output follows no block"
    return None
