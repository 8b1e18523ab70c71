"""Draws: the right distribution, from the seed and the place alone."""

import numpy as np
import pytest
import torch

from cort_data.engines.drawing import Draws, draw, uniform


def draws(count, temperature=1.0, top_p=1.0, seed=0, first=0):
    return Draws(
        np.full(count, temperature, np.float32),
        np.full(count, top_p, np.float32),
        np.full(count, seed, np.uint64),
        np.arange(first, first + count),
    )


def logits_of(probs, count):
    return torch.tensor(probs).log().expand(count, -1)


def shares(probs, **options):
    """How often each token is drawn in 20,000 draws."""
    tokens, _ = draw(logits_of(probs, 20_000), draws(20_000, **options))
    return np.bincount(tokens.numpy(), minlength=len(probs)) / 20_000


def test_frequencies_are_the_probabilities():
    np.testing.assert_allclose(shares([0.5, 0.3, 0.15, 0.05]), [0.5, 0.3, 0.15, 0.05], atol=0.015)


def test_temperature_sharpens():
    expected = np.array([0.5, 0.3, 0.2]) ** 2
    np.testing.assert_allclose(shares([0.5, 0.3, 0.2], temperature=0.5), expected / expected.sum(), atol=0.015)


def test_top_p_keeps_the_smallest_set_that_reaches_it():
    np.testing.assert_allclose(shares([0.05, 0.5, 0.15, 0.3], top_p=0.7), [0, 0.5 / 0.8, 0, 0.3 / 0.8], atol=0.015)


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_top_p_on_a_wide_vocabulary_stays_inside_the_nucleus(spread):
    torch.manual_seed(0)
    logits = torch.randn(64, 1000) * spread
    tokens, _ = draw(logits, draws(64, top_p=0.9))
    probs = logits.softmax(-1)
    mass_before = [(p[p > p[t]]).sum() for p, t in zip(probs, tokens, strict=True)]
    assert max(mass_before) < 0.9


def test_temperature_0_is_the_most_probable_token():
    tokens, _ = draw(logits_of([0.3, 0.4, 0.3], 50), draws(50, temperature=0))
    assert set(tokens.tolist()) == {1}


def test_logprobs_are_the_models_own():
    _, logprobs = draw(logits_of([0.25, 0.75], 20), draws(20, temperature=0, top_p=0.5))
    assert logprobs.numpy() == pytest.approx(np.log(0.75))


def test_a_row_does_not_depend_on_its_batch():
    torch.manual_seed(1)
    logits = torch.randn(12, 500)
    together = Draws(
        np.array([0, 0.6, 1] * 4, np.float32),
        np.array([1, 0.95, 0.5, 1] * 3, np.float32),
        np.arange(12, dtype=np.uint64),
        np.arange(12) * 7,
    )
    tokens, logprobs = draw(logits, together)
    for i in range(12):
        row = Draws(
            *(array[i : i + 1] for array in (together.temperature, together.top_p, together.seed, together.index))
        )
        token, logprob = draw(logits[i : i + 1], row)
        assert token[0] == tokens[i]
        assert logprob[0] == logprobs[i]


def test_uniform_is_uniform_over_places_and_over_seeds():
    count = 20_000
    zeros, counted = np.zeros(count, np.uint64), np.arange(count)
    for values in (uniform(zeros, counted), uniform(counted.astype(np.uint64), np.zeros(count, np.int64))):
        assert 0 <= values.min() <= values.max() < 1
        np.testing.assert_allclose(np.histogram(values, 10, (0, 1))[0] / count, 0.1, atol=0.01)
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03
