"""`cort sft`, and the tokens that it trains on as `cort show` prints them."""

import json

import pytest
from training.hand import every_origin, many, small_student
from typer.testing import CliRunner

from cort_data.cli import app
from cort_data.errors import CortError, RecipeError, RunError

pytest.importorskip("trl")

SHORT = "max_tokens: 256, batch: 8, epochs: 1, learning_rate: 0.01"


@pytest.fixture(scope="module")
def student_dir(tmp_path_factory):
    return small_student(tmp_path_factory.mktemp("student"))


@pytest.fixture
def traces(tmp_path):
    file = tmp_path / "traces.jsonl"
    file.write_text("".join(t.to_json() + "\n" for t in many(16)))
    return file


def cort(*args):
    return CliRunner().invoke(app, [str(a) for a in args], catch_exceptions=False)


def test_a_file_of_traces_becomes_a_model(student_dir, traces, tmp_path):
    section = f"sft={{model: {student_dir}, {SHORT}}}"
    result = cort("sft", "--recipe", "nano", "--in", traces, "--out", tmp_path / "run", "--set", section)
    assert result.stdout.startswith(f"model: {tmp_path / 'run' / 'sft' / 'model'} (run ")
    assert "sft: 16 traces, " in result.stderr
    assert "an update: 8.0 traces in " in result.stderr
    record = json.loads((tmp_path / "run" / "sft" / "model" / "lineage.json").read_text())
    assert record["recipe"]["name"] == "nano"
    assert record["run"] == "run"
    again = cort("sft", "--recipe", "nano", "--in", traces, "--out", tmp_path / "run", "--set", section)
    assert again.stdout == result.stdout
    assert "complete, reused" in again.stderr
    with pytest.raises(RunError, match=r"sft\.batch 8 → 4"):
        cort(
            "sft",
            "--recipe",
            "nano",
            "--in",
            traces,
            "--out",
            tmp_path / "run",
            "--set",
            section,
            "--set",
            "sft.batch=4",
        )


def test_a_run_trains_on_what_it_kept(student_dir, tmp_path):
    (tmp_path / "run" / "filter").mkdir(parents=True)
    (tmp_path / "run" / "run.lock").touch()
    (tmp_path / "run" / "filter" / "kept.jsonl").write_text("".join(t.to_json() + "\n" for t in many(8)))
    section = f"sft={{model: {student_dir}, data: [kept, seeds/nano], {SHORT}, hint_tokens: drop}}"
    result = cort("run", "nano", "--run-dir", tmp_path / "run", "--set", "stages=[sft]", "--set", section)
    assert "38 traces, " in result.stderr or "dropped" in result.stderr
    assert "were written after a hint that is not there as it was" in result.stderr
    assert f"model: {tmp_path / 'run' / 'sft' / 'model'}, " in result.stdout


def test_a_plan_trains_nothing(student_dir, traces, tmp_path):
    args = ["--recipe", "nano", "--in", traces, "--out", tmp_path / "run", "--set", f"sft.model={student_dir}"]
    output = cort("sft", *args, "--plan", "--gpu", "a100").stdout
    assert "48.3K weights on a100 (80 GiB)" in output
    assert "16 traces of " in output
    assert "start it with: accelerate launch" in output
    assert not (tmp_path / "run").exists()
    with pytest.raises(CortError, match="--gpu none: expected one of"):
        cort("sft", *args, "--plan", "--gpu", "none")


def test_a_launch_line_is_printed_alone(tmp_path):
    output = cort("sft", "--recipe", "nano", "--out", tmp_path, "--launch", "deepspeed", "--gpus", "4").stdout
    assert output.count("\n") == 1
    assert "deepspeed.yaml --num_processes 4 -m cort_data sft" in output


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("sft.hint_tokens=some", "sft.hint_tokens"),
        ("sft={early_stop: 2}", "eval_traces must be 1 or more"),
        ("sft={max_tokens: 512, row_tokens: 256}", "must hold the longest trace"),
        ("sft.bach=3", "did you mean batch"),
    ],
)
def test_settings_that_do_not_hold_are_one_line(section, line, tmp_path):
    with pytest.raises(RecipeError, match=line) as raised:
        cort("sft", "--recipe", "nano", "--out", tmp_path, "--set", section)
    assert "\n" not in str(raised.value)


def test_the_tokens_of_a_row_are_shown_with_their_masks(tmp_path):
    file = tmp_path / "t.jsonl"
    file.write_text(every_origin().to_json() + "\n")
    output = cort("show", f"{file}:1", "--tokens", "--recipe", "nano").stdout
    assert "prompt masked 11" in output
    assert "interpreter masked 8" in output
    assert "model trained " in output
    assert "print(6)⏎\n```" in output
