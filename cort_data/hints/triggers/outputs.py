"""Outputs that nobody reads: the text goes on as if nothing had been printed."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.view import Clause, View

_NUMBER = re.compile(r"\d+(?:(?:,|\{,\}|\\,)(?=\d{3}(?!\d))\d{3})*(?:\.\d+)?")
_SEPARATOR = re.compile(r"[,{}\\]")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SPOKEN = dict(
    enumerate(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"))
)
_MENTIONS = (
    *("output", "Output", "result", "Result", "printed", "prints", "code ", "script", "program", "computed"),
    *("it gives", "this gives", "we get", "I get", "got ", "confirm", "matches", "agrees"),
)
"""Words that speak of the output without repeating it."""
PREFIX = 4
"""A decimal is also used where so many of its first characters are."""


class UnusedOutput(Trigger):
    """So many characters after an output, none of its numbers and words has been used, and nothing speaks of it."""

    name: ClassVar[str] = "unused_output"

    chars: Annotated[int, Field(ge=1, description="Characters of text after an output that ignore it")] = 600

    def detector(self) -> Detector:
        """Active from an output that printed something to its first use."""
        return _UnusedOutput(self.chars)


class _UnusedOutput:
    def __init__(self, chars: int) -> None:
        self.reads = False
        self.chars = chars
        self.calls = 0  # the output that is followed
        self.start = 0
        self.settled: int | None = None  # where it was used or the hint fired
        self.active = False
        self.numbers: frozenset[str] = frozenset()
        self.words: frozenset[str] = frozenset()

    def restart(self, view: View) -> Span | None:
        if view.answers_code and view.calls != self.calls:
            self._follow(view)
        elif self.settled is not None and self.settled > view.run_start:
            self.settled = None
        known = bool(self.numbers or self.words)
        self.active = self.reads = view.answers_code and known and self.settled is None
        return None

    def read(self, view: View, clause: Clause) -> Span | None:  # noqa: ARG002
        if not self.active:
            return None
        if self._uses(clause.text):
            self.active, self.settled = False, clause.end
            return None
        passed = clause.end - self.start
        if passed < self.chars:
            return None
        self.active, self.settled = False, clause.end
        return Span(clause.sentence, clause.end, passed, self.chars, f"{passed} characters that ignore the output")

    def _follow(self, view: View) -> None:
        self.calls, self.start, self.settled = view.calls, view.run_start, None
        output = view.last_output or ""
        if view.last_error or output == "(no output)":
            self.numbers = self.words = frozenset()
            return
        self.numbers = _forms(output)
        self.words = frozenset(word.lower() for word in _WORD.findall(output))
        self.words |= {_SPOKEN[int(n)] for n in self.numbers if n.isdigit() and int(n) in _SPOKEN}

    def _uses(self, text: str) -> bool:
        if any(mention in text for mention in _MENTIONS):
            return True
        if not self.numbers.isdisjoint(_forms(text)):
            return True
        return bool(self.words) and any(word.lower() in self.words for word in _WORD.findall(text))


def _forms(text: str) -> frozenset[str]:
    """The numbers of a text without separators; of decimals also how they begin."""
    numbers = {_SEPARATOR.sub("", number) for number in _NUMBER.findall(text)}
    return frozenset(numbers | {n[:PREFIX] for n in numbers if "." in n and len(n) > PREFIX})
