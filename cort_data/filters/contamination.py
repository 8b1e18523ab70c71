"""Decontamination: no trace on an evaluation problem, or on one that shares an n-gram with it, is kept.

An n-gram counts only if it holds a numeral or the whole problem matches, so that problems of one template with
other numbers are kept (CONTRACT, Filters).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from cort_data.filters.base import Filter, FilterParams, Resources
from cort_data.similarity import Contamination
from cort_data.trace import Decision, Trace
from cort_data.traces_io import read_problems


class ContaminationParams(FilterParams):
    """What is guarded, and how closely."""

    words: Annotated[int, Field(ge=1, description="Length in words of the n-grams that must not be shared")] = 13
    against: Annotated[
        tuple[Path, ...],
        Field(description="Problem files to guard besides the recipe's own test problems"),
    ] = ()


class Decontamination(Filter[ContaminationParams]):
    """Looks the trace's problem statement up among the evaluation problems."""

    name = "contamination"
    reasons = ("contaminated",)
    Params = ContaminationParams

    def __init__(self, params: ContaminationParams, resources: Resources) -> None:
        super().__init__(params, resources)
        self.index = Contamination(params.words)
        for problem in resources.evaluation:
            self.index.add(problem.id, problem.text)
        for path in params.against:
            for problem in read_problems(path):
                self.index.add(problem.id, problem.text)

    async def decide(self, trace: Trace) -> Decision:
        """Drop what overlaps."""
        leak = self.index.find(trace.problem.text)
        return self.keep() if leak is None else self.drop("contaminated", f"overlaps with {leak}")
