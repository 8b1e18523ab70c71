"""The same kind of error in block after block."""

import pytest
from hint_samples import first_firing, ran, said

from cort_data.hints.triggers.errors import RepeatedError, error_kind

FINE = "29842"
NAME = "NameError: name 'a' is not defined"
OTHER = "NameError: name 'b' is not defined"
TYPE = "TypeError: 'int' object is not callable"
SYNTAX = "SyntaxError: invalid syntax"
TIME = "TimeoutError: the block took longer than 10 s"
LOST = "the block was killed; all variables are lost"


def blocks(*endings, between="I try again.\n"):
    pieces = []
    for ending in endings:
        frames = 'Traceback (most recent call last):\n  File "<cell 1>", line 1\n' if ": " in ending else ""
        pieces += [*ran(f"\n```output\n{frames}{ending}\n```\n"), said(between)]
    return pieces


@pytest.mark.parametrize(
    "endings",
    [
        (NAME, NAME),
        (NAME, OTHER),
        (FINE, NAME, OTHER),
        (TYPE, NAME, NAME),
        (SYNTAX, SYNTAX),
        (TIME, TIME),
        (LOST, LOST),
        (NAME, FINE, TYPE, TYPE),
        (TYPE, TYPE, FINE),
        (NAME, TYPE, SYNTAX, SYNTAX),
    ],
)
def test_the_same_kind_twice_in_a_row(endings):
    pieces = blocks(*endings)
    span = first_firing(RepeatedError(), *pieces)
    second = next(i for i in range(1, len(endings)) if error_kind(endings[i]) == error_kind(endings[i - 1]))
    assert span.start == sum(len(text) for _, _, text in pieces[: 3 * second + 2])
    assert span.reason.endswith("in 2 blocks in a row")


@pytest.mark.parametrize(
    "endings",
    [
        (),
        (FINE,),
        (NAME,),
        (FINE, FINE),
        (NAME, FINE, NAME),
        (NAME, TYPE),
        (TYPE, NAME, TYPE),
        (NAME, SYNTAX, TIME),
        (TIME, FINE, FINE, TIME),
        (LOST, NAME, LOST),
    ],
)
def test_other_errors_and_successes_between(endings):
    assert first_firing(RepeatedError(), *blocks(*endings)) is None


def test_more_than_twice():
    assert first_firing(RepeatedError(times=3), *blocks(NAME, NAME)) is None
    assert first_firing(RepeatedError(times=3), *blocks(NAME, NAME, NAME)).score == 3


@pytest.mark.parametrize(("output", "kind"), [(NAME, "NameError"), ("a\nb.Err: x\n", "b.Err"), ("", ""), ("12", "")])
def test_the_kind_is_the_name_on_the_last_line(output, kind):
    assert error_kind(output) == kind
