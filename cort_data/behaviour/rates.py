"""The behaviours of many traces as rates, each with its 95% interval, clustered by problem."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cort_data.behaviour.observation import Observation
from cort_data.behaviour.purpose import Purpose
from cort_data.statistics import Array, Interval, Ratios, intervals, share_interval

Counts = Callable[[Observation, bool | None], tuple[float, float]]
"""What a trace adds to a rate: numerator and denominator. The flag: is its answer right? None where unscored."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One line of the behaviour table."""

    name: str
    what: str
    """What is divided by what."""
    counts: Counts
    percent: bool = True


def _purpose(purpose: Purpose) -> Counts:
    return lambda o, _: (sum(b.purpose is purpose for b in o.blocks), len(o.blocks))


RATES: tuple[Rate, ...] = (
    Rate("code use", "traces that ran a block / traces", lambda o, _: (o.ran > 0, 1)),
    Rate("blocks run", "a trace", lambda o, _: (o.ran, 1), percent=False),
    Rate("calculation", "blocks that calculate / blocks", _purpose(Purpose.CALCULATION)),
    Rate("verification", "blocks that verify / blocks", _purpose(Purpose.VERIFICATION)),
    Rate("code success", "blocks without an error / blocks run", lambda o, _: (o.worked, o.ran)),
    Rate("recovery after an error", "errors after which a block worked / errors; errors in a row are one",
         lambda o, _: (o.recovered, o.error_streaks)),
    Rate("right after an error", "right traces / scored traces with an error",
         lambda o, right: (bool(right and o.error_streaks), right is not None and o.error_streaks > 0)),
    Rate("wrong but running code", "wrong answers that working code printed / wrong traces with working code",
         lambda o, right: (right is False and o.grounded is True, right is False and o.worked > 0)),
    Rate("grounded answer", "answers that stand in an output of working code / answers of traces with such code",
         lambda o, _: (o.grounded is True, o.grounded is not None)),
    Rate("tokens after the last output", "model tokens, a trace that ran code",
         lambda o, _: (o.tokens_after_last_output or 0, o.tokens_after_last_output is not None), percent=False),
    Rate("delayed computation", "traces / traces", lambda o, _: (o.delayed, 1)),
    Rate("result distrust", "traces / traces with working code", lambda o, _: (o.distrusted, o.worked > 0)),
    Rate("budget exhausted", "traces that ran out of tokens, context or calls / traces",
         lambda o, _: (o.exhausted is not None, 1)),
)  # fmt: skip


@dataclass
class Group:
    """Traces that are counted together."""

    traces: int = 0
    sums: dict[str, Array] = field(default_factory=lambda: defaultdict(lambda: np.zeros((2, len(RATES)))))
    """Problem → numerators and denominators."""
    classes: Counter[str] = field(default_factory=Counter)
    """Function class → blocks that use it."""
    blocks: int = 0

    def add(self, problem: str, seen: Observation, right: bool | None) -> None:
        """Count a trace."""
        self.traces += 1
        self.sums[problem] += np.array([rate.counts(seen, right) for rate in RATES], dtype=np.float64).T
        self.blocks += len(seen.blocks)
        self.classes.update(cls for block in seen.blocks for cls in block.classes)

    def rates(self) -> list[Interval | None]:
        """In the order of `RATES`; None where there is nothing to divide by."""
        if not self.sums:
            return [None] * len(RATES)
        both = np.stack(list(self.sums.values()), axis=-1)
        found = intervals(Ratios(both[0], both[1]))
        return [_wide(rate, value, *sums) for rate, value, *sums in zip(RATES, found, both[0], both[1], strict=True)]


def _wide(rate: Rate, value: Interval | None, numerator: Array, denominator: Array) -> Interval | None:
    """A share of 0 or 1 has no spread to draw from, and is not certain for that."""
    if value is None or not rate.percent or value.value not in (0, 1):
        return value
    return share_interval(np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0))


class BehaviourTable:
    """Groups of one row: all traces, right and wrong ones, and by topic."""

    def __init__(self) -> None:
        self.everything = Group()
        self.by_correctness: dict[str, Group] = {"right": Group(), "wrong": Group(), "unscored": Group()}
        self.by_topic: dict[str, Group] = defaultdict(Group)

    def add(self, problem: str, topic: str, seen: Observation, right: bool | None) -> None:
        """Count a trace."""
        verdict = "unscored" if right is None else "right" if right else "wrong"
        for group in (self.everything, self.by_correctness[verdict], self.by_topic[topic or "(no topic)"]):
            group.add(problem, seen, right)
