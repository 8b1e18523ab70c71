"""Compare two answers that the second rule has read; None where it has no opinion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache

from cort_data.grading.numeric import values
from cort_data.grading.numeric.answers import Answer, Based, Equation, Group, Matrix, Named, Scalar, Union, Words, read
from cort_data.grading.numeric.expressions import evaluate, symbols
from cort_data.grading.numeric.values import UnreadableError, Value
from cort_data.grading.verdict import Grade, different, equal

_POSITIVE = (0, 1)
_SIGNED = (2, 3, 4)
_TOLERANCE_DIGITS = 40
_LARGE_DIGITS = 30
"""Beyond 10^30 a float of 60 digits cannot tell neighbours apart once rounding has eaten some of them."""
_INFINITE = {r"\infty": 1, r"+\infty": 1, r"-\infty": -1}


def judge(first: str, second: str) -> Grade | None:
    """Whether two answers are the same value. Takes milliseconds, whatever stands in them."""
    one, other = read(first), read(second)
    if one is None or other is None:
        return None
    try:
        same = _same(_lone(one), _lone(other))
    except (UnreadableError, RecursionError):
        return None
    return None if same is None else equal("same value at points") if same else different("other value at points")


def _same(first: Answer, second: Answer) -> bool | None:
    if isinstance(first, Named) or isinstance(second, Named):
        return _named(first, second)
    if isinstance(first, Equation) and isinstance(second, Equation):
        return _same_equation(first, second)
    if type(first) is not type(second):
        return _other_kind(first, second)
    match first, second:
        case Scalar(), Scalar():
            return _same_scalar(first, second)
        case Words(), Words():
            return first.text == second.text or (None if _share(first.text, second.text) else False)
        case Based(), Based():
            return first == second
        case Group(), Group():
            return _same_group(first, second)
        case Union(), Union():
            return _matched(first.parts, second.parts)
        case Matrix(), Matrix():
            return _same_matrix(first, second)
    return None


def _other_kind(first: Answer, second: Answer) -> bool | None:
    """Two kinds are two answers, except where one may be a spelling of the other."""
    kinds = {type(first), type(second)}
    if kinds == {Scalar, Words}:
        scalar = first if isinstance(first, Scalar) else second
        assert isinstance(scalar, Scalar)
        return None if scalar.formula.isalpha() else _readable(scalar)
    if Union in kinds:
        return None  # [0,1) u [1,2] is an interval
    if Scalar in kinds:
        return _readable(first) if isinstance(first, Scalar) else _readable(second)
    return False


def _readable(answer: Answer) -> bool | None:
    """False, if the formula is one: then it is another kind and no value that was misread."""
    assert isinstance(answer, Scalar)
    if answer.formula not in _INFINITE:
        _value(answer, 0)
    return False


def _lone(answer: Answer) -> Answer:
    """A set or list of one is its element."""
    if isinstance(answer, Group) and not answer.ordered and len(answer.items) == 1:
        return answer.items[0]
    return answer


def _share(first: str, second: str) -> bool:
    words = set(first.split()), set(second.split())
    return words[0] <= words[1] or words[1] <= words[0]


def _named(first: Answer, second: Answer) -> bool | None:
    if isinstance(first, Named) and isinstance(second, Named):
        if first.symbol == second.symbol:
            return _same(_lone(first.value), _lone(second.value))
        if _has_symbols(first.value) or _has_symbols(second.value):
            return _same_equation(_as_equation(first), _as_equation(second))
        return False
    named, other = (first, second) if isinstance(first, Named) else (second, first)
    assert isinstance(named, Named)
    if isinstance(other, Equation):
        return _same_equation(_as_equation(named), other)
    return _same(_lone(named.value), _lone(other))


def _has_symbols(answer: Answer) -> bool:
    return isinstance(answer, Scalar) and bool(symbols(answer.formula))


def _as_equation(named: Named) -> Equation:
    if not isinstance(named.value, Scalar) or named.value.percent:
        raise UnreadableError("no equation")
    return Equation(named.symbol, named.value.formula)


def _same_equation(first: Equation, second: Equation) -> bool | None:
    """Equations are the same if one side minus the other is, up to a factor that is the same at all points."""
    factors: list[Value] = []
    for point in (*_POSITIVE, *_SIGNED):
        sides = [_difference(equation, point) for equation in (first, second)]
        if values.is_zero(sides[0]) or values.is_zero(sides[1]):
            return None
        factors.append(values.divide(sides[0], sides[1]))
    return all(_equal_values(factors[0], factor) for factor in factors[1:])


def _difference(equation: Equation, point: int) -> Value:
    right = evaluate(equation.right, point)
    return values.add(evaluate(equation.left, point), values.multiply(Fraction(-1), right))


def _same_group(first: Group, second: Group) -> bool | None:
    if first.ordered != second.ordered or len(first.items) != len(second.items):
        return False
    if not first.ordered:
        return _matched(first.items, second.items)
    if (first.opening, first.closing) != (second.opening, second.closing):
        return False
    return _every(zip(first.items, second.items, strict=True))


def _same_matrix(first: Matrix, second: Matrix) -> bool | None:
    shapes = [(len(matrix.rows), len(matrix.rows[0])) for matrix in (first, second)]
    if shapes[0] != shapes[1]:
        return False
    entries = [[entry for row in matrix.rows for entry in row] for matrix in (first, second)]
    return _every(zip(*entries, strict=True))


def _every(pairs: Iterable[tuple[Answer, Answer]]) -> bool | None:
    results = [_same(_lone(one), _lone(other)) for one, other in pairs]
    return False if False in results else None if None in results else True


def _matched(first: Sequence[Answer], second: Sequence[Answer]) -> bool | None:
    """Each item needs its own equal on the other side."""
    if len(first) != len(second):
        return False
    rest = list(second)
    for item in first:
        results = [_same(item, other) for other in rest]
        if True not in results:
            return None if None in results else False
        del rest[results.index(True)]
    return True


def _same_scalar(first: Scalar, second: Scalar) -> bool | None:
    if first.formula in _INFINITE or second.formula in _INFINITE:
        return _INFINITE.get(first.formula) == _INFINITE.get(second.formula)
    if not all(_equal_values(_value(first, point), _value(second, point)) for point in _POSITIVE):
        return False
    return True if _agree_elsewhere(first, second) else None


def _agree_elsewhere(first: Scalar, second: Scalar) -> bool:
    """Do they agree at points with negative symbols, where both are real?"""
    for point in _SIGNED:
        try:
            pair = _value(first, point), _value(second, point)
        except UnreadableError:
            continue
        if all(_is_real(value) for value in pair) and not _equal_values(*pair):
            return False
    return True


@lru_cache(maxsize=8192)
def _value(scalar: Scalar, point: int) -> Value:
    value = evaluate(scalar.formula, point)
    return values.divide(value, Fraction(100)) if scalar.percent else value


def _is_real(value: Value) -> bool:
    return isinstance(value, Fraction) or not values.context().im(value)


def _equal_values(first: Value, second: Value) -> bool:
    """Exactly for fractions, else to 40 digits. Raises where equality cannot be told at such a size."""
    if isinstance(first, Fraction) and isinstance(second, Fraction):
        return first == second
    numbers = values.context()
    pair = values.inexact(first), values.inexact(second)
    size = max(abs(pair[0]), abs(pair[1]), numbers.mpf(1))
    same = bool(abs(pair[0] - pair[1]) <= size * numbers.mpf(10) ** -_TOLERANCE_DIGITS)
    if same and size > numbers.mpf(10) ** _LARGE_DIGITS:
        raise UnreadableError("too large to be told from its neighbours")
    return same
