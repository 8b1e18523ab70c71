"""Accuracy under a token cap, pass@k and the spread of lengths, from scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cort_data.evaluation.rows import Line
from cort_data.evaluation.scores import Score
from cort_data.statistics import Interval, share_interval

CAPS = 36
PERCENTILES = (5, 25, 50, 75, 95)
_PASS = "pass@"


@dataclass(frozen=True, slots=True)
class Point:
    """A place on a curve with its 95% interval."""

    x: float
    y: Interval


def caps_of(scores: Sequence[Score]) -> list[int]:
    """Token caps from the shortest trace to the longest, evenly spaced on a logarithmic scale."""
    lengths = [s.generated for s in scores if s.generated]
    if not lengths:
        return []
    low, high = min(lengths), max(lengths)
    return sorted({round(cap) for cap in np.geomspace(low, high, CAPS)} | {high})


def accuracy_at_caps(scores: Sequence[Score], caps: Sequence[int]) -> list[Point]:
    """What the accuracy would be if generation had stopped at a cap: a right trace counts if it is not longer."""
    judged: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        if score.right is not None:
            judged[score.problem].append(score)
    points = []
    for cap in caps:
        shares = [sum(bool(s.right) and s.generated <= cap for s in found) / len(found) for found in judged.values()]
        if (interval := share_interval(np.array(shares))) is not None:
            points.append(Point(cap, interval))
    return points


def pass_at_ks(line: Line) -> list[Point]:
    """pass@k at each k of the evaluation."""
    found = {int(name.removeprefix(_PASS)): value for name, value in line.intervals.items() if name.startswith(_PASS)}
    return [Point(k, value) for k, value in sorted(found.items()) if value is not None]


def spread(scores: Sequence[Score]) -> list[float]:
    """The `PERCENTILES` of the generated tokens; empty without scores."""
    return [float(v) for v in np.percentile([s.generated for s in scores], PERCENTILES)] if scores else []
