"""What a filter is: it looks at a trace and returns a named decision. Dropped traces keep theirs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from cort_data.grading import Grader
from cort_data.interpreter.base import Interpreter
from cort_data.trace import Decision, Problem, Trace

KEPT = "kept"


class FilterParams(BaseModel):
    """Parameters of a filter as they stand in a recipe; most filters have none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Resources:
    """What filters work with and a recipe's filter list does not name."""

    interpreter: Interpreter | None = None
    grader: Grader | None = None
    evaluation: Sequence[Problem] = ()
    """Problems that tables are made on: no kept trace may contain them."""


P = TypeVar("P", bound=FilterParams)


class Filter(ABC, Generic[P]):
    """One criterion. `reasons` are the names a dropping decision may carry; no two filters share one."""

    name: ClassVar[str]
    reasons: ClassVar[tuple[str, ...]]
    Params: ClassVar[type[FilterParams]] = FilterParams

    def __init__(self, params: P, resources: Resources) -> None:
        self.params = params
        self.resources = resources

    @abstractmethod
    async def decide(self, trace: Trace) -> Decision:
        """Keep or drop, with the reason. Raises only for a broken environment, never for a bad trace."""

    def keep(self) -> Decision:
        """Nothing against the trace."""
        return Decision(filter=self.name, keep=True, reason=KEPT)

    def drop(self, reason: str, detail: str = "") -> Decision:
        """Drop for one of `reasons`."""
        if reason not in self.reasons:
            raise ValueError(f"{self.name} has no reason {reason!r}; it has {', '.join(self.reasons)}")
        return Decision(filter=self.name, keep=False, reason=reason, detail=detail)


class OrderedFilter(Filter[P]):
    """A filter that compares with the traces kept before, so traces must come to it in order, one at a time."""

    @abstractmethod
    def accept(self, trace: Trace) -> None:
        """This trace was kept by all filters."""


def first_drop(decisions: Sequence[Decision]) -> Decision | None:
    """The decision that a drop is counted under: the first in list order. None: the trace is kept."""
    return next((d for d in decisions if not d.keep), None)
