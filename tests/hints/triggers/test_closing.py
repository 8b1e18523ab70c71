"""When to come to an end: few calls left, an answer that was stated and not boxed."""

import pytest
from hint_samples import first_firing, ran, said, view_of

from cort_data.hints.triggers.closing import BoxMissing, BudgetLow
from cort_data.trace import Kind, Origin

FILL = "Still there is something about this that I would like to think over once more. "


def low(blocks, text, calls=5, **parameters):
    """The first detection after so many blocks of a budget and this text."""
    pieces = [piece for _ in range(blocks) for piece in ran()]
    view = view_of(*pieces, calls=calls)
    detector = BudgetLow(**parameters).detector()
    detector.restart(view)
    view.append(*said(text))
    return next((s for clause in view.clauses if (s := detector.read(view, clause))), None)


@pytest.mark.parametrize(
    ("blocks", "calls", "text", "parameters"),
    [
        (4, 5, FILL * 3, {}),
        (5, 5, FILL * 3, {}),
        (1, 2, FILL * 3, {}),
        (2, 5, FILL * 3, {"left": 3}),
        (3, 5, FILL * 3, {"left": 3}),
        (4, 5, FILL, {"chars": 50}),
        (4, 5, "Yes. ", {"chars": 0}),
        (4, 5, FILL * 9, {"chars": 600}),
        (14, 15, FILL * 3, {}),
        (1, 1, FILL * 3, {"left": 0}),
    ],
)
def test_the_thinking_goes_on_with_few_calls_left(blocks, calls, text, parameters):
    span = low(blocks, text, calls, **parameters)
    assert span.reason == f"{calls - blocks} calls left"
    assert span.score >= span.threshold == parameters.get("chars", 200)


@pytest.mark.parametrize(
    ("blocks", "calls", "text", "parameters"),
    [
        (0, 1, FILL * 9, {}),
        (0, 0, FILL * 9, {}),
        (0, 5, FILL * 9, {}),
        (3, 5, FILL * 9, {}),
        (1, 5, FILL * 9, {"left": 3}),
        (4, 5, FILL, {}),
        (4, 5, "", {"chars": 0}),
        (4, 5, FILL * 5, {"chars": 600}),
        (1, 2, FILL * 3, {"left": 0}),
        (13, 15, FILL * 9, {}),
    ],
)
def test_enough_calls_or_hardly_any_text(blocks, calls, text, parameters):
    assert low(blocks, text, calls, **parameters) is None


def test_a_low_budget_is_said_once_an_output():
    view, detector = view_of(*ran(), calls=2), BudgetLow().detector()
    detector.restart(view)
    view.append(*said(FILL * 9))
    assert sum(detector.read(view, clause) is not None for clause in view.clauses) == 1
    view.append(Kind.TEXT, Origin.HINT, "One more block.\n")
    detector.restart(view)
    view.append(*said(FILL * 9))
    assert [detector.read(view, clause) for clause in view.clauses] == [None] * len(view.clauses)


@pytest.mark.parametrize(
    "said_so",
    [
        "So the answer is 42.\n",
        "Therefore, the final answer is $\\frac{3}{4}$.\n",
        "The answer: 17.\n",
        "**Final answer: 12**\n",
        "So our answer must be -5.\n",
        "The answer to the problem is 360.\n",
        "So the answer is B.\n",
        "Hence the answer is simply \\(\\sqrt{2}\\).\n",
        "This makes the answer = 96.\n",
        "So the answer is therefore 2π.\n",
    ],
)
def test_an_answer_that_stays_without_a_box(said_so):
    span = first_firing(BoxMissing(), said(FILL + said_so + FILL * 6))
    assert span.score >= 400
    assert span.start >= len(FILL + said_so)


@pytest.mark.parametrize(
    "said_so",
    [
        "So what is the answer?\n",
        "The answer is not 42.\n",
        "If the answer is 42, then something is wrong.\n",
        "The answer should be an integer.\n",
        "I guess the answer is 42.\n",
        "So the answer is \\boxed{42}.\n",
        "The answer would be 42 with one more.\n",
        "So there are 42 of them.\n",
        "Perhaps the answer is 42.\n",
        "The answer is 42. I write \\boxed{42}.\n",
    ],
)
def test_no_answer_was_given_or_it_is_boxed(said_so):
    assert first_firing(BoxMissing(), said(FILL + said_so + FILL * 6)) is None


def test_code_that_comes_after_the_answer_is_a_reason_to_go_on():
    stated = FILL + "So the answer is 42.\n" + FILL * 3
    assert first_firing(BoxMissing(), said(stated), *ran(), said(FILL * 6)) is None
    assert first_firing(BoxMissing(), said(stated + FILL * 3)) is not None


def test_an_answer_that_ends_the_thinking_is_left_alone():
    assert first_firing(BoxMissing(), said(f"So the answer is 42.\n</think>\n{FILL * 9}")) is None
