import pytest
from builders import make_trace
from pydantic import ValidationError

from cort_data.prices import Prices, Tokens, tokens_of
from cort_data.trace import Event, Usage


def test_tokens_of_a_trace_are_what_was_sent_and_all_that_was_written():
    trace = make_trace(
        usage=Usage(streams=2, fresh_tokens=30, cached_tokens=70), events=(Event(kind="rewind", tokens=5),)
    )
    assert tokens_of(trace) == Tokens(30, 70, trace.kept_tokens + 5)
    assert tokens_of(make_trace()).fresh == 0


def test_money_by_the_million():
    prices = Prices(input_per_million=2, cached_per_million=0.5, output_per_million=8)
    assert prices.money(Tokens(fresh=1e6, cached=2e6, output=3e6)) == pytest.approx(2 + 1 + 24)
    assert prices.known
    assert prices.a_second == 0


def test_without_a_price_of_their_own_cached_tokens_cost_as_others():
    assert Prices(input_per_million=2, output_per_million=8).money(Tokens(cached=1e6)) == pytest.approx(2)


def test_time_is_paid_by_the_gpu():
    assert Prices(gpus=4, gpu_hour=2.5).a_second == pytest.approx(10 / 3600)
    assert Prices(gpus=4, gpu_hour=2.5).money(Tokens(1, 1, 1)) == 0
    assert not Prices(gpus=4).known


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input_per_million": 1}, "go together"),
        ({"cached_per_million": 1}, "needs input_per_million"),
        ({"gpu_hour": 1}, "gpu_hour needs gpus"),
        ({"input_per_million": -1, "output_per_million": 1}, "greater than or equal to 0"),
    ],
)
def test_half_a_price_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        Prices(**fields)
