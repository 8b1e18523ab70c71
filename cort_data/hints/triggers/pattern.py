"""The user's own pattern, looked for in each sentence."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.view import Clause, View


class Regex(Trigger):
    """A regular expression matches within a sentence (Python syntax; `(?i)` in front ignores case)."""

    name: ClassVar[str] = "regex"

    pattern: Annotated[str, Field(min_length=1, description="Looked for in what is complete of each sentence")]

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern

    def detector(self) -> Detector:
        """Fires with the clause that completes a match."""
        return _Regex(re.compile(self.pattern))


class _Regex:
    reads = True

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        self.sentence: str = ""
        self.start = -1

    def restart(self, view: View) -> Span | None:  # noqa: ARG002
        self.sentence, self.start = "", -1
        return None

    def read(self, view: View, clause: Clause) -> Span | None:  # noqa: ARG002
        text = clause.text
        if clause.sentence == self.start:
            text = self.sentence + text
        elif clause.sentence > clause.start:
            text = text[clause.sentence - clause.start :]
        match = self.pattern.search(text.rstrip())
        if match is None:
            self.sentence, self.start = text, clause.sentence
            return None
        self.sentence, self.start = "", -1
        return Span(clause.sentence, clause.end, 1.0, 1.0, f"matches {match[0][:60]!r}")
