"""How many problems or samples it would take to tell two runs apart.

The variance of a paired difference has a part that only more problems shrink (the problems differ) and a part that more
samples shrink too (the samples of a problem differ). Both are estimated from what is there. "Enough" means that a true
difference as large as the one seen would be beyond the 95% interval in 80% of repetitions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance

POWER = 0.8
_STANDARD_ERRORS = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(POWER)  # 2.80

Values = Mapping[str, Sequence[float]]
"""Problem → the value of each of its samples."""


@dataclass(frozen=True)
class Need:
    """What it would take, on both sides."""

    detectable: float
    """The smallest true difference that the problems and samples at hand would show in 80% of repetitions."""
    problems: int | None
    """Problems, at the samples at hand; None: no difference was seen."""
    samples: int | None
    """Samples a problem, on the problems at hand; None: no number would do, or no difference was seen, or there is one
    sample a problem, so that nobody knows how much they differ."""


def need(first: Values, second: Values) -> Need | None:
    """What it would take to tell `second` from `first`, on the problems that both have; None below two problems."""
    common = [problem for problem in first if problem in second]
    if len(common) < 2:
        return None
    differences = [fmean(second[p]) - fmean(first[p]) for p in common]
    effect, spread = abs(fmean(differences)), variance(differences)
    detectable = _STANDARD_ERRORS * math.sqrt(spread / len(common))
    if effect == 0:
        return Need(detectable, None, None)
    allowed = (effect / _STANDARD_ERRORS) ** 2  # variance of the mean difference
    problems = max(2, math.ceil(spread / allowed))
    return Need(detectable, problems, _samples(first, second, common, spread, allowed))


def _samples(first: Values, second: Values, common: Sequence[str], spread: float, allowed: float) -> int | None:
    if any(len(side[p]) < 2 for side in (first, second) for p in common):
        return None
    one_sample = fmean(variance(first[p]) + variance(second[p]) for p in common)
    now = fmean(variance(side[p]) / len(side[p]) for side in (first, second) for p in common) * 2
    between = max(0.0, spread - now)
    room = allowed * len(common) - between
    return math.ceil(max(one_sample / room, 1)) if room > 0 else None
