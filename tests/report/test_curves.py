from itertools import combinations

import pytest

from cort_data.report.curves import accuracy_at_caps, caps_of, pass_at_k, spread
from tests.report.samples import sample


def test_a_right_trace_counts_from_its_own_length_on():
    samples = [sample(tokens=10), sample(tokens=40), sample(tokens=20, right=False), sample("p2", tokens=30)]
    found = accuracy_at_caps(samples, [5, 10, 30, 40])
    assert [point.y.value for point in found] == pytest.approx([0, 1 / 6, 2 / 3, 5 / 6])


def test_caps_run_from_the_shortest_to_the_longest():
    caps = caps_of([sample(tokens=10), sample(tokens=1000)])
    assert (caps[0], caps[-1]) == (10, 1000)
    assert caps_of([sample(tokens=0)]) == []


def test_unscored_samples_are_in_no_curve():
    assert accuracy_at_caps([sample(right=None)], [10]) == []
    assert pass_at_k([sample(right=None)]) == []


def test_pass_at_k_agrees_with_all_draws():
    flags = [True, False, False, True, False]
    found = pass_at_k([sample(right=flag) for flag in flags])
    for k, point in enumerate(found, 1):
        draws = list(combinations(flags, k))
        assert point.y.value == pytest.approx(sum(any(draw) for draw in draws) / len(draws))


def test_a_problem_with_fewer_samples_is_left_out_at_larger_k():
    found = pass_at_k([sample(right=True), sample(right=False), sample("p2", right=False)])
    assert [point.y.value for point in found] == [0.25, 1.0]


def test_the_spread_of_nothing_is_empty():
    assert spread([]) == []
    assert spread([sample(tokens=n) for n in range(1, 102)])[2] == 51
