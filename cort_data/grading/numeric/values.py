"""Arithmetic on what a formula can be at a point: exact fractions as long as possible, then 60 digits.

Everything is bounded: a tower of powers raises `UnreadableError` at once instead of filling the memory.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Any

DIGITS = 60
_EXACT_BITS = 20_000
"""Fractions grow no longer than this; beyond, a value is a float of `DIGITS` digits."""
_EXPONENT_BITS = 200
"""Exponents of floats grow no longer than this."""
_ARGUMENT_BITS = 500
"""Functions take no larger arguments: a sine would need pi to as many digits."""
_MAX_FACTORIAL = 3000

Value = Any
"""A `Fraction`, or a real or complex number of mpmath (which has no types)."""


class UnreadableError(Exception):
    """The text is no formula that this rule can give a value."""


@cache
def context() -> Any:  # noqa: ANN401 - mpmath has no types
    """Numbers of `DIGITS` digits; imported when the first irrational number turns up."""
    from mpmath import MPContext

    numbers = MPContext()
    numbers.dps = DIGITS
    return numbers


def inexact(value: Value) -> Value:
    """The value as a float of `DIGITS` digits."""
    if isinstance(value, Fraction):
        return context().mpf(value.numerator) / value.denominator
    return value


def add(first: Value, second: Value) -> Value:
    """Sum."""
    exact = isinstance(first, Fraction) and isinstance(second, Fraction)
    return _bounded(first + second) if exact else _finite(inexact(first) + inexact(second))


def multiply(first: Value, second: Value) -> Value:
    """Product."""
    exact = isinstance(first, Fraction) and isinstance(second, Fraction)
    return _bounded(first * second) if exact else _finite(inexact(first) * inexact(second))


def divide(first: Value, second: Value) -> Value:
    """Quotient."""
    if is_zero(second):
        raise UnreadableError("division by zero")
    exact = isinstance(first, Fraction) and isinstance(second, Fraction)
    return _bounded(first / second) if exact else _finite(inexact(first) / inexact(second))


def power(base: Value, exponent: Value) -> Value:
    """Power; of a negative number the principal value."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        if base == 0 and exponent < 0:
            raise UnreadableError("division by zero")
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) * bits <= _EXACT_BITS:
            return base**exponent
    if is_zero(base):
        if isinstance(exponent, Fraction) and exponent > 0:
            return Fraction(0)
        raise UnreadableError("a power of zero")
    size = context().log(abs(inexact(base)))
    if context().mag(inexact(exponent)) + context().mag(size or 1) > _EXPONENT_BITS:
        raise UnreadableError("a number too large")
    return _finite(context().power(inexact(base), inexact(exponent)))


def root(value: Value, degree: int) -> Value:
    """The real root of a real number if it has one, else the principal one."""
    if isinstance(value, Fraction):
        exact = _exact_root(value, degree)
        if exact is not None:
            return exact
        if value < 0 and degree % 2:
            return -context().root(inexact(-value), degree)
    return _finite(context().root(inexact(value), degree))


def call(name: str, value: Value) -> Value:
    """A named function of one argument."""
    if name == "abs":
        return abs(value)
    if context().mag(inexact(value)) > _ARGUMENT_BITS:
        raise UnreadableError("an argument too large")
    if name in ("floor", "ceil"):
        if not isinstance(value, Fraction):
            value = _real(value)
        return Fraction(int(getattr(context() if not isinstance(value, Fraction) else math, name)(value)))
    if name in ("log", "log10") and is_zero(value):
        raise UnreadableError("the logarithm of zero")
    try:
        return _finite(getattr(context(), name)(inexact(value)))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise UnreadableError(f"{name} has no value there") from None


def factorial(value: Value) -> Value:
    """Of a whole number that is not too large, exactly."""
    if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL:
        raise UnreadableError("a factorial of no small whole number")
    return Fraction(math.factorial(int(value)))


def binomial(upper: Value, lower: Value) -> Value:
    """Exactly for whole numbers, by the gamma function elsewhere."""
    whole = all(isinstance(v, Fraction) and v.denominator == 1 and 0 <= v <= _MAX_FACTORIAL for v in (upper, lower))
    if whole:
        return Fraction(math.comb(int(upper), int(lower)))
    if max(context().mag(inexact(v)) for v in (upper, lower)) > _ARGUMENT_BITS:
        raise UnreadableError("an argument too large")
    return _finite(context().binomial(inexact(upper), inexact(lower)))


def is_zero(value: Value) -> bool:
    """Zero, or what rounding leaves of it."""
    return bool(value == 0) if isinstance(value, Fraction) else bool(abs(value) < context().mpf(10) ** (10 - DIGITS))


def _real(value: Value) -> Value:
    if abs(context().im(value)) > context().mpf(10) ** (10 - DIGITS):
        raise UnreadableError("not real")
    return context().re(value)


def _bounded(value: Fraction) -> Value:
    large = max(value.numerator.bit_length(), value.denominator.bit_length()) > _EXACT_BITS
    return inexact(value) if large else value


def _finite(value: Value) -> Value:
    if not context().isfinite(value):
        raise UnreadableError("not finite")
    return value


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    if value < 0:
        return None
    parts = []
    for part in (value.numerator, value.denominator):
        near = round(part ** (1 / degree)) if part.bit_length() < 50 else math.isqrt(part) if degree == 2 else 0
        if near**degree != part:
            return None
        parts.append(near)
    return Fraction(parts[0], parts[1])
