import pytest

from cort_data.evaluation.rows import split, tabulate
from cort_data.evaluation.settings import EvalSettings
from cort_data.report.curves import accuracy_at_caps, caps_of, pass_at_ks, spread
from tests.evaluation.builders import score


def sample(problem="p1", right=True, tokens=10):
    return score(problem, 0, right, generated=tokens)


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


def test_pass_at_k_stands_at_the_ks_of_the_evaluation():
    scores = [score("a", s, s == 0) for s in range(4)] + [score("b", s, True) for s in range(2)]
    [line] = tabulate(split(scores, None, False), EvalSettings(samples=4))
    assert [(point.x, point.y.value) for point in pass_at_ks(line)] == [(1, 0.625), (2, 0.75), (4, 1)]  # b has 2


def test_the_spread_of_nothing_is_empty():
    assert spread([]) == []
    assert spread([sample(tokens=n) for n in range(1, 102)])[2] == 51
