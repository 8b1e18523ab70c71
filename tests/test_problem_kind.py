"""Which problems suit distillation."""

import pytest

from cort_data.problem_kind import Unsuitable, unsuitable


@pytest.mark.parametrize(
    "text",
    [
        "Find the area of triangle ABC in the figure.",
        "The graph shown has six edges. How many trees span it?",
        "[asy] draw((0,0)--(1,1)); [/asy] How long is the segment?",
        "In the diagram below, find angle x.",
        "Find x, as shown in the picture.",
        r"\begin{tikzpicture}\end{tikzpicture} What is the area?",
    ],
)
def test_figures(text):
    assert unsuitable(text, "4") is Unsuitable.FIGURE


@pytest.mark.parametrize(
    "text",
    [
        "Prove that the square root of 2 is irrational.",
        "Let n be even. Show that n^2 is a multiple of 4.",
        "Find all primes p with p + 2 prime, and prove that there are no others.",
    ],
)
def test_proofs(text):
    assert unsuitable(text, "4") is Unsuitable.PROOF


@pytest.mark.parametrize(
    "text",
    [
        "What is 2 + 2? (A) 3 (B) 4 (C) 5 (D) 6",
        "What is 2 + 2?\nA) 3\nB) 4\nC) 5\nD) 6\nE) 7",
        r"What is 2 + 2? $\textbf{(A) }3\qquad\textbf{(B) }4\qquad\textbf{(C) }5\qquad\textbf{(D) }6$",
        "Choose: A. three B. four C. five D. six",
    ],
)
def test_multiple_choice(text):
    assert unsuitable(text, "B") is Unsuitable.MULTIPLE_CHOICE


def test_the_answer_in_the_statement():
    assert unsuitable("How many are there? The answer is 17.", "17") is Unsuitable.ANSWER_IN_STATEMENT
    assert unsuitable("How many are there? (Answer: 1,017)", "1017") is Unsuitable.ANSWER_IN_STATEMENT


@pytest.mark.parametrize(
    "text",
    [
        "Points A, B, C and D lie on a circle. AB = 3 and CD = 4. Find AC.",
        "The graph of y = x^2 meets the line y = 4 in two points. How far apart are they?",
        "How many ways are there to show five fingers? Show your work.",
        "If the answer is written as m/n in lowest terms, find m + n.",
        "A three-figure number is divisible by 9. Find the largest.",
        "In triangle ABC with sides 5, 6, 7 find the area. The answer is an integer times the square root of 6.",
        "The average of A, B, C. and D is 12.",
    ],
)
def test_what_is_fine(text):
    assert unsuitable(text, "17") is None
