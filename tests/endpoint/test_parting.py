"""The two parts of a completion, whatever pieces it comes in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cort_data.endpoint.parting import Parting

CLOSE = "</think>"


def parted(text: str, cuts: list[int], *stops: str, close: str = CLOSE) -> tuple[str, str]:
    parting = Parting(close, stops)
    pieces = [parting.take(text, min(cut, len(text))) for cut in sorted(cuts)]
    pieces.append(parting.take(text, len(text), ended=True))
    return "".join(p.thinking for p in pieces), "".join(p.answer for p in pieces)


WORDS = st.lists(st.sampled_from(["</think>", "</thi", "<", "a", "\n", "STOP", "ST", "OP", "S"]), max_size=10).map(
    "".join
)
CUTS = st.lists(st.integers(0, 60), max_size=8)


@given(WORDS, CUTS)
def test_the_parts_and_the_first_tag_are_the_text(text: str, cuts: list[int]):
    thinking, tag, answer = text.partition(CLOSE)
    assert parted(text, cuts) == (thinking, answer)
    assert thinking + tag + answer == text


@given(WORDS, CUTS)
def test_the_answer_ends_before_the_first_stop(text: str, cuts: list[int]):
    thinking, _, answer = text.partition(CLOSE)
    first = min((at for stop in ("STOP", "a\n") if (at := answer.find(stop)) >= 0), default=len(answer))
    assert parted(text, cuts, "STOP", "a\n") == (thinking, answer[:first])


@given(WORDS, CUTS)
def test_a_model_that_does_not_think_answers_at_once(text: str, cuts: list[int]):
    assert parted(text, cuts, close="") == ("", text)


def test_words_are_not_held_back():
    parting = Parting(CLOSE, ["STOP"])
    text = "Well </think>It is 84. So"
    assert parting.take(text, 4) == ("Well", "")
    assert parting.take(text, 13) == (" ", "")
    assert parting.take(text, len(text)) == ("", "It is 84. So")
    assert parting.take(text + "ST", len(text) + 2) == ("", "")
    assert not parting.stopped
    assert parting.take(text + "STOP.", len(text) + 5) == ("", "")
    assert parting.stopped


@pytest.mark.parametrize("cuts", [[], [7], [13, 14, 15, 16, 17]])
def test_nothing_comes_after_a_stop(cuts: list[int]):
    assert parted("</think>ab STOP cd STOP ef", cuts, "STOP") == ("", "ab ")
