"""Outputs that the text goes on without."""

import pytest
from hint_samples import first_firing, ran, said

from cort_data.hints.triggers.outputs import UnusedOutput

FILL = "Now there is another way of looking at the whole thing, and it is worth a thought. "
LONG = FILL * 9


def after(output, text):
    return [*ran(f"\n```output\n{output}\n```\n"), said(text + "\n")]


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("29842", LONG),
        ("29842", "So 12 of them remain, and 7 are blue. " + LONG),
        ("[3, 5, 8]", "There are 4 colours and 6 shapes. " + LONG),
        ("0.7071067", "The half of it is 0.25 in the picture. " + LONG),
        ("True", LONG),
        ("17/3", "The sum of 4 and 9 matters. " + LONG),
        ("x = 12", "Look at 13 and at 11. " + LONG),
        ("apples 40\npears 2", "The plums are next. " + LONG),
        ("{1: 2}", "What is left has 5 corners. " + LONG),
        ("1024", "About 10240 of them are known. " + LONG),
    ],
)
def test_nothing_of_the_output_is_used(output, text):
    pieces = after(output, text)
    span = first_firing(UnusedOutput(), *pieces)
    start = sum(len(t) for _, _, t in pieces[:2])
    assert span.score >= 600
    assert span.end - start == span.score


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("29842", "So it is 29842. " + LONG),
        ("29842", "So it is 29,842 in all. " + LONG),
        ("29842", "So it is 29{,}842 in all. " + LONG),
        ("0.7071067", "That is 0.707 or so. " + LONG),
        ("3", "There are three of them. " + LONG),
        ("apples 40", "As many Apples as before. " + LONG),
        ("29842", "The output is what I thought. " + LONG),
        ("29842", FILL * 4 + "And that is 29842. " + LONG),
        ("(no output)", LONG),
        ("29842", FILL * 5),
    ],
)
def test_its_numbers_its_words_or_a_mention_are_use(output, text):
    assert first_firing(UnusedOutput(), *after(output, text)) is None


def test_nothing_to_use_before_an_output_and_after_an_error():
    assert first_firing(UnusedOutput(), said(LONG)) is None
    failed = 'Traceback (most recent call last):\n  File "<cell 1>", line 1\nNameError: no x'
    assert first_firing(UnusedOutput(), *after(failed, LONG)) is None


def test_once_for_each_output():
    from cort_data.hints.scan import firings
    from cort_data.trace import Segment

    pieces = [*after("29842", LONG * 2), *after("29842", LONG)]
    segments = [Segment(kind=kind, origin=origin, text=text) for kind, origin, text in pieces]
    assert len(list(firings(segments, UnusedOutput()))) == 2
    assert first_firing(UnusedOutput(chars=100), *after("29842", LONG)).threshold == 100
