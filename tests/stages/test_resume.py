"""A run that is killed, really, and started again ends with the traces of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cort_data.recipe import load_recipe
from cort_data.runs import RunDirectory
from cort_data.stages.synth import traces
from cort_data.trace import Trace

from .fakes import tree

PROBLEMS = 20


FAKE = "stages.fakes"
REAL = "cort_data"


def start(recipe, run, delay_s, program=FAKE):
    command = [sys.executable, "-m", program, "synth", "--recipe", str(recipe), "--out", str(run)]
    environment = {**os.environ, "FAKE_DELAY_S": str(delay_s), "PYTHONPATH": _python_path(), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _python_path():
    tests = Path(__file__).parent.parent
    return os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])


def finish(recipe, run, program=FAKE):
    with start(recipe, run, 0, program) as process:
        _, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stderr


def whole_lines(run):
    shards = sorted((run / "synth").glob("traces-*.jsonl"))
    return [line for path in shards for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(tree(folder, problems=PROBLEMS)))
    finish(recipe, folder / "run")
    return recipe, folder / "run"


def kill_when(process, run, count):
    """Kill -9 once `count` traces are on the disk. Returns what is there then."""
    while len(whole_lines(run)) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return whole_lines(run)


def test_five_kills_change_nothing(undisturbed, tmp_path):
    recipe, whole = undisturbed
    run = tmp_path / "run"
    before = []
    for count in (1, 4, 11, 23, 37):
        with start(recipe, run, 0.02) as process:
            now = kill_when(process, run, count)
        assert now[: len(before)] == before, "what was finished before a kill is byte-identical after it"
        before = now
    finish(recipe, run)
    assert whole_lines(run)[: len(before)] == before
    assert len(whole_lines(run)) == 2 * PROBLEMS
    loaded = load_recipe(recipe)
    assert list(traces(RunDirectory(run), loaded)) == list(traces(RunDirectory(whole), loaded))


def test_a_torn_line_is_written_again(undisturbed, tmp_path):
    recipe, whole = undisturbed
    run = tmp_path / "run"
    with start(recipe, run, 0.02) as process:
        kill_when(process, run, 5)
    shard = run / "synth" / "traces-00000.jsonl"
    shard.write_bytes(b"".join(whole_lines(run))[:-40])
    finish(recipe, run)
    assert sorted(whole_lines(run)) == sorted(whole_lines(whole))


def test_an_interrupted_run_says_how_to_go_on(undisturbed, tmp_path):
    recipe, _ = undisturbed
    run = tmp_path / "run"
    with start(recipe, run, 0.05) as process:
        while not whole_lines(run):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"Continue with: cort synth --recipe {recipe} --out {run}" in stderr
    assert "Traceback" not in stderr


def written(run):
    """(id, text, token ids) of each trace. Log-probabilities may differ in the last digit: a prefix that an earlier
    trace left in the cache is not computed again."""
    return [(t.id, t.text, t.token_ids) for t in map(Trace.from_json, whole_lines(run))]


def test_a_real_model_at_one_trace_in_flight_writes_the_same_text(tiny_model_dir, tmp_path):
    recipe, whole, run = tmp_path / "recipe.yaml", tmp_path / "whole", tmp_path / "run"
    engine = {"kind": "transformers", "model": str(tiny_model_dir), "dtype": "float32", "in_flight": 1}
    rollout = {"policy": "none", "samples": 2, "tokens": 60, "prompt": "plain"}
    recipe.write_text(yaml.safe_dump(tree(tmp_path, problems=4, engine=engine, rollout=rollout)))
    finish(recipe, whole, REAL)
    with start(recipe, run, 0, REAL) as process:
        before = kill_when(process, run, 3)
    assert len(before) < 8
    finish(recipe, run, REAL)
    assert whole_lines(run)[: len(before)] == before
    assert written(run) == written(whole)
