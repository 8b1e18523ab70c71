"""Delayed code computation: the model starts to carry out by hand what a short program would do (METHOD §1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints.triggers import steps
from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.view import Clause, View

WORKING_REACH = 40
"""Characters after a clause such as "Simplify:" within which an equation counts as worked on."""


class ManualArithmetic(Trigger):
    """At least so many steps of hand computing follow each other. The span starts at their first sentence.

    A numeric evaluation weighs 1, an equation that is worked on 0.75, a product in a list 0.7, a carry 0.5, a number
    in a table 0.25; an announcement "by hand" 1.5, "let's compute" 0.5.
    """

    name: ClassVar[str] = "manual_arithmetic"

    steps: Annotated[float, Field(gt=0, description="Weight of the steps that make a detection")] = 3.0
    gap: Annotated[int, Field(ge=0, description="Characters without a step that end a chain of steps")] = 160

    def detector(self) -> Detector:
        """Follows the chain of steps that is going on."""
        return _Chain(self.steps, self.gap)


class _Chain:
    reads = True

    def __init__(self, threshold: float, gap: int) -> None:
        self.threshold = threshold
        self.gap = gap
        self.start, self.score, self.last = 0, 0.0, -gap - 1

    def restart(self, view: View) -> Span | None:  # noqa: ARG002
        self.start, self.score, self.last = 0, 0.0, -self.gap - 1
        return None

    def read(self, view: View, clause: Clause) -> Span | None:
        if not steps.may_compute(clause.text):
            return None
        weight = steps.evidence(clause.text, lambda: self._is_worked_on(view, clause))
        if not weight or not self._goes_on(view, clause, weight):
            return None
        self.score += weight
        self.last = clause.end
        return Span(self.start, clause.end, self.score, self.threshold, f"{self.score:g} steps of computing by hand")

    def _goes_on(self, view: View, clause: Clause, weight: float) -> bool:
        """Join the chain that is going on, or begin one; a list or table alone begins none."""
        broken = clause.start - self.last > self.gap
        said = _announced(view, clause, self.gap if broken else clause.start - self.last)
        if said is not None and (broken or said[1] == steps.BY_HAND):
            self.start, self.score = said
        elif broken and weight < steps.WORKED:
            return False
        elif broken:
            self.start, self.score = clause.sentence, 0.0
        return True

    @staticmethod
    def _is_worked_on(view: View, clause: Clause) -> bool:
        return any(steps.works_equations(c.text) for c in _before(view, clause, WORKING_REACH))


def _announced(view: View, clause: Clause, reach: int) -> tuple[int, float] | None:
    """The nearest sentence that announced computing: its start and weight."""
    for earlier in _before(view, clause, reach):
        if weight := steps.announcement(earlier.text):
            return earlier.sentence, weight
    return None


def _before(view: View, clause: Clause, reach: int) -> Iterator[Clause]:
    """The clause and those of its run that end at most `reach` characters before it, the nearest first."""
    for earlier in reversed(view.clauses):
        if earlier.end < clause.start - reach:
            return
        if earlier.start <= clause.start:
            yield earlier
