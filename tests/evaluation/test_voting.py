import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cort_data.evaluation.voting import answer_groups, majority_at_k
from cort_data.statistics import pass_at_k


@pytest.mark.parametrize(
    ("samples", "right", "k", "value"),
    [(4, 1, 1, 0.25), (4, 1, 4, 1), (4, 0, 4, 0), (4, 2, 2, 1 - 1 / 6), (16, 8, 2, 1 - 28 / 120), (3, 3, 1, 1)],
)
def test_pass_at_k_by_hand(samples, right, k, value):
    assert pass_at_k(samples, right, k) == pytest.approx(value)


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_mean_over_all_choices(samples, data):
    right, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    choices = list(itertools.combinations([True] * right + [False] * (samples - right), k))
    assert pass_at_k(samples, right, k) == pytest.approx(sum(map(any, choices)) / len(choices))


@pytest.mark.parametrize(
    ("right", "wrong", "silent", "k", "value"),
    [
        (3, [2, 1], 0, 6, 1),  # 3 against 2 and 1
        (2, [2], 0, 4, 0.5),  # a tie of two
        (1, [1, 1], 0, 3, 1 / 3),  # a tie of three
        (1, [2], 0, 3, 0),
        (1, [], 3, 4, 1),  # who does not answer does not vote
        (0, [], 4, 4, 0),
        (2, [1, 1], 0, 1, 0.5),  # maj@1 is the accuracy
    ],
)
def test_majority_by_hand(right, wrong, silent, k, value):
    assert majority_at_k(right, wrong, silent, k) == pytest.approx(value)


def brute_force(right, wrong, silent, k):
    votes = ["right"] * right + [f"w{i}" for i, size in enumerate(wrong) for _ in range(size)] + [None] * silent
    values = []
    for choice in itertools.combinations(votes, k):
        counts = Counter(vote for vote in choice if vote is not None)
        most = max(counts.values(), default=0)
        first = [vote for vote, count in counts.items() if count == most]
        values.append(("right" in first) / len(first) if first else 0)
    return sum(values) / len(values)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.lists(st.integers(1, 3), max_size=3), st.integers(0, 2), st.data())
def test_majority_is_the_mean_over_all_choices(right, wrong, silent, data):
    total = right + sum(wrong) + silent
    if total:
        k = data.draw(st.integers(1, total))
        assert majority_at_k(right, wrong, silent, k) == pytest.approx(brute_force(right, wrong, silent, k))


def test_many_samples_take_no_time():
    assert 0 < majority_at_k(20, [15, 10, *[1] * 19], 0, 32) < 1


def test_answers_of_one_value_are_one_class():
    asked = []

    def same(first, other):
        asked.append((first, other))
        return float(first) == float(other)

    assert answer_groups(["1", "2", "1.0", None, "1", "2.0"], same) == [0, 1, 0, None, 0, 1]
    assert ("1", "1") not in asked
