"""Delayed computation and result distrust (METHOD §1), as yes or no of a whole trace.

*Delayed computation*: before the last block, or anywhere if there is none, `STEPS` steps of arithmetic stand within
`WINDOW` characters; a symbolic step counts as `SYMBOLIC` of a numeric one.
*Result distrust*: in the turn after an output that is no error, either `RECOMPUTED` numeric steps arrive at numbers
which that output shows (one is enough for a telling number), or a sentence doubts or re-checks and numeric steps follow
within `NEAR` characters, or a sentence says that the output must be wrong. Doubts about the code are no distrust.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from cort_data.behaviour.arithmetic import numbers, plain, same, steps, telling
from cort_data.behaviour.turns import Turn

WINDOW = 700
STEPS = 3.0
SYMBOLIC = 0.5
RECOMPUTED = 3
NEAR = 500
DOUBTED_STEPS = 2
_RECHECK = re.compile(
    r"\b(?:verify|double[- ]?check|re-?check|re-?compute|check (?:that|if|whether|the|any)|confirm|ensure|make sure|"
    r"wait|is (?:that|this) (?:right|correct)|by hand|manually|alternative method)\b",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"\b(?:(?:error|mistake|issue) (?:in|with) the (?:previous|output|result)|"
    r"(?:output|result) (?:is|seems|looks|must be) (?:wrong|incorrect|off)|"
    r"(?:don't|do not) trust|seems? there (?:was|is) (?:still )?an? (?:error|issue|mistake))",
    re.IGNORECASE,
)
_CODE = re.compile(r"\b(?:code|loop|function|program|condition|variable|import|syntax)\b", re.IGNORECASE)


def delays(found: Sequence[Turn]) -> bool:
    """Is a computation carried out by hand that code could have done, and that no code preceded?"""
    coded = [turn for turn in found if turn.block is not None]
    return any(_worked(turn.prose) for turn in coded or found)


def distrusts(found: Sequence[Turn]) -> bool:
    """Is a result of the interpreter computed again by hand, or doubted?"""
    return any(
        before.block is not None
        and before.block.output is not None
        and not before.block.failed
        and _doubted(plain(after.prose), plain(before.block.output))
        for before, after in pairwise(found)
    )


def _worked(prose: str) -> bool:
    """Do enough steps stand close to each other?"""
    marks = [(step.at, 1.0 if step.numeric else SYMBOLIC) for step in steps(plain(prose))]
    first, held = 0, 0.0
    for at, weight in marks:
        held += weight
        while marks[first][0] < at - WINDOW:
            held -= marks[first][1]
            first += 1
        if held >= STEPS:
            return True
    return False


def _doubted(prose: str, output: str) -> bool:
    shown = numbers(output)
    worked = [step for step in steps(prose) if step.numeric]
    again = [step.value for step in worked if step.value is not None and any(same(step.value, s) for s in shown)]
    if len(again) >= RECOMPUTED or any(telling(value) for value in again):
        return True
    for sentence in re.finditer(r"[^.?!\n]+", prose):
        if _CODE.search(sentence[0]):
            continue
        if _WRONG.search(sentence[0]):
            return True
        at = sentence.start()
        if _RECHECK.search(sentence[0]) and sum(at <= s.at < at + NEAR for s in worked) >= DOUBTED_STEPS:
            return True
    return False
