"""Symbolic algebra by hand: expanding, solving, differentiating; not setting up, not numbers alone."""

import pytest
from hint_samples import first_firing, said

from cort_data.hints.triggers.algebra import SymbolicAlgebra

WORKED = [
    "Expanding: (x+1)^4 = x^4 + 4x^3 + 6x^2 + 4x + 1.\n",
    "Let me expand (a+b)^2 by hand: (a+b)^2 = a^2 + 2ab + b^2.\n",
    "Substituting y = 3 - x gives x^2 + (3-x)^2 = 5, so 2x^2 - 6x + 4 = 0.\n",
    "Simplify: x^2 - 8x + y^2 = 0.\nSubtract the two: 8x - 20y = 0.\n",
    "Differentiate term by term: f'(x) = 3x^2 - 3.\n",
    "Let me factor the quadratic: x^2 - 5x + 6 = (x-2)(x-3).\nSo x - 2 = 0.\n",
    "By the quadratic formula, x = (-b + sqrt(b^2-4ac))/(2a). Then x = (p + q)/2.\n",
    "Multiplying both sides by x+1: x^2 + x = 6x - 4.\nHence x^2 - 5x + 4 = 0.\n",
    "Complete the square: x^2 - 6x = (x-3)^2 - 9, so (x-3)^2 = 2y + 9.\n",
    "Integrating by parts, \\int x e^x dx = x e^x - \\int e^x dx = x e^x - e^x + c, thus F(x) = (x-1) e^x + c.\n",
]
NOT_WORKED = [
    "Let x be the number of apples: x + y = 10 and 2x + 3y = 26.\n",
    "Multiplying both: 12*34 = 408. Adding the two: 408 + 5 = 413.\n",
    "The expanded form is not needed here.\n",
    "I use sympy to expand (x+1)^5 = x^5 + 5x^4 + 10x^3 + 10x^2 + 5x + 1.\n",
    "Factoring the number: 360 = 2^3*3^2*5 and 2^3 = 8.\n",
    "Substituting n = 5, we get 25.\n",
    "f(x) = x^2 + 1 and g(x) = x - 3 are the two functions of the problem.\n",
    "This simplifies the argument: the factor of two is common.\n",
    "By symmetry a = b, and the angle is A = 60.\n",
    "Solve the problem step by step. First draw the circle with radius r = 5.\n",
]


@pytest.mark.parametrize("text", WORKED)
def test_algebra_by_hand_is_found_from_its_first_step_on(text):
    span = first_firing(SymbolicAlgebra(), said("We have two unknowns.\n" + text))
    assert span is not None
    assert span.start == len("We have two unknowns.\n")


@pytest.mark.parametrize("text", NOT_WORKED)
def test_setting_up_and_numbers_are_no_algebra(text):
    assert first_firing(SymbolicAlgebra(), said("We have two unknowns.\n" + text)) is None


def test_an_equation_far_from_the_work_begins_anew():
    text = "Expand: (x+1)*y = xy + y.\n" + "Words that say something else go on for a while. " * 4 + "x*z = 3.\n"
    assert first_firing(SymbolicAlgebra(), said(text)) is None
    assert first_firing(SymbolicAlgebra(gap=400), said(text)) is not None
