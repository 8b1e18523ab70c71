"""What one trace does with code, as numbers; the trace itself need not be kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from cort_data.behaviour.arithmetic import evaluate, numbers, plain, same
from cort_data.behaviour.functions import classes_of
from cort_data.behaviour.handwork import delays, distrusts
from cort_data.behaviour.purpose import Purpose, purposes
from cort_data.behaviour.turns import turns
from cort_data.blocks import Block
from cort_data.grading import extract_answer
from cort_data.trace import Trace

EXHAUSTED = frozenset({"length", "context", "calls"})
_SPELLING = re.compile(r"[\s*(){}\\]|sqrt|frac")
_TUPLE = re.compile(r"[-\d.,\s()\[\]{}]+")


@dataclass(frozen=True, slots=True)
class BlockUse:
    """One python block."""

    purpose: Purpose
    classes: frozenset[str]
    ran: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class Observation:
    """What one trace does with code."""

    blocks: tuple[BlockUse, ...]
    delayed: bool
    distrusted: bool
    grounded: bool | None
    """Does the answer stand in an output of code that worked? None without an answer or without such code."""
    error_streaks: int
    """Runs of failed blocks with nothing that worked between them."""
    recovered: int
    """Those of them after which a block worked."""
    tokens_after_last_output: int | None
    exhausted: str | None
    """Which budget ended the trace or its code: `calls`, `length` or `context`; None for none."""

    @property
    def ran(self) -> int:
        """Blocks that were run."""
        return sum(block.ran for block in self.blocks)

    @property
    def worked(self) -> int:
        """Blocks that were run without an error."""
        return sum(block.ran and not block.failed for block in self.blocks)


def observe(trace: Trace, think_close: str) -> Observation:
    """Look at a trace. Its right answer plays no part."""
    found = turns(trace, think_close)
    given = [turn.block for turn in found if turn.block is not None]
    uses = tuple(
        BlockUse(purpose, classes_of(block.code), block.output is not None, block.failed)
        for block, purpose in zip(given, purposes(found, trace.problem.text), strict=True)
    )
    streaks = [(failed, len(list(group))) for failed, group in groupby(u.failed for u in uses if u.ran)]
    return Observation(
        blocks=uses,
        delayed=delays(found),
        distrusted=distrusts(found),
        grounded=_grounded(extract_answer(trace.text, think_close), given),
        error_streaks=sum(failed for failed, _ in streaks),
        recovered=sum(failed for failed, _ in streaks[:-1]),
        tokens_after_last_output=trace.tokens_after_last_output,
        exhausted=_exhausted(trace, given),
    )


def _exhausted(trace: Trace, given: Sequence[Block]) -> str | None:
    if trace.stop_reason in EXHAUSTED:
        return trace.stop_reason
    return "calls" if any(block.refused for block in given) else None


def _grounded(answer: str | None, given: Sequence[Block]) -> bool | None:
    shown = [plain(b.output) for b in given if b.output is not None and not b.failed]
    if answer is None or not shown:
        return None
    return any(_shows(output, plain(answer)) for output in shown)


def _shows(output: str, answer: str) -> bool:
    """A number by its value, several numbers by theirs, anything else by its spelling."""
    value = evaluate(answer.rstrip("%°").partition("=")[2] or answer.rstrip("%°"))
    values = numbers(output) | {v for line in output.splitlines() if (v := evaluate(line)) is not None}
    if value is not None:
        return any(same(value, v) for v in values)
    if _TUPLE.fullmatch(answer):
        return all(any(same(a, v) for v in values) for a in numbers(answer))
    spelled = _SPELLING.sub("", answer)
    return bool(spelled) and spelled in _SPELLING.sub("", output.replace("**", "^"))
