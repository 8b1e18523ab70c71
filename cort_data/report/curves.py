"""Accuracy under a token cap, pass@k and the spread of lengths, from the samples of a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cort_data.report.row import Sample
from cort_data.statistics import Array, Interval, share_interval
from cort_data.statistics import pass_at_k as chance

CAPS = 36
PERCENTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True, slots=True)
class Point:
    """A place on a curve with its 95% interval."""

    x: float
    y: Interval


def caps_of(samples: Sequence[Sample]) -> list[int]:
    """Token caps from the shortest trace to the longest, evenly spaced on a logarithmic scale."""
    lengths = [s.generated for s in samples if s.generated]
    if not lengths:
        return []
    low, high = min(lengths), max(lengths)
    return sorted({round(cap) for cap in np.geomspace(low, high, CAPS)} | {high})


def accuracy_at_caps(samples: Sequence[Sample], caps: Sequence[int]) -> list[Point]:
    """What the accuracy would be if generation had stopped at a cap: a right trace counts if it is not longer."""
    by_problem = _scored(samples)
    if not by_problem or not caps:
        return []
    shares = [
        [sum(bool(s.right) and s.generated <= cap for s in found) / len(found) for found in by_problem] for cap in caps
    ]
    return _points(caps, np.array(shares))


def pass_at_k(samples: Sequence[Sample]) -> list[Point]:
    """Unbiased pass@k for k up to the most samples of a problem; a problem with fewer than k is left out at that k."""
    by_problem = _scored(samples)
    most = max((len(found) for found in by_problem), default=0)
    ks = range(1, most + 1)
    value = np.full((most, len(by_problem)), np.nan)
    for p, found in enumerate(by_problem):
        n, right = len(found), sum(bool(s.right) for s in found)
        for k in range(1, n + 1):
            value[k - 1, p] = chance(n, right, k)
    return _points(ks, value)


def spread(samples: Sequence[Sample]) -> list[float]:
    """The `PERCENTILES` of the generated tokens; empty without samples."""
    return [float(v) for v in np.percentile([s.generated for s in samples], PERCENTILES)] if samples else []


def _scored(samples: Sequence[Sample]) -> list[list[Sample]]:
    """The judged samples of each problem."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.right is not None:
            found[sample.problem].append(sample)
    return list(found.values())


def _points(xs: Sequence[float], shares: Array) -> list[Point]:
    """`shares` `(X, P)`, one a problem; nan leaves it out."""
    found = [(x, share_interval(row)) for x, row in zip(xs, shares, strict=True)]
    return [Point(float(x), interval) for x, interval in found if interval is not None]
