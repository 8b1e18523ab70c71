"""Which problems suit distillation: no figures, no proofs, no multiple choice, no answer in the statement (METHOD §2).

The paper names the criteria and no rules; these are ours. They read the statement alone, so a figure that is neither
drawn in code nor spoken of is not seen.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Unsuitable(StrEnum):
    """Why a problem is left out."""

    FIGURE = "figure"
    PROOF = "proof"
    MULTIPLE_CHOICE = "multiple_choice"
    ANSWER_IN_STATEMENT = "answer_in_statement"


_FIGURE = re.compile(
    r"\[asy\]|\\begin\{(?:tikzpicture|asy|picture)\}|\\includegraphics|!\[[^\]]*\]\("
    r"|\b(?:figures?|diagrams?|pictures?|graphs?|images?)\s+(?:\w+\s+)?"
    r"(?:below|above|shown|at (?:the )?(?:right|left))\b"
    r"|\b(?:shown|pictured|illustrated|depicted)\s+(?:\w+\s+){0,2}?(?:below|above|here)\b"
    r"|\bin the (?:figure|diagram|picture|accompanying)\b",
    re.IGNORECASE,
)
_PROOF = re.compile(
    r"(?:^|[.!?;:,]\s+|\band\s+)(?:please\s+)?(?:prove|show|demonstrate|justify)\b(?!\s+(?:your|all)\b)", re.IGNORECASE
)
_CHOICE = re.compile(r"(?:^|[\s$({\\])(?:\\(?:text|textbf|mathrm|mathbf)\{)?\(?([A-E])[).:]\}?", re.MULTILINE)
_OPTIONS = ("A", "B", "C", "D")
_GIVEN = re.compile(r"\banswer(?:\s+to\s+\w+(?:\s+\w+){0,3})?\s*(?:is|:|=)\s*\$?(?P<value>[^\s$]+)", re.IGNORECASE)


def unsuitable(text: str, answer: str) -> Unsuitable | None:
    """The first reason against a problem, or None."""
    if _FIGURE.search(text):
        return Unsuitable.FIGURE
    if _PROOF.search(text):
        return Unsuitable.PROOF
    if _is_choice(text):
        return Unsuitable.MULTIPLE_CHOICE
    if any(_bare(found["value"]) == _bare(answer) for found in _GIVEN.finditer(text)):
        return Unsuitable.ANSWER_IN_STATEMENT
    return None


def _is_choice(text: str) -> bool:
    """Do the letters A to D stand as options, in this order?"""
    letters = iter(match[1] for match in _CHOICE.finditer(text))
    return all(option in letters for option in _OPTIONS)


def _bare(value: str) -> str:
    return value.strip(" .,;:$()").replace(",", "")
