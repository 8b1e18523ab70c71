from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cort_data import doctor
from cort_data.cli import app
from cort_data.doctor import State, examine

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def isolation(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """The kernel's features as the test says; probing them is the interpreter's test."""
    features = {"landlock": True, "isolation full": True}
    report = [(name, True, "how to get it") for name in features]
    monkeypatch.setattr(
        "cort_data.interpreter.isolation_report",
        lambda: [(name, features[name], how) for name, _, how in report],
    )
    return features


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in doctor.NANO_MODELS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"0" * 100_000)
    monkeypatch.setattr(doctor, "WEIGHTS", tmp_path)
    return tmp_path


def states(folder: Path) -> dict[str, State]:
    return {check.name: check.state for check in examine(folder)}


def detail(name: str, folder: Path) -> str:
    return next(check.detail for check in examine(folder) if check.name == name)


def test_nothing_needed_is_missing_in_a_full_installation(tmp_path: Path, weights: Path) -> None:
    assert [name for name, state in states(tmp_path).items() if state is State.MISSING] == []


def test_a_missing_extra_comes_with_its_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "train", ("torch", "no-such-package"))
    assert states(tmp_path)["extra train"] is State.MISSING
    assert detail("extra train", tmp_path).startswith('no no-such-package; pip install "cort-data[train]"')


def test_missing_weights_are_named(tmp_path: Path, weights: Path) -> None:
    (weights / "student" / "model.safetensors").unlink()
    found = states(tmp_path)
    assert (found["nano-teacher"], found["nano-student"]) == (State.OK, State.MISSING)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**10, 10**10 - 10**8, 10**8))
    assert states(tmp_path)["disk"] is State.MISSING
    assert detail("disk", tmp_path) == "0.1 GB free in the current folder; a run needs 1 GB"


def test_only_full_isolation_is_needed(tmp_path: Path, isolation: dict[str, bool]) -> None:
    isolation.update({"landlock": False, "isolation full": False})
    found = states(tmp_path)
    assert found["interpreter: landlock"] is State.OPTIONAL
    assert found["interpreter: isolation full"] is State.MISSING


def test_the_command_prints_no_secret_and_fails_where_something_is_missing(
    weights: Path, monkeypatch: pytest.MonkeyPatch, isolation: dict[str, bool]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert "secret" not in result.output
    isolation["isolation full"] = False
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 1


def test_json_has_one_object_a_check(weights: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows[0].keys() == {"name", "state", "detail"}
    assert {row["state"] for row in rows} <= {"ok", "not there"}


def test_a_server_is_probed_with_engine_and_model() -> None:
    from fake_server import Behaviour, serving

    with serving(Behaviour(vllm=False, fault="restarts")) as url:
        table = CliRunner().invoke(app, ["doctor", "--engine", url, "--model", "tiny"])
    assert table.exit_code == 1
    assert "restarts the answer" in table.stdout
    assert "nothing can be written" in table.stdout
    with serving(Behaviour()) as url:
        record = CliRunner().invoke(app, ["doctor", "--engine", url, "--model", "tiny", "--json"])
    assert record.exit_code == 0
    assert json.loads(record.stdout)["way"] == "ids"


def test_a_server_and_its_model_go_together() -> None:
    result = CliRunner().invoke(app, ["doctor", "--engine", "http://127.0.0.1:1/v1"])
    assert "--engine URL and --model M go together" in str(result.exception)
