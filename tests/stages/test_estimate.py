import asyncio
import json

import pytest
import yaml
from builders import make_trace
from hint_samples import BY_HAND
from typer.testing import CliRunner

from cort_data.cli import app
from cort_data.errors import RecipeError
from cort_data.recipe import StageName, parse_recipe
from cort_data.runs import RunDirectory
from cort_data.shards import written_traces
from cort_data.stages.estimate import estimate, spread
from cort_data.stages.synth import synthesize
from cort_data.trace import Problem

from .fakes import FakeEngine, recipe, tree, use_fake_engine

PRICES = ("prices.input_per_million=1", "prices.output_per_million=10", "prices.gpus=2", "prices.gpu_hour=3")


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    return use_fake_engine(monkeypatch, FakeEngine())


def estimated(tmp_path, recipe, problems):
    with RunDirectory(tmp_path / "pilot") as run:
        return estimate(run, recipe, problems)


def whole(tmp_path, recipe):
    with RunDirectory(tmp_path / "whole") as run:
        asyncio.run(synthesize(run, recipe))
        return list(written_traces(run.path))


def test_a_pilot_of_all_problems_is_the_run_itself(tmp_path):
    mine = recipe(tmp_path, *PRICES, problems=12)
    found = estimated(tmp_path, mine, 50)
    traces = whole(tmp_path, mine)
    assert found.problems == (12, 12)
    written = found.run["output_tokens"]
    assert written.value == written.low == written.high == sum(t.generated_tokens for t in traces)
    assert found.run["fresh_tokens"].value == sum(t.usage.fresh_tokens for t in traces)
    assert found.run["cached_tokens"].value == sum(t.usage.cached_tokens for t in traces) > 0
    assert found.run["kept_traces"].value == found.spending.kept < len(traces)
    assert found.kept_trace["output_tokens"].value == pytest.approx(written.value / found.spending.kept)


def test_a_few_problems_stand_for_all(tmp_path):
    mine = recipe(tmp_path, problems=60)
    found = estimated(tmp_path, mine, 15)
    used = sum(t.generated_tokens for t in whole(tmp_path, mine))
    written = found.run["output_tokens"]
    assert found.problems == (15, 60)
    assert written.low < written.value < written.high
    assert abs(written.value / used - 1) < 0.15


def test_money_is_for_tokens_and_for_time(tmp_path):
    found = estimated(tmp_path, recipe(tmp_path, *PRICES), 4)
    run = {name: interval.value for name, interval in found.run.items()}
    assert run["gpu_hours"] == pytest.approx(2 * run["hours"])
    tokens = (run["fresh_tokens"] + run["cached_tokens"] + 10 * run["output_tokens"]) / 1e6
    assert run["cost"] == pytest.approx(tokens + 3 * run["gpu_hours"])
    assert "cost" not in estimated(tmp_path / "free", recipe(tmp_path), 4).run


def test_a_pilot_that_kept_all_is_not_certain_that_all_will_be_kept(tmp_path):
    found = estimated(tmp_path, recipe(tmp_path, "filters=[]", problems=40), 4)
    kept = found.run["kept_traces"]
    assert kept.value == kept.high == 80
    assert 8 < kept.low < 70
    each, whole = found.kept_trace["output_tokens"], found.run["output_tokens"]
    assert each.value == pytest.approx(whole.value / 80)
    assert each.high > whole.high / 80


def test_where_nothing_is_kept_a_kept_trace_has_no_cost(tmp_path):
    nothing = recipe(tmp_path, "filters=[{name: over_length, tokens: 1}]")
    found = estimated(tmp_path, nothing, 4)
    assert set(found.kept_trace.values()) == {None}
    assert found.run["kept_traces"].value == 0
    assert found.run["output_tokens"].value > 0


def test_the_run_goes_on_from_the_pilot(tmp_path):
    mine = recipe(tmp_path, problems=8)
    with RunDirectory(tmp_path / "pilot") as run:
        estimate(run, mine, 3)
        paid = {trace.id for trace in written_traces(run.path)}
        asyncio.run(synthesize(run, mine))
        ids = [trace.id for trace in written_traces(run.path)]
        assert run.stage(StageName.SYNTH).manifest()["traces"] == len(ids) == 16
        assert paid == set(ids[:6])


def test_the_pilot_is_spread_over_topics_and_ids():
    problems = [
        Problem(id=f"{kind}-{n}", text="x", answer="1", topic=topic)
        for topic, kind in ("al", "bm", "bn")
        for n in range(5)
    ]
    chosen = spread(problems[::-1], 3)
    assert [p.id for p in chosen] == ["l-2", "m-2", "n-2"]
    assert len(spread(problems, 100)) == len(problems)
    with pytest.raises(RecipeError, match="no problems"):
        spread([], 4)


def test_the_command_prints_both_tables_or_one_object(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tree(tmp_path, stages=["synth", "filter", "eval"])))
    command = ["estimate", str(path), "--problems", "2", "--run-dir", str(tmp_path / "pilot")]
    shown = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "Estimate of fake: a pilot of 2 of 6 problems, 4 traces" in shown.stdout
    assert "Without the stages: eval" in shown.stdout
    assert "Spending on 4 traces" in shown.stdout
    assert f"cort run {path} --run-dir {tmp_path / 'pilot'}" in shown.stderr
    found = json.loads(CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False).stdout)
    assert found["problems"] == {"pilot": 2, "run": 6}
    assert found["currency"] is None
    assert found["run"]["output_tokens"]["value"] > 0


def test_prices_are_read_from_a_recipe(tmp_path):
    text = yaml.safe_dump(tree(tmp_path, prices={"input_per_million": 1}))
    with pytest.raises(RecipeError, match="prices: input_per_million and output_per_million go together"):
        parse_recipe(text, "mine.yaml", [])


def test_given_traces_are_piloted_by_some_of_them(tmp_path):
    given = tmp_path / "given.jsonl"
    completion = f"First I look.\n{BY_HAND}So it is.\n</think>\n\\boxed{{5}}"
    lines = []
    for number in range(8):
        made = make_trace(completion, id=f"g{number}", problem=f"Seven times the number {number}.", profile="nano")
        lines.append(made.to_json() + "\n")
    given.write_text("".join(lines))
    sets = ("synth.from=traces", "rollout.policy=hint_engineering", "engine.profile=nano", f"problems.synth={given}")
    found = estimated(tmp_path, recipe(tmp_path, *sets, "rollout.samples=1", "filters=[]"), 4)
    assert found.problems == (4, 8)
    assert found.spending.traces == found.spending.kept == 4
    assert found.run["kept_traces"].value == 8
    assert not found.extends
