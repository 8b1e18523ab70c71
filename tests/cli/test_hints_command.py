"""`cort hints` as it is typed."""

import json
import sys

import pytest
from builders import make_trace
from hint_samples import BY_HAND, hint_file

from cort_data import cli


@pytest.fixture
def cort(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["cort", "hints", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run


def test_list(cort, tmp_path):
    hint_file(tmp_path, "mine")
    code, out, _ = cort("list", "--hints", tmp_path, "--json")
    rows = {row["name"]: row for row in map(json.loads, out.splitlines())}
    assert code == 0
    assert {"open", "delayed_computation", "result_distrust", "code_error", "loop", "mine"} <= rows.keys()
    assert rows["mine"]["trigger"] == "manual_arithmetic"
    assert "delayed_computation" in cort("list")[1]


def test_check(cort, tmp_path):
    assert cort("check")[0] == 0
    hint_file(tmp_path, "good")
    bad = hint_file(tmp_path, "bad", trigger="{name: foo}")
    code, out, err = cort("check", tmp_path)
    assert code == 1
    assert out.startswith(f"{bad}:3: unknown trigger 'foo'; there are ")
    assert "1 hints hold, 1 do not" in err
    (tmp_path / "empty").mkdir()
    assert cort("check", tmp_path / "empty")[0] == 2


def test_preview(cort, tmp_path):
    path = tmp_path / "traces.jsonl"
    trace = make_trace(BY_HAND + "</think>\nIt is \\boxed{29842}.")
    path.write_text(trace.to_json() + "\n" + trace.to_json() + "\n")
    code, out, err = cort("preview", "--traces", path, "--hint", "delayed_computation", "--limit", 1)
    assert code == 0
    assert "```python" in out
    assert "1 firings in 1 traces" in err
    _, out, err = cort("preview", "--traces", path, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert {row["hint"] for row in rows} == {"open", "delayed_computation"}
    assert "4 firings in 2 traces" in err


def test_preview_of_foreign_lines_and_of_an_unknown_hint(cort, tmp_path):
    path = tmp_path / "foreign.jsonl"
    path.write_text(json.dumps({"id": "a", "problem": "What?", "completion": BY_HAND}) + "\n")
    assert cort("preview", "--traces", path, "--profile", "plain")[0] == 0
    code, _, err = cort("preview", "--traces", path, "--hint", "nothing")
    assert (code, err.count("\n")) == (2, 1)
    assert "no hint named 'nothing'" in err
