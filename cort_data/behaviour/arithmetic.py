r"""Numbers in a text, and computations that were carried out by hand in it.

A *step* is one relation, `=`, `≈` or `≡`, with arithmetic beside it. Both sides are read as far as they are made of
numbers and operators; a step is numeric if both sides have a number and one has an operator between two numbers
(`17 · 3 = 51`), and symbolic if there is algebra on one side and the other has a number (`2x + 6 = 20 - 4`).
TeX is read as what it means: `\frac{3}{4}` is 3/4, `\cdot` is a product.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_TEX = (
    (re.compile(r"\\(?:left|right|displaystyle|,|;|!|quad|qquad)\b|\\[,;!]|\{,\}"), ""),
    (re.compile(r"\\(?:cdot|times)\b|[×·⋅]"), "*"),
    (re.compile(r"\\div\b|÷"), "/"),
    (re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"((\1)/(\2))"),
    (re.compile(r"\\sqrt\s*\{([^{}]*)\}"), r"sqrt(\1)"),
    (re.compile(r"√\s*\(?(\d+(?:\.\d+)?)\)?"), r"sqrt(\1)"),
    (re.compile(r"\\pi\b|π"), "pi"),
    (re.compile(r"\\(?:approx|equiv)\b|[≈≡]"), "="),
    (re.compile(r"\\(?:text|mathrm|mathbf)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\^\s*\{([^{}]*)\}"), r"^(\1)"),
    (re.compile(r"\\[()\[\]]|\$|&"), " "),
    (re.compile("[−–]"), "-"),
    (re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))"), ""),
)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:/\d+)?(?![\w]|\.\d)")
_RELATION = re.compile(r"(?<![=<>!:])=(?!=)")
_LEFT = re.compile(r"[\d.\s+\-*/^()|!%]*$")
_RIGHT = re.compile(r"[\d.\s+\-*/^()|!%]*")
_LEFT_ALGEBRA = re.compile(r"[\w.\s+\-*/^()|!]*$")
_RIGHT_ALGEBRA = re.compile(r"[\w.\s+\-*/^()|!]*")
_OPERATION = re.compile(r"\d\)*[\s|]*[+\-*/^]\s*[(|-]*\s*\d")
_TERM = re.compile(r"\d\s*\*?\s*[a-zA-Z]\b|\b[a-zA-Z]\s*[+\-*/^]\s*\d|\d\s*[+\-*/]\s*[a-zA-Z]\b")
_FACTOR = re.compile(r"(?<=[\d)])\s*(?=sqrt|pi|\()")
_LONGEST = 200
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One relation of a computation by hand."""

    at: int
    """Offset in the plain text."""
    numeric: bool
    value: float | None
    """What the right side begins with, if that is a number."""


def plain(text: str) -> str:
    """The text with TeX read as arithmetic. Offsets are not those of the original."""
    for pattern, replacement in _TEX:
        text = pattern.sub(replacement, text)
    return text


def numbers(text: str) -> set[float]:
    """The values of the integers, decimals and fractions in a plain text, and of `a*sqrt(b)`-like terms."""
    return {value for found in _NUMBER.findall(text) if (value := evaluate(found)) is not None}


def steps(text: str) -> Iterator[Step]:
    """The steps of a plain text, in order."""
    for relation in _RELATION.finditer(text):
        before = text[max(0, relation.start() - 80) : relation.start()].rpartition("=")[2].rpartition("\n")[2]
        after = text[relation.end() : relation.end() + 80].partition("=")[0].partition("\n")[0]
        left, right = _match(_LEFT, before), _match(_RIGHT, after)
        if _has_digit(left) and _has_digit(right) and (_OPERATION.search(left) or _OPERATION.search(right)):
            yield Step(relation.start(), True, _first(right))
            continue
        wide_left, wide_right = _match(_LEFT_ALGEBRA, before), _match(_RIGHT_ALGEBRA, after)
        if _TERM.search(f"{wide_left} = {wide_right}") and _has_digit(wide_left) and _has_digit(wide_right):
            yield Step(relation.start(), False, _first(right))


def evaluate(text: str) -> float | None:
    """The value of an arithmetic expression of a plain text; None if it is none, or no finite float."""
    if len(text) > _LONGEST or not _has_digit(text):
        return None
    spelled = _FACTOR.sub("*", text.strip().replace("^", "**"))
    try:
        value = _value(ast.parse(spelled, mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError):
        return None
    return value if math.isfinite(value) else None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id="pi"):
            return math.pi
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return float(_OPERATORS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id="sqrt"), args=[inner]):
            return math.sqrt(_value(inner))
    raise ValueError(f"no arithmetic: {ast.dump(node)[:40]}")


def same(a: float, b: float) -> bool:
    """Equal but for the rounding of a printed float."""
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)


def telling(value: float) -> bool:
    """Is this number unlikely to turn up by chance?"""
    return abs(value) >= 10 or value != int(value)


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text) if pattern.pattern.endswith("$") else pattern.match(text)
    return found[0].strip() if found else ""


def _has_digit(text: str) -> bool:
    return any(char.isdigit() for char in text)


def _first(text: str) -> float | None:
    found = _NUMBER.search(text)
    return evaluate(found[0]) if found else None
