"""When a limit lets one more trace begin; the stage that asks is tested with the stages."""

import heapq
import random

import pytest
from builders import make_trace

from cort_data.budget import Allowance, Budget, Costs, open_allowance, record, sessions
from cort_data.errors import RecipeError
from cort_data.prices import Prices, Tokens
from cort_data.recipe import parse_recipe
from cort_data.runs import RunDirectory
from cort_data.shards import TraceStore
from cort_data.trace import Event, Usage

RECIPE = """
name: mine
problems: {synth: {source: nano, n: 5}}
engine: {model: nano-teacher}
"""
PRICED = ["prices.input_per_million=1000000", "prices.output_per_million=2000000"]


MOST = 1000  # tokens of a trace


def spent_under(limit, in_flight, seed):
    """Tokens at the end of a simulated run whose traces cost 20 to 1,000 tokens and take about as long as they cost."""
    draw = random.Random(seed)
    costs, spent, now = Costs(MOST), 0, 0.0
    running: list[tuple[float, float, int]] = []  # end, start, cost
    while True:
        while len(running) < in_flight and costs.fits(limit - spent, [now - start for _, start, _ in running]):
            cost = int(min(MOST, max(20, draw.lognormvariate(4.8, 0.8))))
            heapq.heappush(running, (now + cost * draw.lognormvariate(0, 0.3), now, cost))
        if not running:
            return spent
        now, start, cost = heapq.heappop(running)
        spent += cost
        costs.add(cost, now - start)


@pytest.mark.parametrize(("limit", "in_flight"), [(3_000, 1), (3_000, 64), (20_000, 8), (20_000, 64)])
def test_a_limit_is_passed_by_less_than_a_trace_and_less_than_a_trace_is_left_of_it(limit, in_flight):
    ends = [spent_under(limit, in_flight, seed) for seed in range(15)]
    assert max(ends) < limit + MOST
    assert min(ends) > limit - MOST


def test_little_is_begun_before_a_trace_is_finished():
    costs = Costs(1000)
    assert [costs.of([1.0] * n) for n in (0, 1, 9)] == [1000, 2000, 10000]
    assert costs.fits(10_000, [1.0] * 9)
    assert not costs.fits(9_999, [1.0] * 9)


def test_a_running_trace_is_judged_by_those_that_took_longer():
    costs = Costs(1000)
    for cost in (10, 20, 30, 40):
        costs.add(cost, seconds=cost)
    new_one = (10 + 20 + 30 + 40 + 2 * 1000) / 6  # the running one, too, takes longer than all
    assert costs.of([45.0]) == pytest.approx(new_one + 1000)
    new_one = (10 + 20 + 30) / 6 + (40 + 1000) / 4
    assert costs.of([35.0]) == pytest.approx(new_one + (40 + 1000) / 2 + 3 * (1000 - 40) / 2)


def test_those_that_run_still_count_among_those_that_take_long():
    costs = Costs(1000)
    for _ in range(10):
        costs.add(10, seconds=10)
    alone = costs.of([])
    assert alone == pytest.approx((10 * 10 + 1000) / 11)
    new_one = [costs.of([50.0] * n) - n * 1000 for n in (1, 10)]  # the running ones are judged by the guess
    assert new_one == pytest.approx([(10 * 10 + 2 * 1000) / 12, (10 * 10 + 11 * 1000) / 21])


def test_tokens_money_and_hours_stand_against_one_more_trace():
    prices = Prices(input_per_million=0, output_per_million=1e6)
    trace = make_trace()
    for budget, option in (
        (Budget(tokens=trace.generated_tokens + 99), f"--max-tokens {trace.generated_tokens + 99}"),
        (Budget(cost=trace.generated_tokens + 99), f"--max-cost {trace.generated_tokens + 99}"),
        (Budget(hours=2), "--max-hours 2"),
    ):
        allowance = Allowance(budget, prices)
        allowance.expect(100)
        assert allowance.reached([]) is None
        allowance.count(trace, seconds=9 * 3600)
        allowance.count(make_trace(segments=(), events=(Event(kind="rewind", tokens=100),)), seconds=0)
        assert allowance.reached([]) == option


def test_without_a_limit_everything_may_begin():
    allowance = Allowance(Budget(), Prices())
    allowance.count(make_trace(), 1e9)
    assert allowance.reached([0.0] * 100) is None


def test_paid_time_counts_as_money():
    allowance = Allowance(Budget(cost=5), Prices(gpus=2, gpu_hour=1), seconds=2 * 3600)
    assert allowance.cost == pytest.approx(4)
    allowance.count(make_trace(), seconds=1700)
    assert allowance.reached([]) is None
    allowance.count(make_trace(), seconds=2000)
    assert allowance.reached([]) == "--max-cost 5"


def test_what_earlier_commands_spent_counts(tmp_path):
    usage = Usage(streams=1, fresh_tokens=7, cached_tokens=0)
    failed = make_trace(usage=usage, stop_reason="engine_error", error="x")
    with RunDirectory(tmp_path / "run") as run:
        with TraceStore(run.path / "synth") as store:
            for trace in (failed, make_trace(usage=usage)):  # the first was written again
                store.append(trace)
        recipe = parse_recipe(RECIPE, "mine.yaml", PRICED)
        allowance = open_allowance(run, recipe, Budget(cost=100))
        assert allowance.tokens == 2 * failed.generated_tokens
        assert allowance.cost == pytest.approx(14 + 4 * failed.generated_tokens)
        assert open_allowance(run, recipe, Budget(hours=1)).tokens == 0


def test_money_cannot_be_limited_where_nothing_has_a_price(tmp_path):
    with (
        RunDirectory(tmp_path / "run") as run,
        pytest.raises(RecipeError, match=r"--max-cost: .* names no prices; set"),
    ):
        open_allowance(run, parse_recipe(RECIPE, "mine.yaml", []), Budget(cost=1))


def test_each_command_that_wrote_leaves_a_line(tmp_path):
    with RunDirectory(tmp_path / "run") as run:
        allowance = Allowance(Budget(), Prices())
        record(run, allowance)
        assert sessions(run) == []
        allowance.count(make_trace(usage=Usage(streams=1, fresh_tokens=7, cached_tokens=2)), 1)
        record(run, allowance)
        record(run, allowance)
        tokens = {"fresh": 7, "cached": 2, "output": make_trace().generated_tokens}
        assert [(s["traces"], s["tokens"]) for s in sessions(run)] == [(1, tokens)] * 2


def test_prices_shape_no_result():
    assert parse_recipe(RECIPE, "r", []).digest() == parse_recipe(RECIPE, "r", PRICED).digest()


def test_tokens_add_up():
    assert sum([Tokens(1, 2, 3), Tokens(1, 1, 1)], Tokens()) * 2 == Tokens(4, 6, 8)
