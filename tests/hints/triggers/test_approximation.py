"""Decimals in place of exact values, and closed forms that are guessed from them."""

import pytest
from hint_samples import first_firing, ran, said

from cort_data.hints.triggers.approximation import Approximation

APPROXIMATED = [
    "The root is about 1.414, and the other one is roughly 0.586.\n",
    "sqrt(7) ≈ 2.6458, so the side ≈ 5.2915.\n",
    "\\sqrt{3} \\approx 1.732 and then \\frac{1}{2} \\cdot 1.732 \\approx 0.866.\n",
    "The sum is 0.70710, which looks like sqrt(2)/2.\n",
    "We get 0.785398. That is probably pi/4.\n",
    "This is 0.333333, so it must be 1/3.\n",
    "The limit seems to be 2.71828, suspiciously close to e^1.\n",
    "It is approximately 3.1416. Rounded it is 3.14, and I use that.\n",
    "The ratio is 1.6180. I guess the golden ratio.\n",
    "The angle is around 0.5236; twice it is nearly 1.0472.\n",
]
EXACT = [
    "Half of it is 0.5, a quarter is 0.25.\n",
    "It costs about 12 coins, or roughly 13 with the fee.\n",
    "The problem asks for the nearest hundredth: 1.4142 ≈ 1.41, and then 2.236 ≈ 2.24.\n",
    "sqrt(7) is about 2.65.\n",
    "The sum must be 1/3 of the whole.\n",
    "It is probably sqrt(2)/2, as in the unit square.\n",
    "n is close to 100, around 97 or 98.\n",
    "The two triangles are approximately equal.\n",
    "This round of the game ends with 3.50 in the pot.\n",
    "We look at the last digit, which could be 3 or 7.\n",
]


@pytest.mark.parametrize("text", APPROXIMATED)
def test_decimals_for_exact_values(text):
    span = first_firing(Approximation(), said("Now the value.\n" + text))
    assert span is not None
    assert span.start >= len("Now the value.\n")


@pytest.mark.parametrize("text", EXACT)
def test_exact_decimals_and_estimates_are_fine(text):
    assert first_firing(Approximation(), said("Now the value.\n" + text)) is None


def test_a_closed_form_is_guessed_from_an_output():
    pieces = ran("\n```output\n0.70710678\n```\n")
    assert first_firing(Approximation(), *pieces, said("That looks like \\sqrt{2}/2.\n")) is not None
    assert first_firing(Approximation(), *ran(), said("That looks like \\sqrt{2}/2.\n")) is None


def test_where_a_rounded_value_is_asked_for_it_is_right_from_then_on():
    text = "So x ≈ 1.234 and y ≈ 2.345.\n"
    asked = "The answer is to be rounded to two decimals.\n"
    assert first_firing(Approximation(), said(text)) is not None
    assert first_firing(Approximation(), said(asked + text)) is None
    assert first_firing(Approximation(), said(asked), *ran(), said(text)) is None
