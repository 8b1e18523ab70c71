"""Manual arithmetic is exact, and a slip is carried on and counted."""

import random

from hypothesis import given
from hypothesis import strategies as st

from cort_data.nano.handwork import Hand

SMALL = st.integers(0, 99_999)


def exact():
    return Hand(random.Random(0))


@given(SMALL, SMALL)
def test_mul(a, b):
    assert exact().mul(a, b) == a * b


@given(SMALL, SMALL)
def test_add(a, b):
    assert exact().add(a, b) == a + b


@given(SMALL, SMALL)
def test_sub(a, b):
    assert exact().sub(max(a, b), min(a, b)) == abs(a - b)


@given(SMALL, st.integers(1, 999))
def test_div(a, m):
    assert exact().div(a, m) == divmod(a, m)


@given(st.lists(SMALL, min_size=2, max_size=6))
def test_total(values):
    assert exact().total(values) == sum(values)


@given(SMALL, SMALL, st.integers(1, 99), st.integers(0, 1000))
def test_a_slipping_hand_never_fails_and_says_so(a, b, m, seed):
    hand = Hand(random.Random(seed), slip=0.3)
    values = (hand.mul(a, b), hand.add(a, b), hand.sub(a, b), hand.div(a, m)[0])
    exactly = (a * b, a + b, max(0, a - b), a // m)
    assert hand.slips or values == exactly


def test_lines_of_a_product():
    hand = exact()
    assert hand.mul(347, 86) == 29842
    assert hand.text == (
        "347*6: 7*6=42, write 2 carry 4; 4*6+4=28, write 8 carry 2; 3*6+2=20. So 347*6=2082.\n"
        "347*8: 7*8=56, write 6 carry 5; 4*8+5=37, write 7 carry 3; 3*8+3=27. So 347*8=2776.\n"
        "27760+2082: 0+2=2; 6+8=14; 7+0+1=8; 7+2=9; 2+0=2. So 27760+2082=29842.\n"
        "So 347*86=29842.\n"
    )
