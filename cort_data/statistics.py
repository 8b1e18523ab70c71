"""Means over problems, how sure they are, and how far two of them differ: bootstrap over problems.

Problems are drawn, not samples: the samples of one problem are not independent. Both sides of a difference use the
same draws. A difference is *beyond the interval* if its 95% interval excludes 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DRAWS = 5000
_CHUNK = 4_000_000  # weights held at once


@dataclass(frozen=True)
class Ratios:
    """M measures over P problems, each a sum of numerators over a sum of denominators; both arrays `(M, P)`.

    A mean over problems has the problem's own mean as numerator and 1 as denominator; where a problem has no value,
    both are 0. A ratio of totals, as tokens per correct answer, has the problem's totals.
    """

    numerator: Array
    denominator: Array

    def values(self) -> Array:
        """`(M,)`; nan where there is nothing to divide by."""
        return _divide(self.numerator.sum(axis=1), self.denominator.sum(axis=1))

    def drawn(self, weights: Array) -> Array:
        """`(B, M)`: the values under `(B, P)` weights of the problems."""
        return _divide(weights @ self.numerator.T, weights @ self.denominator.T)


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def beyond(self) -> bool:
        """Does the interval exclude 0?"""
        return self.low > 0 or self.high < 0


def intervals(ratios: Ratios, *, draws: int = DRAWS, seed: int = 0) -> list[Interval | None]:
    """Each measure with its interval; None where it has no value."""
    drawn = [ratios.drawn(w) for w in _weights(ratios.numerator.shape[1], draws, seed)]
    return [_interval(float(v), column) for v, column in zip(ratios.values(), np.concatenate(drawn).T, strict=True)]


def paired_differences(first: Ratios, second: Ratios, *, draws: int = DRAWS, seed: int = 0) -> list[Interval | None]:
    """`second` minus `first`, one a measure, over the same P problems; None where either has no value."""
    problems = first.numerator.shape[1]
    drawn = [second.drawn(w) - first.drawn(w) for w in _weights(problems, draws, seed)]
    value = second.values() - first.values()
    return [_interval(float(v), column) for v, column in zip(value, np.concatenate(drawn).T, strict=True)]


def _interval(value: float, drawn: Array) -> Interval | None:
    if np.isnan(value):
        return None
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def _weights(problems: int, draws: int, seed: int) -> Iterator[Array]:
    """`(b, P)` pieces: how often each problem is drawn, P draws with replacement a row."""
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // max(problems, 1))
    uniform = np.full(problems, 1 / problems)
    for start in range(0, draws, rows):
        yield generator.multinomial(problems, uniform, size=min(rows, draws - start)).astype(np.float64)


def _divide(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
