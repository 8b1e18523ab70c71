"""The verdict of math-verify on two formulas; runs in a worker process, without any time limit of its own.

math-verify bounds itself with SIGALRM, which fails outside a main thread and is swallowed by some calls: here its
timeouts are off and `grader` bounds the process. `verify` is not symmetric, so both directions are asked. Floats
never reach it (`forms` writes decimals as fractions), hence no tolerance makes 0.333333 equal to 1/3.
"""

import logging
from functools import lru_cache
from typing import Any

import sympy
from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify

from cort_data.grading.verdict import Grade, different, equal, unscored

logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # it warns that its timeouts are off

# Units are gone already; math-verify would also take the t of 2t for tons.
_FORMULA = LatexExtractionConfig(
    normalization_config=NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
    )
)
_DIGITS = 20
_BITS = 70  # of as many digits; a float of the machine ends at 10^308
_CLEARLY_APART = 1e-9
"""Relative difference of two values evaluated to 20 digits beyond which no identity can make them equal."""
_NOISE = 1e-15
"""Absolute difference that may be what is left of an exact zero."""


def judge(first: str, second: str) -> Grade:
    """Whether two formulas in TeX have the same value. Runs as long as sympy does."""
    values = [_parsed(tex) for tex in (first, second)]
    for tex, value in zip((first, second), values, strict=True):
        if value is None:
            return unscored(f"cannot be parsed: {tex[:80]!r}")
        if value.has(sympy.nan, sympy.zoo):
            return unscored(f"has no value: {tex[:80]!r}")
    if _apart(first, second):
        return different("other value")
    return equal("same value by algebra") if _verified(*values) else different("other value by algebra")


def _verified(first: sympy.Basic, second: sympy.Basic) -> bool:
    options = {"timeout_seconds": None, "allow_set_relation_comp": True}
    return bool(verify([first], [second], **options) or verify([second], [first], **options))


@lru_cache(maxsize=1024)
def _parsed(tex: str) -> sympy.Basic | None:
    """A sympy object, or None. In math mode: bare, `2\\sqrt{3}` would be read as 2."""
    found = parse(
        f"${tex}$",
        extraction_config=[_FORMULA],
        fallback_mode="no_fallback",
        extraction_mode="first_match",
        parsing_timeout=None,
    )
    return _with_imaginary_unit(found[0]) if found else None


def _with_imaginary_unit(value: sympy.Basic) -> sympy.Basic:
    """`i` is read as a symbol; in an answer it is the imaginary unit."""
    return value.subs({symbol: sympy.I for symbol in value.free_symbols if str(symbol) == "i"})


def _apart(first: str, second: str) -> bool:
    """Whether two expressions clearly differ at one point: the cheap way to the common verdict."""
    values = [_at_a_point(tex) for tex in (first, second)]
    if values[0] is None or values[1] is None:
        return False
    difference = abs(values[0] - values[1])
    return bool(difference > max(_NOISE, _CLEARLY_APART * max(abs(values[0]), abs(values[1]))))


@lru_cache(maxsize=1024)
def _at_a_point(tex: str) -> Any:  # noqa: ANN401 - a number of mpmath, which has no types
    """The value where each symbol is a number that its name determines; None for sets, relations, infinities."""
    value = _parsed(tex)
    if not isinstance(value, sympy.Expr) or value.has(sympy.oo, -sympy.oo):
        return None
    point = {symbol: _coordinate(str(symbol)) for symbol in value.free_symbols}
    try:
        return value.subs(point).evalf(_DIGITS)._to_mpmath(_BITS)
    except (TypeError, ValueError, OverflowError, ArithmeticError, AttributeError):
        return None  # no number comes out: left to verify


def _coordinate(name: str) -> sympy.Rational:
    return sympy.Rational(1009 + sum(ord(char) * 31**place for place, char in enumerate(name)) % 613, 613)
