"""Triggers that look at where the text stands, not at what it says: the start, no code yet, an error, anywhere."""

from __future__ import annotations

import math
import random
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.view import Clause, View


class ThinkOpen(Trigger):
    """The thinking begins."""

    name: ClassVar[str] = "think_open"

    def detector(self) -> Detector:
        """Looks only at the start."""
        return _ThinkOpen()


class _ThinkOpen:
    reads = False

    def restart(self, view: View) -> Span | None:
        return Span(0, 0, 1.0, 1.0, "the thinking begins") if view.length == 0 else None

    def read(self, view: View, clause: Clause) -> Span | None:  # noqa: ARG002
        return None


class CodeError(Trigger):
    """The last block ended in an error."""

    name: ClassVar[str] = "code_error"

    def detector(self) -> Detector:
        """Looks only directly after an output."""
        return _CodeError()


class _CodeError:
    reads = False

    def restart(self, view: View) -> Span | None:
        if not view.follows_output or view.length > view.run_start or not view.last_error:
            return None
        message = (view.last_output or "").rstrip().rpartition("\n")[2]
        return Span(view.length, view.length, 1.0, 1.0, message[:80])

    def read(self, view: View, clause: Clause) -> Span | None:  # noqa: ARG002
        return None


class NoCodeYet(Trigger):
    """Much has been thought and no code was written."""

    name: ClassVar[str] = "no_code_yet"

    chars: Annotated[int, Field(ge=1, description="Characters of the completion that passed without code")] = 2000

    def detector(self) -> Detector:
        """Fires with the clause that reaches the length."""
        return _NoCodeYet(self.chars)


class _NoCodeYet:
    reads = True

    def __init__(self, chars: int) -> None:
        self.chars = chars
        self.passed: int | None = None  # where the length was reached: once a trace

    def restart(self, view: View) -> Span | None:
        if self.passed is not None and self.passed > view.run_start:
            self.passed = None
        return None

    def read(self, view: View, clause: Clause) -> Span | None:
        if view.has_code or clause.end < self.chars or self.passed is not None:
            return None
        self.passed = clause.end
        return Span(clause.sentence, clause.end, clause.end, self.chars, f"{clause.end} characters without code")


class RandomPlace(Trigger):
    """A random place: after each clause with a chance that grows with its length. The trace's seed decides."""

    name: ClassVar[str] = "random_place"

    chars: Annotated[float, Field(gt=0, description="Mean characters of text from one place to the next")] = 500.0
    after_output: Annotated[bool, Field(description="Only between an output and the next code")] = False

    def detector(self) -> Detector:
        """The same places for the same seed, however often they are read."""
        return _RandomPlace(self.chars, self.after_output)


class _RandomPlace:
    reads = True

    def __init__(self, chars: float, after_output: bool) -> None:
        self.chars = chars
        self.after_output = after_output

    def restart(self, view: View) -> Span | None:  # noqa: ARG002
        return None

    def read(self, view: View, clause: Clause) -> Span | None:
        if self.after_output and not view.answers_code:
            return None
        chance = 1 - math.exp((clause.start - clause.end) / self.chars)
        if random.Random(f"{view.seed}/{clause.start}/{self.after_output}").random() >= chance:
            return None
        return Span(clause.start, clause.end, 1.0, 1.0, "a random place")
