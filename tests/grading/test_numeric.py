"""The second rule: reads on its own, is exact where all is rational, and says nothing where it cannot tell."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cort_data.grading import Verdict
from cort_data.grading.numeric import judge
from cort_data.grading.numeric.expressions import coordinate, evaluate
from cort_data.grading.numeric.values import UnreadableError


def verdict(first: str, second: str) -> Verdict | None:
    grade = judge(first, second)
    assert grade == judge(second, first)
    return grade and grade.verdict


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1,024", "1024"),
        (r"4\frac{2}{3}", "14/3"),
        ("1 1/2", "1.5"),
        (r"\frac12", "0.5"),
        (r"-x^2", r"-(x \cdot x)"),
        (r"2x/3", r"\frac{2}{3}x"),
        (r"\sin^2 x + \cos^2 x", "1"),
        (r"\sin 2x \cos x", r"2\sin x\cos x\cos x"),
        (r"\sin 30^\circ", "1/2"),
        (r"\log_2 8", "3"),
        (r"\binom{n+1}{2}", "n(n+1)/2"),
        (r"e^{i\pi}", "-1"),
        (r"\sqrt[3]{-8}", "-2"),
        (r"10\%", "0.1"),
        ("15 cm", r"15\text{ inches}"),
        ("x > 5", r"(5, \infty)"),
        ("y = 2x", "x = y/2"),
        (r"1 \pm \sqrt 2", r"1-\sqrt2, 1+\sqrt2"),
        (r"\text{(C)}", "C"),
    ],
)
def test_equal(first: str, second: str) -> None:
    assert verdict(first, second) is Verdict.EQUAL


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("0.333333333333", "1/3"),
        ("1.4142135623730950488016887242096980786", r"\sqrt{2}"),
        ("10%", "10"),
        ("2^{2023}", "2^{2023}+1"),
        ("x > 5", "x < 5"),
        ("(1, 2)", "[1, 2]"),
        ("3x", "3"),
        ("204_5", "204"),
        ("x + y = 5", "5"),
        ("E", "5"),
        (r"\begin{pmatrix} 1 & 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
    ],
)
def test_different(first: str, second: str) -> None:
    assert verdict(first, second) is Verdict.DIFFERENT


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("5 million", "5"),
        (r"\log 100", "2"),  # of which base?
        (r"3\frac{5}{2}", "15/2"),  # mixed or product?
        ("[0,1) \\cup [1,2]", "[0,2]"),
        ("9^{9^9}", "9^{9^9}+1"),
        ("1/0", "5"),
        ("|x|", "x"),  # equal only where x is positive
        ("x^2+", "3"),
        ("the red ball", "red"),
    ],
)
def test_no_opinion(first: str, second: str) -> None:
    assert verdict(first, second) is None


@pytest.mark.parametrize(
    "text",
    [
        "9^{9^{9^9}}",
        r"\sin(10^{10^9})",
        "(" * 900,
        r"\sqrt" * 399 + "2",
        "1,1" * 300,
        r"\binom{10^{300}}{7}",
        "((a" * 99,
    ],
)
def test_hostile_answers_take_no_time(text: str) -> None:
    started = time.process_time()
    for other in ("5", r"\sqrt{2}", text + " "):
        verdict(text, other)
    assert time.process_time() - started < 2


@given(st.fractions(max_denominator=50), st.fractions(max_denominator=50), st.sampled_from("+-*/"))
def test_arithmetic_is_exact(first, second, sign) -> None:
    if sign == "/" and second == 0:
        return
    expected = (
        {"+": first + second, "-": first - second, "*": first * second}.get(sign) if sign != "/" else first / second
    )
    text = f"({first}) {'' if sign == '*' else sign} ({second})"
    assert evaluate(text, 0) == expected


def test_points_depend_on_the_name_alone_and_have_both_signs_from_the_third_on() -> None:
    assert coordinate("x", 0) == coordinate("x", 0) != coordinate("y", 0)
    points = [coordinate(name, point) for name, point in itertools.product("abcdef", range(5))]
    assert min(points) < 0 < max(points)
    assert all(coordinate(name, point) > 0 for name, point in itertools.product("abcdef", range(2)))


@pytest.mark.parametrize("text", ["", "+", "2 3", r"\foo", "word", "(1", "1)", "x_{1"])
def test_what_is_no_formula_says_so(text: str) -> None:
    with pytest.raises(UnreadableError):
        evaluate(text, 0)
