import math

import numpy as np
import pytest

from cort_data.statistics import Interval, Ratios, averaged, intervals, paired_differences, share_interval


def means(*rows):
    values = np.array(rows, dtype=float)
    return Ratios(np.nan_to_num(values), (~np.isnan(values)).astype(float))


def test_a_mean_leaves_out_problems_without_a_value():
    assert means([1, 0, math.nan, 1]).values() == pytest.approx([2 / 3])


def test_a_ratio_of_totals_is_not_a_mean_of_ratios():
    ratio = Ratios(np.array([[100.0, 300.0]]), np.array([[1.0, 1.0]]))
    assert ratio.values() == pytest.approx([200])
    ratio = Ratios(np.array([[100.0, 300.0]]), np.array([[1.0, 0.0]]))
    assert ratio.values() == pytest.approx([400])


def test_a_constant_difference_has_no_width():
    first = means([0.0, 0.5, 1.0], [3, 4, 5])
    second = means([0.25, 0.75, 1.25], [1, 2, 3])
    for interval, value in zip(paired_differences(first, second), (0.25, -2), strict=True):
        assert interval is not None
        assert (interval.value, interval.low, interval.high) == pytest.approx((value, value, value))


def test_the_interval_agrees_with_the_normal_one():
    generator = np.random.default_rng(7)
    difference = generator.normal(0.3, 1, size=400)
    base = generator.normal(size=400) * 10  # large, and gone in the pairs
    [interval] = paired_differences(means(base), means(base + difference))
    half = 1.96 * difference.std() / 20
    assert interval is not None
    assert interval.value == pytest.approx(difference.mean())
    assert interval.low == pytest.approx(difference.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(difference.mean() + half, abs=0.02)


def test_beyond_the_interval_means_that_zero_is_outside():
    assert Interval(2, 1, 3).beyond
    assert Interval(-2, -3, -1).beyond
    assert not Interval(1, -1, 3).beyond
    assert not Interval(0, 0, 0).beyond


def test_nothing_to_divide_by_is_none():
    nothing = Ratios(np.zeros((1, 3)), np.zeros((1, 3)))
    assert paired_differences(means([1, 2, 3]), nothing) == [None]


def test_the_draws_do_not_depend_on_the_size_of_the_pieces(monkeypatch):
    first, second = means(list(range(10))), means([x * x % 7 for x in range(10)])
    whole = paired_differences(first, second)
    monkeypatch.setattr("cort_data.statistics._CHUNK", 25)
    assert paired_differences(first, second) == whole


def test_intervals_cover_the_truth():
    generator = np.random.default_rng(3)
    hits = 0
    for seed in range(200):
        first, second = generator.normal(0, 1, size=(2, 60))
        [interval] = paired_differences(means(first), means(second + 0.5), draws=400, seed=seed)
        assert interval is not None
        hits += interval.low <= 0.5 <= interval.high
    assert 180 <= hits <= 199


def shares(generator, problems, samples, law):
    """Means over the samples of each problem, whose own rate is drawn: samples of a problem are not independent."""
    return generator.binomial(samples, generator.beta(*law, size=problems)) / samples


@pytest.mark.parametrize("law", [(0.3, 0.3), (0.5, 1.5), (2, 0.6)])
@pytest.mark.parametrize(("problems", "samples"), [(30, 16), (100, 4)])
def test_intervals_of_shares_cover_the_truth_under_clustered_sampling(law, problems, samples):
    generator = np.random.default_rng(1)
    truth, runs, hits = law[0] / sum(law), 2000, 0
    for _ in range(runs):
        interval = share_interval(shares(generator, problems, samples, law))
        assert interval is not None
        hits += interval.low <= truth <= interval.high
    assert 0.93 <= hits / runs <= 0.97


def test_intervals_of_paired_differences_cover_the_truth_under_clustered_sampling():
    generator = np.random.default_rng(2)
    runs, hits = 800, 0
    for seed in range(runs):
        rate = generator.beta(1, 1, size=30)
        first, second = (generator.binomial(8, r) / 8 for r in (rate, rate**2))  # 1/2 and 1/3 on average
        [interval] = paired_differences(means(first), means(second), draws=400, seed=seed)
        assert interval is not None
        hits += interval.low <= 1 / 3 - 1 / 2 <= interval.high
    assert 0.93 <= hits / runs <= 0.97


@pytest.mark.parametrize("per_correct", [False, True])
def test_intervals_of_tokens_cover_the_truth_under_clustered_sampling(per_correct):
    generator = np.random.default_rng(5)
    problems, samples, runs, hits = 30, 4, 800, 0
    mean = math.exp(5 + (0.4**2 + 0.3**2) / 2)  # lengths are log-normal, between problems and within them
    truth = mean / (2 / 3.5) if per_correct else mean
    for seed in range(runs):
        centres = generator.normal(5, 0.4, size=(problems, 1))
        tokens = np.exp(generator.normal(centres, 0.3, size=(problems, samples))).sum(axis=1)
        right = generator.binomial(samples, generator.beta(2, 1.5, size=problems))
        below = right if per_correct else np.full(problems, samples)
        [interval] = intervals(Ratios(tokens[None], below[None].astype(float)), draws=400, seed=seed)
        assert interval is not None
        hits += interval.low <= truth <= interval.high
    assert 0.93 <= hits / runs <= 0.97


@pytest.mark.parametrize(("right", "low", "high"), [(500, 0.4691, 0.5309), (100, 0.0829, 0.1201)])
def test_with_many_problems_of_one_sample_a_share_has_wilsons_interval(right, low, high):
    interval = share_interval(np.array([1.0] * right + [0.0] * (1000 - right)))
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=2e-4)


def test_a_share_that_every_problem_reaches_still_has_a_width():
    interval = share_interval(np.ones(30))
    assert interval is not None
    assert (interval.value, interval.high) == (1, 1)
    assert 0.85 < interval.low < 0.9  # as for 30 of 30
    assert share_interval(np.full(30, math.nan)) is None
    assert share_interval(np.array([0.5])) is not None


def test_a_mean_over_problem_sets_counts_each_set_once_and_is_surer_than_each():
    mean = averaged([Interval(0.2, 0.1, 0.4), Interval(0.6, 0.5, 0.6)])
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.4, 0.4 - 0.1 * math.sqrt(2) / 2, 0.5))


def test_the_interval_of_one_mean_agrees_with_the_normal_one():
    values = np.random.default_rng(3).normal(2, 1, size=400)
    [found, none] = intervals(means(values, [math.nan] * 400))
    half = 1.96 * values.std() / 20
    assert none is None
    assert found is not None
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.02)


def test_an_interval_has_no_width_where_all_are_alike():
    [found] = intervals(means([0.5] * 9))
    assert found == Interval(0.5, 0.5, 0.5)
