"""Whether an output that stands in a trace is the one that the interpreter gives now. Object addresses are masked."""

from __future__ import annotations

import re

from cort_data.blocks import Block
from cort_data.interpreter.base import Result, Status

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
_SHOWN = 60


def agrees(block: Block, result: Result) -> bool:
    """Same output; of a block stopped from outside only the last line counts, its printing depends on speed."""
    expected, got = _lines(block.output or ""), _lines(result.feedback)
    stopped = result.status not in (Status.OK, Status.ERROR)
    return expected[-1:] == got[-1:] if stopped else expected == got


def first_difference(expected: str, got: str) -> tuple[str, str]:
    """The first line that differs, from both; a missing line is empty."""
    a, b = _lines(expected), _lines(got)
    i = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return _cut(a, i), _cut(b, i)


def _lines(output: str) -> list[str]:
    masked = _ADDRESS.sub("0x…", output)
    return [line.rstrip() for line in masked.strip("\n").split("\n")]


def _cut(lines: list[str], index: int) -> str:
    line = lines[index] if index < len(lines) else ""
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"
