import numpy as np
import pytest

from cort_data.evaluation.power import need


def draws(generator, rates, samples):
    return {str(i): list(generator.binomial(1, rate, size=samples)) for i, rate in enumerate(rates)}


def test_what_it_says_it_needs_is_enough_and_little_more():
    """At the number of problems that it names, about four of five repetitions show the difference."""
    generator = np.random.default_rng(0)
    rates = generator.uniform(0.2, 0.7, size=4000)
    found = need(draws(generator, rates, 4), draws(generator, rates + 0.1, 4))
    assert found is not None
    assert found.problems is not None
    shown = 0
    for _ in range(400):
        own = generator.choice(rates, size=found.problems)
        difference = generator.binomial(4, own + 0.1) / 4 - generator.binomial(4, own) / 4
        shown += difference.mean() > 1.96 * difference.std(ddof=1) / np.sqrt(found.problems)
    assert 0.7 < shown / 400 < 0.9


def test_samples_help_where_the_problems_agree():
    generator = np.random.default_rng(1)
    rates = np.full(40, 0.5)
    found = need(draws(generator, rates, 4), draws(generator, rates + 0.05, 4))
    assert found is not None
    assert found.detectable > 0.05


def test_samples_do_not_help_where_the_problems_differ():
    first = {str(i): [float(i % 2)] * 4 for i in range(20)}
    second = {str(i): [float(i % 3 == 0)] * 4 for i in range(20)}
    found = need(first, second)
    assert found is not None
    assert found.samples is None
    assert found.problems is not None
    assert found.problems > 20


@pytest.mark.parametrize(("first", "second"), [({}, {}), ({"a": [1.0]}, {"a": [0.0]}), ({"a": [1.0]}, {"b": [1.0]})])
def test_below_two_problems_nothing_is_known(first, second):
    assert need(first, second) is None


def test_no_difference_needs_no_number():
    found = need({"a": [1.0, 0.0], "b": [0.0, 1.0]}, {"a": [0.0, 1.0], "b": [1.0, 0.0]})
    assert found is not None
    assert (found.problems, found.samples) == (None, None)
