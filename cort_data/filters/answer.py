"""Answer: is the final answer the gold answer? What cannot be judged is dropped as unscored, not as wrong."""

from __future__ import annotations

from cort_data.errors import RecipeError
from cort_data.filters.base import Filter, FilterParams, Resources
from cort_data.foreign import UNKNOWN_ANSWER
from cort_data.grading import Verdict, extract_answer
from cort_data.profiles import load_profile
from cort_data.trace import Decision, Trace


class Answer(Filter[FilterParams]):
    """Grades the box after the thinking against the problem's gold answer."""

    name = "answer"
    reasons = ("no_answer", "wrong", "unscored")

    def __init__(self, params: FilterParams, resources: Resources) -> None:
        super().__init__(params, resources)
        if resources.grader is None:
            raise RecipeError("filters: answer needs a grader, and this stage was given none")
        self.grader = resources.grader

    async def decide(self, trace: Trace) -> Decision:
        """Equal is kept."""
        answer = extract_answer(trace.text, load_profile(trace.profile).think_close)
        if answer is None:
            return self.drop("no_answer")
        gold = trace.problem.answer
        if gold == UNKNOWN_ANSWER:
            return self.drop("unscored", "the problem has no gold answer")
        grade = await self.grader.agrade(gold, answer)
        if grade.verdict is Verdict.EQUAL:
            return self.keep()
        reason = "wrong" if grade.verdict is Verdict.DIFFERENT else "unscored"
        return self.drop(reason, f"expected {gold}, got {answer} ({grade.reason})")
