"""A trace as the turns of a dialogue with the interpreter: the model's prose, and the block that ends it."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from cort_data.blocks import Block, blocks
from cort_data.trace import Kind, Origin, Trace

_WRITERS = frozenset({Origin.MODEL, Origin.HUMAN})


@dataclass(frozen=True, slots=True)
class Turn:
    """What was written between two blocks. Words of hints and of the system are left out."""

    prose: str
    block: Block | None
    """The block that follows; None for the last turn of the thinking."""


def turns(trace: Trace, think_close: str) -> list[Turn]:
    """The turns of the thinking, one more than it has blocks. What follows the closing tag is the answer, no turn."""
    found = list(blocks(trace))
    starts = [block.start for block in found]
    prose = [""] * (len(found) + 1)
    at = 0
    for segment in trace.segments:
        if segment.kind is Kind.TEXT and segment.origin in _WRITERS:
            prose[bisect.bisect_right(starts, at)] += segment.text
        at += len(segment.text)
    if think_close:
        prose[-1] = prose[-1].rpartition(think_close)[0] or prose[-1]
    return [Turn(text, block) for text, block in zip(prose, [*found, None], strict=True)]
