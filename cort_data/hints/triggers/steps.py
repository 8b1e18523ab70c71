"""How much computing by hand a clause holds: numeric evaluations, equations that are worked on, announcements."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

_DIGITS = frozenset("0123456789")
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
_LISTED = re.compile(r"\s*\d+\s*[*/+x^-]\s*\d[\d\s*/+^-]*[;,.]?\s*$")
_TABLED = re.compile(r"\s*\d+[;:]\s$")
_CARRY = ("carry", "borrow", "bring down")
_VERBS = (" is ", " equals ", " gives ", " makes ", " ends in ")
_EQUATION = re.compile(r"[a-zA-Z]\s*[-+*/^)²]|[-+*/^(]\s*[a-zA-Z]\b|\d[a-zA-Z]\b")
_WORKING = re.compile(
    r"\b(?:expand|simplif|substitut|plug|subtract|multipl|divid|factor|combin|cancel|squar|rearrang|collect|distribut|"
    r"add(?:ing)?\b|cross-multipl|isolat)",
    re.IGNORECASE,
)
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

EVALUATED = 1.0
WORKED = 0.75  # an equation that is expanded, solved or simplified
LISTED = 0.7  # one more product of a list
CARRIED = 0.5
TABLED = 0.25  # a number in a table
BY_HAND = 1.5  # "let me compute this by hand"
COMPUTE = 0.5  # "let's compute"


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
        return 1 if any(verb in text for verb in _VERBS) and _IS.search(text) else 0
    parts = text.split("=")
    return sum(_is_expression(left) and _RESULT.match(right) is not None for left, right in itertools.pairwise(parts))


def _is_expression(left: str) -> bool:
    """Does this text before an equals sign end in numbers with an operation?"""
    tail = left[len(left.rstrip(_NUMERIC)) :]
    return _OPERATION.search(tail) is not None


def may_compute(text: str) -> bool:
    """Can this clause hold evidence at all? Most cannot, and are not looked at further."""
    return not _DIGITS.isdisjoint(text)


def evidence(text: str, worked_on: Callable[[], bool]) -> float:
    """Weight of the hand computing in a clause; `worked_on`: is an equation here one that is being solved?"""
    text = plain(text)
    weight = _written(text, worked_on)
    return weight + CARRIED if any(word in text for word in _CARRY) else weight


def _written(text: str, worked_on: Callable[[], bool]) -> float:
    if "=" in text:
        if count := evaluations(text):
            return count * EVALUATED
        return WORKED if _EQUATION.search(text) and worked_on() else 0.0
    if _LISTED.match(text):
        return LISTED
    if _TABLED.match(text):
        return TABLED
    return EVALUATED * evaluations(text)


def announcement(text: str) -> float:
    """Weight of a sentence that says that hand computing comes now."""
    if not _ANNOUNCE.search(text) or _MACHINE.search(text):
        return 0.0
    return BY_HAND if _MANNER.search(text) else COMPUTE


def works_equations(text: str) -> bool:
    """Does this clause say that an equation is worked on?"""
    return _WORKING.search(text) is not None


def by_hand(text: str) -> bool:
    """Does this clause say by hand, myself, digit by digit?"""
    return _MANNER.search(text) is not None
