"""Answers: where a completion states one, and whether two are the same value.

`forms` reads an answer into what it is (number, tuple, list, equation, words…) and compares what can be compared
exactly; `algebra` asks math-verify about the rest, in worker processes that `grader` bounds from outside. A second
rule (`numeric`) judges each pair on its own, and where the two disagree the pair is unscored (`rules`).
"Cannot be judged" is a verdict of its own: unscored is not wrong.
"""

from cort_data.grading.extract import Extraction, extract, extract_answer
from cort_data.grading.grader import Grader
from cort_data.grading.verdict import Grade, Verdict

__all__ = ["Extraction", "Grade", "Grader", "Verdict", "extract", "extract_answer"]
