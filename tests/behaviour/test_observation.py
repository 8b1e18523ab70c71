import ast
from pathlib import Path

import pytest

import cort_data.behaviour
from cort_data.behaviour import observe
from cort_data.behaviour.purpose import Purpose
from cort_data.trace import HintMark, Kind, Origin, Segment
from tests.builders import block, completion, make_trace

CLOSE = "</think>"
BY_HAND = "First 347*6 = 2082. Then 347*80 = 27760. So 2082 + 27760 = 29842.\n"
FAILED = block(
    "print(1/0)", 'Traceback (most recent call last):\n  File "cell", line 1\nZeroDivisionError: division by zero'
)


def seen(*parts, answer="29842", **fields):
    return observe(make_trace(completion(*parts, answer=answer), **fields), CLOSE)


def test_the_instrument_imports_neither_filters_nor_triggers():
    for file in Path(cort_data.behaviour.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [n for n in names if n and n.startswith(("cort_data.filters", "cort_data.hints"))], file


@pytest.mark.parametrize(
    ("prose", "purpose"),
    [
        ("The area is the product.\n", Purpose.CALCULATION),
        ("Let me verify that.\n", Purpose.VERIFICATION),
        ("So the area = 29842.\n", Purpose.VERIFICATION),  # the block prints what was already held
        ("We need to check if k divides n; use code to find the pattern.\n", Purpose.CALCULATION),
    ],
)
def test_the_purpose_of_a_block(prose, purpose):
    assert [b.purpose for b in seen(prose, block("print(347 * 86)", "29842")).blocks] == [purpose]


def test_a_block_that_mends_a_verification_verifies():
    found = seen("Let me double-check by code.\n", FAILED, "A slip.\n", block("print(347 * 86)", "29842"))
    assert [b.purpose for b in found.blocks] == [Purpose.VERIFICATION] * 2


def test_a_number_of_the_problem_is_not_one_that_the_model_held():
    found = seen("The side is 347.\n", block("print(347)", "347"))
    assert found.blocks[0].purpose is Purpose.CALCULATION


def test_work_by_hand_before_the_last_block_is_delayed_and_after_it_is_not():
    assert seen(BY_HAND, block("print(347 * 86)", "29842")).delayed
    assert not seen(block("print(347 * 86)", "29842"), BY_HAND).delayed
    assert seen(BY_HAND).delayed
    assert not seen("One product: 3*4 = 12.\n").delayed


def test_the_answer_after_the_thinking_is_no_work_by_hand():
    trace = make_trace(f"Easy.\n</think>\n{BY_HAND} \\boxed{{29842}}")
    assert not observe(trace, CLOSE).delayed


def test_words_of_hints_are_not_the_models():
    mark = HintMark(name="h", trigger="t", wording=0, span_start=0, span_end=0)
    hint = Segment(kind=Kind.TEXT, origin=Origin.HINT, text=BY_HAND, tokens=9, hint=mark)
    own = Segment(kind=Kind.TEXT, origin=Origin.MODEL, text="Yes.\n</think>\n\\boxed{1}", tokens=3)
    assert not observe(make_trace(segments=(hint, own)), CLOSE).delayed


def test_the_same_number_worked_out_again_is_distrust_and_reading_it_is_not():
    code = block("print(347 * 86)", "29842")
    assert seen(code, BY_HAND).distrusted
    assert not seen(code, "So the area is 29842.\n").distrusted
    assert not seen(FAILED, BY_HAND).distrusted


@pytest.mark.parametrize(
    ("answer", "output", "grounded"),
    [("29842", "29842", True), ("29842", "29843", False), (r"\frac{3}{4}", "0.75", True),
     (r"2\sqrt{3}", "2*sqrt(3)", True), ("(7, 15)", "[7, 15]", True), ("(7, 16)", "[7, 15]", False),
     ("x=5", "{x: 5}", True), ("x^2+1", "x**2 + 1", True)],
)  # fmt: skip
def test_an_answer_is_grounded_where_an_output_shows_it(answer, output, grounded):
    assert seen(block("f()", output), answer=answer).grounded is grounded


def test_without_working_code_nothing_is_grounded_or_ungrounded():
    assert seen("By thought.\n").grounded is None
    assert seen(FAILED).grounded is None


def test_errors_in_a_row_are_one_and_are_recovered_by_a_block_that_works():
    found = seen(FAILED, FAILED, block("print(2)", "2"), FAILED)
    assert (found.error_streaks, found.recovered, found.ran, found.worked) == (2, 1, 4, 1)


@pytest.mark.parametrize(
    ("stop", "wanted"), [("length", "length"), ("calls", "calls"), ("answered", None), ("loop", None)]
)
def test_which_budget_ended_a_trace(stop, wanted):
    assert seen("Hm.\n", stop_reason=stop).exhausted == wanted


def test_a_refused_call_exhausts_the_calls_even_if_the_trace_was_answered():
    refused = "```python\nprint(2)\n```\n```notice\nNo python calls are left.\n```\n"
    assert seen(refused).exhausted == "calls"
