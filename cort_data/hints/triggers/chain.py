"""Signs of one behaviour that follow each other closely: where the first one stands, and what they weigh together."""

from __future__ import annotations

from cort_data.hints.view import Clause


class Chain:
    """Grows with each sign; a gap without one ends it."""

    __slots__ = ("gap", "last", "score", "start")

    def __init__(self, gap: int) -> None:
        self.gap = gap
        self.start = self.last = 0
        self.score = 0.0

    def forget(self) -> None:
        """No sign has been seen."""
        self.score = 0.0

    def goes_on(self, clause: Clause) -> bool:
        """Is this clause near enough to the last sign to belong to it?"""
        return self.score > 0 and clause.start - self.last <= self.gap

    def add(self, clause: Clause, weight: float) -> None:
        """One sign more; the first one's sentence is where the chain starts."""
        if not self.goes_on(clause):
            self.start, self.score = clause.sentence, 0.0
        self.score += weight
        self.last = clause.end
