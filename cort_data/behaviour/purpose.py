"""What a block is for: calculation or verification (METHOD §2, "what code is used for").

Verification is what tests a value, a formula or a guess that the model already holds; all else is calculation. The
rule, in this order:
1. *Announced.* One of the last `LAST` sentences before the block, or a comment in its first lines, says that something
   is to be verified, confirmed, tested or checked, or asks whether there is a case against it, and none says that a
   pattern is yet to be found: verification. "We need to check if k divides n" tells what the code does, and is none.
2. *Repeated.* The same code as in the block before, or a block after one that failed: the purpose of that one.
3. *Known.* The block prints up to `FEW` numbers, and the last of them is a telling one (two digits or no integer) that
   the prose has already stated as a result, as in `= 33`, and that is not in the problem: verification.
4. *Continued.* It works with a name that the block before bound, after fewer than `SHORT` characters of prose that do
   not turn to the answer: the purpose of that one.
5. Else: calculation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from enum import StrEnum

from cort_data.behaviour.arithmetic import evaluate, plain, telling
from cort_data.behaviour.functions import tree_of
from cort_data.behaviour.turns import Turn
from cort_data.blocks import Block

SHORT = 300
LAST = 4
FEW = 3
_SENTENCE = re.compile(r"(?<=[.?!])\s+|\n+")
_CHECK = re.compile(
    r"\b(?:verif(?:y|ies|ying|ication)|double[- ]?check\w*|confirm\w*|sanity|validat\w+|make sure|missed something|"
    r"(?:let'?s|let me|let us|to|now|should|could|can|, and|,) (?:re)?check|and check (?:if|whether|that)|"
    r"let'?s (?:also )?test|test if|to be (?:safe|sure)|see if it'?s|(?:remains|still|is) (?:minimal|true|valid)|"
    r"(?:could|might) there be (?:an?|another|any)|(?:are|is) there (?:an?|another|any) other|is possible by not|"
    r"maybe [^.?]{0,30} for any)\b|^(?:re)?check\b",
    re.IGNORECASE,
)
_EXPLORES = re.compile(
    r"\b(?:guess|(?:see|find|get|identify) (?:the |a )?(?:pattern|formula)|need to (?:check|solve|find))\b",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(r"\b(?:answer|next)\b", re.IGNORECASE)
_STATED = re.compile(r"(?:=|≈|\bis|\bget|\bgives|\bgot|\bequals)\s*(-?\d+(?:\.\d+)?)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:/\d+)?")


class Purpose(StrEnum):
    """What a block is for."""

    CALCULATION = "calculation"
    VERIFICATION = "verification"


def purposes(found: Sequence[Turn], problem: str) -> list[Purpose]:
    """One a block, in order."""
    known: set[float] = set()
    given = {float(n) for n in re.findall(r"\d+(?:\.\d+)?", plain(problem))}
    said: list[Purpose] = []
    before: Block | None = None
    for turn in found:
        prose = plain(turn.prose)
        known |= {float(n) for n in _STATED.findall(prose)} - given
        if turn.block is not None:
            said.append(_purpose(prose, turn.block, before, said[-1] if said else Purpose.CALCULATION, known))
            before = turn.block
    return said


def _purpose(prose: str, block: Block, before: Block | None, last: Purpose, known: set[float]) -> Purpose:
    if _announced(prose, block.code):
        return Purpose.VERIFICATION
    if before is not None and (before.failed or before.code.strip() == block.code.strip()):
        return last
    if (value := _printed(block.output)) is not None and telling(value) and value in known:
        return Purpose.VERIFICATION
    if before is not None and len(prose) < SHORT and not _CONCLUDES.search(prose) and _uses(block.code, before.code):
        return last
    return Purpose.CALCULATION


def _announced(prose: str, code: str) -> bool:
    sentences = [s for s in _SENTENCE.split(prose) if s.strip(" `<>/") not in ("", "think")][-LAST:]
    if any(_EXPLORES.search(text) for text in sentences):
        return False
    comments = [line for line in code.splitlines()[:3] if line.lstrip().startswith("#")]
    return any(_CHECK.search(text.strip(" #")) for text in (*sentences, *comments))


def _printed(output: str | None) -> float | None:
    """The last number of an output that has few."""
    found = _NUMBER.findall(output or "")
    return evaluate(found[-1]) if 0 < len(found) <= FEW else None


def _uses(code: str, before: str) -> bool:
    """Does the code read a name that the block before bound, and does not bind itself?"""
    reader, writer = tree_of(code), tree_of(before)
    if reader is None or writer is None:
        return False
    return bool((_names(reader, ast.Load) - _bound(reader)) & _bound(writer))


def _bound(tree: ast.AST) -> set[str]:
    functions = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    return _names(tree, ast.Store) | functions


def _names(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, context)}
