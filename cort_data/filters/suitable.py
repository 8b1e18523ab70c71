"""Problems that are of no use for distillation: figures, proofs, multiple choice, the answer in the statement."""

from __future__ import annotations

from cort_data.filters.base import Filter, FilterParams
from cort_data.problem_kind import Unsuitable, unsuitable
from cort_data.trace import Decision, Trace


class SuitableProblem(Filter[FilterParams]):
    """Reads the problem alone; `cort problems import --suitable` asks the same before anything is written."""

    name = "suitable_problem"
    reasons = tuple(reason.value for reason in Unsuitable)

    async def decide(self, trace: Trace) -> Decision:
        """Drop with the first reason against the problem."""
        reason = unsuitable(trace.problem.text, trace.problem.answer)
        return self.drop(reason) if reason else self.keep()
