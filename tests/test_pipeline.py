import json

import pytest
import yaml
from stages.fakes import recipe

from cort_data import pipeline
from cort_data.errors import CortError, RecipeError, RunError
from cort_data.recipe import StageName, load_recipe, recipe_names
from cort_data.runs import RunDirectory

STAGES = ["synth", "filter", "dataset", "eval"]


def funnel(run):
    return run.stage(StageName.FILTER).manifest()


def test_a_whole_run(tmp_path, run, engine):
    mine = recipe(tmp_path, stages=STAGES)
    pipeline.run_stages(run, mine, mine.stages)
    counts = funnel(run)
    assert counts["in"] == 12
    assert counts["kept"] + sum(counts["dropped"].values()) == 12
    assert (run.path / "dataset" / "train.parquet").is_file()
    assert run.stage(StageName.DATASET).manifest()["rows"] == counts["kept"]
    assert json.loads((run.path / "eval" / "results.json").read_text())["problems"] == 6
    assert load_recipe(run.path / "recipe.yaml") == mine


def test_a_second_start_reuses_everything(tmp_path, run, engine, capsys):
    mine = recipe(tmp_path, stages=STAGES)
    pipeline.run_stages(run, mine, mine.stages)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    capsys.readouterr()
    pipeline.run_stages(run, mine, mine.stages)
    assert capsys.readouterr().err.splitlines() == [f"{stage}: complete, reused" for stage in STAGES]
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_a_changed_filter_reuses_the_synthesis(tmp_path, run, engine, capsys):
    mine = recipe(tmp_path, stages=STAGES[:3])
    pipeline.run_stages(run, mine, mine.stages)
    traces = (run.path / "synth" / "traces-00000.jsonl").read_bytes()
    capsys.readouterr()
    stricter = recipe(tmp_path, "filters=[format, answer, {name: over_length, tokens: 1}]", stages=STAGES[:2])
    pipeline.run_stages(run, stricter, stricter.stages)
    told = capsys.readouterr().err
    assert "synth: complete, reused" in told
    assert 'filter: done again, since these changed: filters.2.name (none) → "over_length"' in told
    assert (run.path / "synth" / "traces-00000.jsonl").read_bytes() == traces
    assert funnel(run)["kept"] == 0


def test_more_problems_extend_the_synthesis_and_do_the_filters_again(tmp_path, run, engine):
    few = recipe(tmp_path, "problems.synth.n=3", stages=STAGES[:2])
    pipeline.run_stages(run, few, few.stages)
    assert funnel(run)["in"] == 6
    all_of_them = recipe(tmp_path, stages=STAGES[:2])
    pipeline.run_stages(run, all_of_them, all_of_them.stages)
    assert funnel(run)["in"] == 12


def test_what_would_mix_is_refused_before_anything_is_done(tmp_path, run, engine):
    mine = recipe(tmp_path, stages=STAGES)
    pipeline.run_stages(run, mine, [StageName.EVAL])
    other = recipe(tmp_path, "rollout.calls=9", stages=STAGES)
    with pytest.raises(RunError, match=r"rollout\.calls 3 → 9"):
        pipeline.run_stages(run, other, other.stages)
    assert not (run.path / "synth").exists()
    assert load_recipe(run.path / "recipe.yaml") == mine


def test_a_stage_needs_the_one_before(tmp_path, run, engine):
    mine = recipe(tmp_path, stages=STAGES)
    with pytest.raises(RunError, match="the stage synth is not complete"):
        pipeline.run_stages(run, mine, [StageName.FILTER])


def test_a_fork_goes_on_with_other_filters(tmp_path, run, engine):
    mine = recipe(tmp_path, stages=STAGES[:2])
    pipeline.run_stages(run, mine, mine.stages)
    with RunDirectory(tmp_path / "fork") as fork:
        fork.fork_from(run.path, before=StageName.FILTER)
        other = recipe(tmp_path, "filters=[format]", stages=STAGES[:2])
        pipeline.run_stages(fork, other, other.stages)
        assert funnel(fork)["kept"] > funnel(run)["kept"]


def test_until_ends_with_that_stage(tmp_path):
    mine = recipe(tmp_path, stages=STAGES)
    assert pipeline.selected(mine, StageName.FILTER) == (StageName.SYNTH, StageName.FILTER)
    assert pipeline.selected(mine, None) == mine.stages
    with pytest.raises(RecipeError, match="--until eval: the recipe's stages are synth"):
        pipeline.selected(recipe(tmp_path), StageName.EVAL)


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_can_be_planned(name, tmp_path):
    loaded = load_recipe(name)
    pipeline.check(RunDirectory(tmp_path), loaded, loaded.stages)
    assert pipeline.first_prompt(RunDirectory(tmp_path), loaded, loaded.stages)


@pytest.mark.parametrize("name", ["prompt_hint", "hint_engineering"])
def test_the_paper_recipes_ask_as_the_paper_does(name, tmp_path):
    loaded = load_recipe(name)
    prompt = pipeline.first_prompt(RunDirectory(tmp_path), loaded, loaded.stages)
    assert (
        "\n\nPlease integrate natural language reasoning with python programs to solve the problem above, and put "
        "your final answer within \\boxed{}.<" in prompt
    )
    assert prompt.endswith("<think>\n")


def test_the_data_set_comes_from_synth_and_the_tables_from_test():
    problems = load_recipe("nano").problems
    assert problems.synth is not None
    assert problems.test is not None
    assert (problems.synth.split, problems.test.split) == ("synth", "test")
    assert problems.test.n is not None
    assert problems.test.n >= 300


def test_an_unknown_policy_is_refused_before_anything_is_done(tmp_path, run, engine):
    mine = recipe(tmp_path, "rollout.policy=hope")
    with pytest.raises(CortError, match="hope"):
        pipeline.run_stages(run, mine, mine.stages)
    assert not (run.path / "synth").exists()


def test_the_resolved_recipe_is_yaml_that_people_can_read(tmp_path, run, engine):
    mine = recipe(tmp_path)
    run.save_recipe(mine)
    assert list(yaml.safe_load((run.path / "recipe.yaml").read_text()))[:3] == ["name", "seed", "problems"]
