import pytest

from cort_data.behaviour.arithmetic import evaluate, numbers, plain, steps


@pytest.mark.parametrize(
    ("text", "value"),
    [("29842", 29842), ("3/4", 0.75), ("2*sqrt(3)", 3.4641016), ("2sqrt(3)", 3.4641016), ("-3*pi/4", -2.3561945),
     ("2^10", 1024), ("1.5e3", 1500), ("x+1", None), ("1/0", None), ("9^9^9^9", None), ("", None), ("3(4", None)],
)  # fmt: skip
def test_expressions_have_their_value_and_all_else_has_none(text, value):
    assert evaluate(text) == (None if value is None else pytest.approx(value))


def test_tex_is_read_as_what_it_means():
    assert evaluate(plain(r"\frac{3}{4}")) == 0.75
    assert plain(r"17 \cdot 3 \times 2^{5}") == "17 * 3 * 2^(5)"
    assert plain("1{,}234 and 1,234,567") == "1234 and 1234567"


def test_numbers_of_a_text_with_fractions_and_without_parts_of_names():
    assert numbers("x1 = 5, 3/4, -2.5, v2") == {5.0, 0.75, -2.5}


@pytest.mark.parametrize(
    ("text", "numeric"),
    [("17 * 3 = 51", [True]), ("3^2 = 9, so 9 + 1 = 10", [True, True]), ("m = 32 - 4*4 = 32 - 16 = 16", [True, True]),
     ("2x + 6 = 20", [False]), ("n = 5", []), ("a = b", []), ("if k == 4", []), ("f(7) <= 9", [])],
)  # fmt: skip
def test_steps_are_relations_with_arithmetic_beside_them(text, numeric):
    assert [step.numeric for step in steps(text)] == numeric


def test_a_step_knows_what_it_arrives_at():
    assert [step.value for step in steps("347 * 86 = 29842")] == [29842]
