"""What a trigger is: named parameters, and a detector that follows one trace."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from cort_data.hints.view import Clause, View


class Span(NamedTuple):
    """What a detector saw: characters `[start, end)` of the completion, and how sure it is.

    `end` is how far it had read; the behaviour itself may go on. It is a detection if `score >= threshold`.
    """

    start: int
    end: int
    score: float
    threshold: float
    reason: str

    @property
    def fires(self) -> bool:
        """Is this a detection, or only the best that was seen?"""
        return self.score >= self.threshold


class Detector(Protocol):
    """Follows one trace. What it returns depends on the clauses alone, never on chunks or on later text."""

    reads: bool
    """Does it look at the clauses of this run? May change in `restart`, and is asked after it."""

    def restart(self, view: View) -> Span | None:
        """A run begins at `view.run_start`, or is read again: forget what was read at or after it."""
        ...

    def read(self, view: View, clause: Clause) -> Span | None:
        """Take the next clause; return new evidence, be it enough or not."""
        ...


class Trigger(BaseModel):
    """Parameters of a detector. `name` is what a hint file calls it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    """Parts of words in lower case, symbols, or 0 for any digit: a clause with none of them cannot matter to the
    detector, which may not be shown it. None: it is shown every clause."""

    def detector(self) -> Detector:
        """A fresh detector for one trace."""
        raise NotImplementedError
