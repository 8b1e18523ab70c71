"""Rejection fine-tuning: the samples are the fake engine's, the filters and the training are real."""

import asyncio
import json
from pathlib import Path

import pytest

from cort_data import pipeline
from cort_data.budget import Budget, unlimited
from cort_data.errors import BudgetError, RecipeError
from cort_data.recipe import StageName
from cort_data.runs import RunDirectory
from cort_data.shards import written_traces
from cort_data.stages import rft
from cort_data.stages.trained import model_of
from cort_data.traces_io import read_traces
from cort_data.training.rounds import RftSettings

from .fakes import recipe


def settings(tmp_path, tiny_model_dir, *sets):
    training = {"model": str(tiny_model_dir), "epochs": 1, "batch": 4, "max_tokens": 512, "learning_rate": 1e-3}
    return recipe(
        tmp_path,
        *sets,
        sft=training,
        rft={"samples": 4, "rounds": 2, "join": []},
        stages=["rft"],
    )


def rounds(run):
    return (run.stage(StageName.RFT).manifest() or {})["rounds"]


def test_each_round_samples_from_the_last_model_and_trains_on_the_shortest_right_trace(
    tmp_path, tiny_model_dir, engine
):
    mine = settings(tmp_path, tiny_model_dir)
    with RunDirectory(tmp_path / "run") as run:
        assert asyncio.run(rft.run_rft(run, mine, unlimited()))
        first, second = rounds(run)
        assert [str(opened.model) for opened in engine.opened] == [
            str(tiny_model_dir),
            str(run.path / first["checkpoint"]),
        ]
        assert second["model"] == first["checkpoint"]
        assert (first["samples"], first["chosen"], first["problems"]) == (24, 6, 6)
        assert 0 < first["pass_at"]["1"] < first["pass_at"]["4"] <= 1
        assert sum(first["bands"]) == 6
        chosen = list(read_traces(run.stage(StageName.RFT).path / "round-1" / rft.CHOSEN_FILE))
        assert len({trace.problem.id for trace in chosen}) == len(chosen) == 6
        assert {trace.policy for trace in chosen} == {"none"}
        assert model_of(run, "rft") == str(run.path / second["checkpoint"])
        lineage = json.loads((run.path / second["checkpoint"] / "lineage.json").read_text())
        assert lineage["stage"] == "rft"
        assert not asyncio.run(rft.run_rft(run, mine, unlimited())), "what is complete is reused"
    moved = tmp_path / "run.rename"
    (tmp_path / "run").rename(moved)
    with RunDirectory(moved) as run:
        assert Path(model_of(run, "rft"), "config.json").is_file(), "a run that was moved keeps its models"


def test_a_window_that_no_problem_is_in_says_so(tmp_path, tiny_model_dir, engine):
    mine = settings(tmp_path, tiny_model_dir, "rft.difficulty=[0.01, 0.02]")
    with RunDirectory(tmp_path / "run") as run, pytest.raises(RecipeError, match="no trace was chosen"):
        asyncio.run(rft.run_rft(run, mine, unlimited()))


def test_a_killed_round_goes_on(tmp_path, tiny_model_dir, engine, monkeypatch):
    mine = settings(tmp_path, tiny_model_dir, "rft.rounds=1")

    def killed(*_arguments):
        raise KeyboardInterrupt

    with RunDirectory(tmp_path / "run") as run:
        with monkeypatch.context() as patch:
            patch.setattr(rft.sft, "fine_tune", killed)
            with pytest.raises(KeyboardInterrupt):
                asyncio.run(rft.run_rft(run, mine, unlimited()))
        opened = len(engine.opened)
        pipeline.run_stages(run, mine, [StageName.RFT])
        assert len(engine.opened) == opened, "the samples are there and are not written again"
        assert len(rounds(run)) == 1


def test_a_limit_stops_the_sampling_and_the_run_then_ends_as_any_other(tmp_path, tiny_model_dir, run, engine):
    mine = settings(tmp_path, tiny_model_dir, "rft.rounds=1", "rollout.tokens=10")
    with pytest.raises(BudgetError, match="--max-tokens 40"):
        pipeline.run_stages(run, mine, [StageName.RFT], Budget(tokens=40))
    assert 30 <= sum(trace.generated_tokens for trace in written_traces(run.path)) <= 50
    pipeline.run_stages(run, mine, [StageName.RFT])
    assert rounds(run)[0]["samples"] == 24


def test_a_window_is_two_shares():
    with pytest.raises(ValueError, match="two shares"):
        RftSettings(difficulty=(0.5, 0.2))
