"""Limits of a command: it stops in order, says how to go on, and the run ends with the traces of an unlimited one."""

import asyncio

import pytest
import yaml

from cort_data import pipeline
from cort_data.budget import Budget, open_allowance
from cort_data.cli import main
from cort_data.errors import BudgetError
from cort_data.recipe import StageName
from cort_data.runs import RunDirectory
from cort_data.shards import written_traces
from cort_data.stages.synth import synthesize, traces

from .fakes import recipe, tree

PRICES = ("prices.input_per_million=0", "prices.output_per_million=1000000")


def mine(tmp_path, *sets):
    return recipe(tmp_path, "rollout.tokens=10", *sets, problems=20)


def synth(run, recipe, **limits):
    return asyncio.run(synthesize(run, recipe, open_allowance(run, recipe, Budget(**limits))))


def spent(run):
    return sum(trace.generated_tokens for trace in written_traces(run.path))


@pytest.mark.parametrize("limit", [30, 60, 100])
def test_a_token_limit_is_kept_within_a_trace_and_the_run_then_ends_as_any_other(tmp_path, run, engine, limit):
    with pytest.raises(BudgetError) as stop:
        synth(run, mine(tmp_path), tokens=limit)
    assert limit - 10 <= spent(run) <= limit + 10
    assert run.stage(StageName.SYNTH).manifest() is None
    assert f"--max-tokens {limit}: one trace more might pass it; " in str(stop.value)
    assert f"so far {spent(run)} model tokens" in str(stop.value)
    assert synth(run, mine(tmp_path))
    with RunDirectory(tmp_path / "whole") as whole:
        synth(whole, mine(tmp_path))
        assert list(traces(run, mine(tmp_path))) == list(traces(whole, mine(tmp_path)))


def test_the_limit_counts_over_the_whole_run(tmp_path, run, engine):
    for _ in range(2):
        with pytest.raises(BudgetError):
            synth(run, mine(tmp_path), tokens=50)
    assert spent(run) <= 60
    with pytest.raises(BudgetError):
        synth(run, mine(tmp_path), tokens=90)
    assert 80 <= spent(run) <= 100


def test_one_can_make_do_with_what_is_written(tmp_path, run, engine):
    with pytest.raises(BudgetError) as stop:
        synth(run, mine(tmp_path), tokens=60)
    _, _, setting = str(stop.value).partition("; --set ")
    setting = setting.removesuffix(" makes do with the problems that are done")
    fewer = mine(tmp_path, setting)
    written = len(list(written_traces(run.path)))
    synth(run, fewer, tokens=60)
    assert written - 2 < len(list(traces(run, fewer))) <= written


def test_a_limit_that_is_not_reached_does_nothing(tmp_path, run, engine):
    assert synth(run, mine(tmp_path), tokens=1000, hours=1)
    assert engine.most == 3


def test_money_and_hours_limit_too(tmp_path, run, engine):
    with pytest.raises(BudgetError, match=r"--max-cost 50: .* so far \d+ model tokens, \d+\.00 USD"):
        synth(run, mine(tmp_path, *PRICES), cost=50)
    assert 40 <= spent(run) <= 60
    with pytest.raises(BudgetError, match="--max-hours 0: one trace more"):
        synth(run, mine(tmp_path), hours=0)


def test_evaluation_counts_what_synthesis_has_spent(tmp_path, run, engine):
    both = recipe(tmp_path, "rollout.tokens=10", stages=["synth", "eval"])
    with pytest.raises(BudgetError, match="--max-tokens 70"):
        pipeline.run_stages(run, both, both.stages, Budget(tokens=70))
    assert run.stage(StageName.SYNTH).manifest() is not None
    assert 60 <= spent(run) <= 80
    pipeline.run_stages(run, both, both.stages)


def test_the_command_exits_with_1_and_one_line(tmp_path, engine, monkeypatch, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tree(tmp_path)))
    out = str(tmp_path / "run")
    monkeypatch.setattr("sys.argv", ["cort", "synth", "--recipe", str(path), "--out", out, "--max-tokens", "20"])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("cort: --max-tokens 20: ")


def test_the_filter_stage_says_what_the_tokens_were_good_for(tmp_path, run, engine):
    filtered = recipe(tmp_path, stages=["synth", "filter"])
    pipeline.run_stages(run, filtered, filtered.stages)
    manifest = run.stage(StageName.FILTER).manifest()
    assert manifest["kept"] < manifest["in"]
    split = {part: tokens["output"] for part, tokens in manifest["spending"]["tokens"].items()}
    assert sum(split.values()) == spent(run)
    assert split["useful"] > 0
    assert split["dropped"] > 0
