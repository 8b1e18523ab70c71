"""Computing by hand in a clause: numeric evaluations, and announcements of work by hand."""

from __future__ import annotations

import itertools
import re

from cort_data.hints import lexicon

_COMMANDS = {
    r"\times": "*",
    r"\cdot": "*",
    r"\div": "/",
    r"\approx": "=",
    r"\equiv": "=",
    r"\sqrt": "√",
    r"\mod": "%",
    r"\bmod": "%",
    r"\pmod": "%",
}
_COMMAND = re.compile(r"\\(?:[a-zA-Z]+|.)")
_FRAC = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
_WORDS = re.compile(r"\bsqrt\b|(?<=\d )(?:mod|x)(?= \d)")
_WORDED = {"sqrt": "√", "mod": "%", "x": "*"}
_SIGNS = str.maketrans({"≈": "=", "≡": "=", "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-"})

_NUMERIC = " \t0123456789.,()[]{}+-*/^%²³!$√"
_OPERATION = re.compile(
    r"\d[\s)\]}!²³]*[-+*/^%][\s({\[√-]*\d|\d\s*[²³!]|\d\s*\(\s*\d+\s*\)|√[\s({]*\d|\(\d+,\s*\d+\)[\s$)\]}]*$"
)
_RESULT = re.compile(r"(?!>)[\s$({\[~√-]*\d")
_IS = re.compile(r"\d\s*[-+*/^]\s*\d[\d,.]*\s+(?:is|equals|gives|makes|ends in)\s+\$?-?\d")
_ANNOUNCE = re.compile(
    r"\b(?:let(?:'s|’s| me| us)|i(?:'ll| will| can| shall|'d)?|we(?:'ll| can| will)?|now|next)\b[^=]{0,12}?"
    r"\b(?:compute|calculate|work|do|evaluate|find|multiply|divide|add|sum|expand|square)\b",
    re.IGNORECASE,
)
_MANNER = re.compile(
    r"\b(?:by hand|manually|digit by digit|on paper|step by step|in my head|longhand|myself)\b", re.IGNORECASE
)
_MACHINE = re.compile(
    r"\b(?:python|code|script|program|interpreter|instead of|rather than|no need|without|avoid|tedious)\b",
    re.IGNORECASE,
)
MANNER = lexicon.words("hand manually digit paper step head longhand myself")
"""Without one of these, nothing is done by hand, as far as a clause says."""


def plain(text: str) -> str:
    """LaTeX and typographic signs as the arithmetic that they mean."""
    if "\\" in text:
        text = _COMMAND.sub(lambda m: _COMMANDS.get(m[0], " "), _FRAC.sub(r"(\1)/(\2)", text))
    if not text.isascii():
        text = text.translate(_SIGNS)
    return _WORDS.sub(lambda m: _WORDED[m[0]], text) if "sqrt" in text or " mod " in text or " x " in text else text


def evaluations(text: str) -> int:
    """Numeric expressions in a plain clause that are evaluated: `7*6=42`, `sqrt(144-64) = sqrt(80)`, `12*4 is 48`."""
    if "=" not in text:
        return 1 if _has_verb(text) and _IS.search(text) else 0
    parts = text.split("=")
    return sum(_is_expression(left) and _RESULT.match(right) is not None for left, right in itertools.pairwise(parts))


def _has_verb(text: str) -> bool:
    return " is " in text or " equals " in text or " gives " in text or " makes " in text or " ends in " in text


def _is_expression(left: str) -> bool:
    """Does this text before an equals sign end in numbers with an operation?"""
    tail = left[len(left.rstrip(_NUMERIC)) :]
    return _OPERATION.search(tail) is not None


def by_hand(text: str) -> bool:
    """Does this clause say by hand, myself, digit by digit?"""
    return _MANNER.search(text) is not None


def announces_by_hand(text: str) -> bool:
    """Does this clause say that computing by hand comes now?"""
    return by_hand(text) and _ANNOUNCE.search(text) is not None and _MACHINE.search(text) is None
