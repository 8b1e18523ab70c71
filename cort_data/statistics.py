"""Means over problems, how sure they are, and how far two of them differ: bootstrap over problems.

Problems are drawn, not samples: the samples of one problem are not independent. Both sides of a difference use the
same draws. A difference is *beyond the interval* if its 95% interval excludes 0. With few problems the plain
percentiles of a bootstrap are too narrow (92% at 20 problems): they are taken further out, as Student's t asks for.

A share (accuracy, pass@k) has Wilson's interval instead, with as many trials as the spread between the problems is
worth: it stays within 0 and 1, and has a width where all problems were solved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DRAWS = 5000
_CHUNK = 4_000_000  # weights held at once
_Z = NormalDist().inv_cdf(0.975)


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


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Unbiased estimate of the chance that one of k samples is right, `right` of `samples` being so; k <= samples."""
    return 1 - math.comb(samples - right, k) / math.comb(samples, k)


def intervals(ratios: Ratios, *, draws: int = DRAWS, seed: int = 0) -> list[Interval | None]:
    """Each measure with its interval; None where it has no value."""
    drawn = [*_drawn(ratios, draws, seed)]
    columns = np.concatenate(drawn).T
    counts = (ratios.denominator > 0).sum(axis=1)
    return [_interval(float(v), *part) for v, *part in zip(ratios.values(), columns, counts, strict=True)]


def share_interval(values: Array) -> Interval | None:
    """Of the mean of `(P,)` shares, one a problem, each between 0 and 1; nan leaves a problem out. None without any.

    Wilson's interval for `mean (1 - mean) / variance of the mean` trials, at least one a problem, with Student's t.
    """
    values = values[~np.isnan(values)]
    problems = len(values)
    if not problems:
        return None
    mean = float(values.mean())
    variance = float(values.var(ddof=1)) / problems if problems > 1 else 0.0
    trials = max(mean * (1 - mean) / variance if variance > 0 else 0.0, problems)
    t = _t(problems)
    centre = mean + t * t / (2 * trials)
    half = t * math.sqrt(mean * (1 - mean) / trials + (t / (2 * trials)) ** 2)
    whole = 1 + t * t / trials
    return Interval(mean, max(0.0, (centre - half) / whole), min(1.0, (centre + half) / whole))


def averaged(parts: Sequence[Interval]) -> Interval:
    """The mean of independent estimates (problem sets), its interval from theirs: their arms add in squares."""
    value = fmean(part.value for part in parts)
    below = math.hypot(*(part.value - part.low for part in parts)) / len(parts)
    above = math.hypot(*(part.high - part.value for part in parts)) / len(parts)
    return Interval(value, value - below, value + above)


def _drawn(ratios: Ratios, draws: int, seed: int) -> Iterator[Array]:
    return (ratios.drawn(w) for w in _weights(ratios.numerator.shape[1], draws, seed))


def paired_differences(first: Ratios, second: Ratios, *, draws: int = DRAWS, seed: int = 0) -> list[Interval | None]:
    """`second` minus `first`, one a measure, over the same P problems; None where either has no value."""
    problems = first.numerator.shape[1]
    drawn = [second.drawn(w) - first.drawn(w) for w in _weights(problems, draws, seed)]
    value = second.values() - first.values()
    columns = np.concatenate(drawn).T
    counts = ((first.denominator > 0) & (second.denominator > 0)).sum(axis=1)
    return [_interval(float(v), *part) for v, *part in zip(value, columns, counts, strict=True)]


def _interval(value: float, drawn: Array, problems: int) -> Interval | None:
    """`problems` are those that the value rests on."""
    if np.isnan(value):
        return None
    tail = 100 * NormalDist().cdf(-_t(problems) * math.sqrt(problems / max(problems - 1, 1)))
    low, high = np.nanpercentile(drawn, [tail, 100 - tail])
    return Interval(value, float(low), float(high))


def _t(problems: int) -> float:
    """The 97.5% point of Student's t for a mean over so many problems, by its expansion around the normal one."""
    freedom = max(problems - 1, 2)
    terms = (
        _Z,
        (_Z**3 + _Z) / 4 / freedom,
        (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96 / freedom**2,
        (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384 / freedom**3,
    )
    return sum(terms)


def _weights(problems: int, draws: int, seed: int) -> Iterator[Array]:
    """`(b, P)` pieces: how often each problem is drawn, P draws with replacement a row."""
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // max(problems, 1))
    uniform = np.full(problems, 1 / problems)
    for start in range(0, draws, rows):
        yield generator.multinomial(problems, uniform, size=min(rows, draws - start)).astype(np.float64)


def _divide(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
