import json

import pytest
import yaml
from stages.fakes import FakeEngine, tree, use_fake_engine
from typer.testing import CliRunner

from cort_data.cli import app
from cort_data.errors import CortError

STAGES = ["synth", "filter", "dataset", "eval"]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    use_fake_engine(monkeypatch, FakeEngine())
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tree(tmp_path, stages=STAGES)))
    return path


def cort(*args):
    return CliRunner().invoke(app, [str(a) for a in args], catch_exceptions=False)


def test_run_prints_funnel_table_rates_and_places(recipe, tmp_path):
    output = cort("run", recipe, "--run-dir", tmp_path / "run").stdout
    assert "Funnel of filter" in output
    assert "Policies on the same 6 test problems, 2 samples each" in output
    assert "model tokens/s" in output
    assert f"data set: {tmp_path / 'run' / 'dataset'}, " in output
    assert output.endswith(f"run: {tmp_path / 'run'}\n")


def test_a_run_has_a_folder_of_its_own_by_default(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cort("run", recipe, "--until", "synth").exit_code == 0
    assert (tmp_path / "runs" / "fake" / "synth" / "manifest.json").is_file()


def test_a_dry_run_shows_plan_and_prompt_and_touches_nothing(recipe, tmp_path):
    output = cort("run", recipe, "--run-dir", tmp_path / "run", "--dry-run").stdout
    assert "synth: 12 traces, 0 of them written" in output
    assert "none (fake): 12 traces, 0 of them written" in output
    assert "--- first prompt\nSeven times the number 0.\n\n<think>\n\n--- end" in output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["prompt_hint", "hint_engineering", "nano"])
def test_every_shipped_recipe_passes_a_dry_run(name, tmp_path):
    assert cort("run", name, "--run-dir", tmp_path / "run", "--dry-run").exit_code == 0


def test_a_fork(recipe, tmp_path):
    first, fork = tmp_path / "run", tmp_path / "fork"
    cort("run", recipe, "--run-dir", first, "--until", "filter")
    cort(
        "run",
        recipe,
        "--run-dir",
        fork,
        "--from",
        first,
        "--at",
        "filter",
        "--until",
        "filter",
        "--set",
        "filters=[format]",
    )
    kept = [json.loads((run / "filter" / "manifest.json").read_text())["kept"] for run in (first, fork)]
    assert kept[0] < kept[1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--until", "rl"], "--until rl: the stages are synth, filter, dataset, sft, rft, distill, eval"),
        (["--from", "runs/a"], "--from RUN and --at STAGE go together"),
        (["--set", "rollout.calls=x"], "--set rollout.calls=x: rollout.calls: must be a valid integer"),
    ],
)
def test_bad_options_are_one_line(recipe, tmp_path, args, message):
    with pytest.raises(CortError) as error:
        cort("run", recipe, "--run-dir", tmp_path / "run", *args)
    assert message in str(error.value)


def test_synth_alone_takes_problems_from_a_file(recipe, tmp_path):
    cort(
        "synth",
        "--recipe",
        recipe,
        "--in",
        tmp_path / "test.jsonl",
        "--out",
        tmp_path / "run",
        "--set",
        "rollout.samples=1",
    )
    lines = (tmp_path / "run" / "synth" / "traces-00000.jsonl").read_text().splitlines()
    assert {json.loads(line)["problem"]["id"] for line in lines} == {f"p{i}" for i in range(100, 106)}
    assert not (tmp_path / "run" / "filter").exists()


def test_eval_alone_writes_its_results_where_it_is_told(recipe, tmp_path):
    results = tmp_path / "docs" / "results" / "mine.json"
    output = cort("eval", "--recipe", recipe, "--out", tmp_path / "run", "--results", results).stdout
    assert "Policies on the same 6 test problems" in output
    assert json.loads(results.read_text())["rows"][0]["policy"] == "none"
