"""Time to come to an end: the calls are nearly spent, or the answer was stated and is not boxed."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.view import Clause, View

_STATED = re.compile(
    r"\banswer\b(?:\s+(?:to|of|for)\s+(?:the|this)\s+(?:\w+\s+){0,2}?(?:problem|question|task))?"
    r"(?:\s+(?:is|equals|must be|should be|comes out (?:as|to)|therefore|then|thus|simply|indeed|exactly|to be)\b|"
    r"\s*[:=,*]+)+[\s*$\\({]*-?(?:\d|frac|dfrac|sqrt|√|π|pi\b|[A-E](?![\w']))",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(r"\banswer\b[\s*]*(?:\w+[\s*]*){0,2}[:=]\W*$", re.IGNORECASE)
_VALUE = re.compile(r"[\s*$\\({]*-?(?:\d|frac|dfrac|sqrt|√|π|pi\b|[A-E](?![\w']))")
_UNSURE = re.compile(
    r"\b(?:if|whether|would|could|might|may|perhaps|maybe|not|unless|suppose|assum\w+|guess|expected|between)\b|"
    r"n['’]t\b|\?\s*$",
    re.IGNORECASE,
)


class BudgetLow(Trigger):
    """Few python calls are left, and the thinking goes on."""

    name: ClassVar[str] = "budget_low"

    left: Annotated[int, Field(ge=0, description="Calls left at which the budget is low")] = 1
    chars: Annotated[int, Field(ge=0, description="Characters of text after the output until then")] = 200

    def detector(self) -> Detector:
        """Fires once for each number of calls left, and never before the first block."""
        return _BudgetLow(self.left, self.chars)


class _BudgetLow:
    def __init__(self, left: int, chars: int) -> None:
        self.reads = False
        self.left = left
        self.chars = chars
        self.calls = 0  # the output after which it counts
        self.start = 0
        self.passed: int | None = None

    def restart(self, view: View) -> Span | None:
        if view.calls != self.calls:
            self.calls, self.start, self.passed = view.calls, view.run_start, None
        elif self.passed is not None and self.passed > view.run_start:
            self.passed = None
        self.reads = view.calls_left <= self.left and view.answers_code and self.passed is None
        return None

    def read(self, view: View, clause: Clause) -> Span | None:
        if not self.reads or self.passed is not None:
            return None
        if clause.end - self.start < self.chars:
            return None
        self.passed = clause.end
        reason = f"{view.calls_left} calls left"
        return Span(clause.sentence, clause.end, float(clause.end - self.start), float(self.chars), reason)


class BoxMissing(Trigger):
    r"""The answer was stated some time ago, no code came since, and it is still not in a \boxed{}."""

    name: ClassVar[str] = "box_missing"

    chars: Annotated[int, Field(ge=0, description="Characters of text after the answer was first stated")] = 400

    def detector(self) -> Detector:
        """Fires once for each run of text, with the clause that reaches the length."""
        return _BoxMissing(self.chars)


class _BoxMissing:
    reads = True

    def __init__(self, chars: int) -> None:
        self.chars = chars
        self.calls = 0
        self.stated: Clause | None = None
        self.announced = False
        self.settled: int | None = None  # where it was boxed or the hint fired

    def restart(self, view: View) -> Span | None:
        if view.calls != self.calls or not (view.answers_code or not view.has_code):
            self.calls, self.stated, self.settled = view.calls, None, None
        if self.stated is not None and self.stated.end > view.run_start:
            self.stated = None
        self.announced = False
        if self.settled is not None and self.settled > view.run_start:
            self.settled = None
        return None

    def read(self, view: View, clause: Clause) -> Span | None:  # noqa: ARG002
        text = clause.text
        if self.stated is None:
            if self.settled is None and (self.announced or "nswer" in text):
                self._listen(clause)
            return None
        if self.settled is not None:
            return None
        if "boxed" in text:
            self.settled = clause.end
            return None
        passed = clause.end - self.stated.end
        if passed < self.chars:
            return None
        self.settled = clause.end
        reason = f"{passed} characters since: {self.stated.text.strip()[:60]!r}"
        return Span(clause.sentence, clause.end, float(passed), float(self.chars), reason)

    def _listen(self, clause: Clause) -> None:
        """Is the answer stated here? It may stand in the clause after a colon."""
        text = clause.text
        given = _VALUE.match(text) is not None if self.announced else _STATED.search(text) is not None
        self.announced = False
        if "boxed" in text or _UNSURE.search(text):
            return
        if given:
            self.stated = clause
        elif _ANNOUNCED.search(text):
            self.announced = True
