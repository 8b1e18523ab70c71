import json
import os
import signal
import subprocess
import sys

import pytest

from cort_data.errors import RunError
from cort_data.recipe import StageName, parse_recipe
from cort_data.runs import RunDirectory, StageFolder, write_atomically

RECIPE = parse_recipe("name: x\nproblems: {synth: {source: nano, n: 3}}\nengine: {model: m}\n", "r", [])
KEY = {"version": 1, "rollout": {"calls": 4, "policy": "none"}, "filters": [{"name": "format"}]}


def test_a_second_run_on_the_same_folder_is_refused(tmp_path):
    with (
        RunDirectory(tmp_path / "run"),
        pytest.raises(RunError, match=f"in use by process {os.getpid()}"),
        RunDirectory(tmp_path / "run"),
    ):
        pass
    with RunDirectory(tmp_path / "run"):
        pass


def test_the_lock_of_a_killed_process_does_not_hold(tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom cort_data.runs import RunDirectory\n"
        "with RunDirectory(Path(sys.argv[1])):\n    print('in', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(RunError, match=f"in use by process {process.pid}"), RunDirectory(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
    with RunDirectory(tmp_path):
        pass


def test_a_folder_with_other_things_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match="not empty and not a run"), RunDirectory(tmp_path):
        pass
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_path_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="cannot be used as a run directory"), RunDirectory(tmp_path / "file" / "run"):
        pass


def test_the_recipe_is_written_down_resolved(tmp_path):
    with RunDirectory(tmp_path) as run:
        run.save_recipe(RECIPE)
    assert parse_recipe((tmp_path / "recipe.yaml").read_text(), "r", []) == RECIPE


def test_the_same_key_goes_on(tmp_path):
    stage = StageFolder(tmp_path / "synth")
    stage.enter(KEY)
    stage.enter(json.loads(json.dumps(KEY)))
    assert stage.enter_afresh(KEY) == []


def test_another_key_is_refused_and_says_what_changed(tmp_path):
    stage = StageFolder(tmp_path / "synth")
    stage.enter(KEY)
    other = {"version": 1, "rollout": {"calls": 6, "policy": "none"}, "filters": [{"name": "format"}, {"name": "loop"}]}
    with pytest.raises(RunError) as error:
        stage.enter(other)
    assert 'rollout.calls 4 → 6; filters.1.name (none) → "loop"; set them back, or name a new --run-dir' in str(
        error.value
    )
    stage.enter(KEY)


def test_a_cheap_stage_starts_afresh_under_another_key(tmp_path):
    stage = StageFolder(tmp_path / "filter")
    stage.enter(KEY)
    (stage.path / "kept.jsonl").write_text("old")
    assert stage.enter_afresh({**KEY, "version": 2}) == ["version 1 → 2"]
    assert os.listdir(stage.path) == ["key.json"]


def test_a_manifest_says_complete_until_the_stage_is_reopened(tmp_path):
    stage = StageFolder(tmp_path / "synth")
    stage.enter(KEY)
    assert stage.manifest() is None
    stage.finish({"traces": 3})
    assert stage.manifest() == {"traces": 3}
    stage.reopen()
    stage.reopen()
    assert stage.manifest() is None


def test_a_fork_takes_the_stages_before(tmp_path):
    with RunDirectory(tmp_path / "a") as run:
        run.save_recipe(RECIPE)
        for name in (StageName.SYNTH, StageName.FILTER):
            run.stage(name).enter(KEY)
    with RunDirectory(tmp_path / "b") as fork:
        fork.fork_from(tmp_path / "a", before=StageName.FILTER)
        assert fork.stage(StageName.SYNTH).key() == KEY
        assert fork.stage(StageName.FILTER).key() is None
        with pytest.raises(RunError, match="already has stages"):
            fork.fork_from(tmp_path / "a", before=StageName.FILTER)
        with pytest.raises(RunError, match="not a run"):
            fork.fork_from(tmp_path, before=StageName.FILTER)


def test_a_file_is_old_or_new_whatever_happens(tmp_path, monkeypatch):
    path = tmp_path / "manifest.json"
    write_atomically(path, "old")

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
