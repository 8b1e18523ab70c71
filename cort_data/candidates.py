"""What branch search found out about each hint: how often it paid, and what it saves where it was kept.

The saving is the mean over fresh continuations, which had no part in the choice, with an interval by bootstrap over
problems. Wrong and truncated continuations count at full length in all token figures (`trace.Arm`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cort_data.statistics import Array, Ratios, intervals
from cort_data.trace import Arm, Arms, Trace


@dataclass
class _Hint:
    """The candidates of one hint."""

    outcomes: Counter[str] = field(default_factory=Counter)
    right: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0), (0, 0)])
    """(right, all) continuations that chose: with the hint, without it."""
    saved: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    """Problem → (tokens saved, places) of its fresh continuations."""

    def add(self, problem: str, outcome: str, arms: Arms | None) -> None:
        self.outcomes[outcome] += 1
        if arms is None:
            return
        self.right = [_counted(self.right[0], arms.with_hint), _counted(self.right[1], arms.without)]
        if arms.fresh_with_hint.tokens:
            self.saved[problem].append((arms.fresh_without.mean_tokens - arms.fresh_with_hint.mean_tokens, 1))


class CandidateTable:
    """Counts the candidates of traces as they come by."""

    def __init__(self) -> None:
        self._hints: dict[str, _Hint] = defaultdict(_Hint)

    def add(self, trace: Trace) -> None:
        """Count a trace's candidates, if it has any."""
        for event in trace.events:
            if event.kind == "candidate":
                self._hints[event.name or ""].add(trace.problem.id, event.outcome or "", event.arms)

    def rows(self) -> list[dict[str, Any]]:
        """One a hint, by name: places tried, outcomes, accuracy of both arms, tokens saved a place that kept it."""
        return [_row(name, hint) for name, hint in sorted(self._hints.items())]


def _row(name: str, hint: _Hint) -> dict[str, Any]:
    saved = _interval(hint)
    return {
        "hint": name,
        "places": hint.outcomes.total(),
        **{outcome: hint.outcomes[outcome] for outcome in ("win", "loss", "tie")},
        "accuracy_with": _share(hint.right[0]),
        "accuracy_without": _share(hint.right[1]),
        "tokens_saved": saved,
    }


def _interval(hint: _Hint) -> dict[str, float] | None:
    """Of the mean saving a place."""
    if not hint.saved:
        return None
    sums: Array = np.array([[sum(part) for part in zip(*places, strict=True)] for places in hint.saved.values()]).T
    [found] = intervals(Ratios(sums[:1], sums[1:]))
    return {"value": found.value, "low": found.low, "high": found.high} if found else None


def _counted(counts: tuple[int, int], arm: Arm) -> tuple[int, int]:
    return counts[0] + sum(arm.correct), counts[1] + len(arm.correct)


def _share(counts: tuple[int, int]) -> float | None:
    return counts[0] / counts[1] if counts[1] else None
