"""A trace's code blocks with what answered them: the view that filters, seeds and detectors need.

Whether a block failed is read from the form of a traceback, never from a word: an output such as
`relative error: 0.01` is a success (METHOD §4, defect 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cort_data.fences import code_of, unclosed
from cort_data.trace import Kind, Trace

_FRAME = re.compile(r'^(?:Traceback \(most recent call last\):|  File "[^"\n]+", line \d+.*)$', re.MULTILINE)
_MESSAGE = re.compile(r"[A-Za-z_][\w.]*(?:: .*)?$")
_STOPPED = re.compile(r"(?:TimeoutError|MemoryError|SystemExit): .*$|.*; all variables are lost$")


@dataclass(frozen=True, slots=True)
class Block:
    """One python block."""

    number: int
    """From 1."""
    code: str
    closed: bool
    output: str | None
    """What stands inside the output's fence; None if the block was not run."""
    refused: bool
    """A notice of the system answered it: the budget was used up."""
    start: int
    """Offset of its fence in the completion."""

    @property
    def failed(self) -> bool:
        """Was it run and ended by an error?"""
        return self.output is not None and is_failure(self.output)


def blocks(trace: Trace) -> Iterator[Block]:
    """The python blocks in order."""
    pieces = trace.pieces()
    offset = number = 0
    for i, (kind, text) in enumerate(pieces):
        if kind == Kind.CODE:
            number += 1
            next_kind, next_text = pieces[i + 1] if i + 1 < len(pieces) else (Kind.TEXT, "")
            yield Block(
                number=number,
                code=code_of(text),
                closed=not unclosed(text),
                output=feedback_body(next_text) if next_kind == Kind.OUTPUT else None,
                refused=next_kind == Kind.NOTICE,
                start=offset,
            )
        offset += len(text)


def feedback_body(text: str) -> str:
    """What stands inside a feedback block's fence."""
    return "\n".join(text.strip("\n").split("\n")[1:-1])


def is_failure(output: str) -> bool:
    """Does this output end in an error of the cell?"""
    if _STOPPED.match(output.rstrip("\n").rpartition("\n")[2]):
        return True
    frames = list(_FRAME.finditer(output))
    if not frames:
        return False
    after = (line for line in output[frames[-1].end() :].split("\n") if line)
    message = next((line for line in after if not line.startswith(" ")), None)
    return message is not None and _MESSAGE.match(message) is not None
