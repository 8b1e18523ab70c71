"""`cort hints` as it is typed."""

import hashlib
import json
import sys

import pytest
from builders import make_trace
from hint_samples import BY_HAND, hint_file

from cort_data import cli
from cort_data.trace import Event


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
    hint_file(tmp_path, "bad", trigger="{name: manual_arithmetics}")
    assert "did you mean manual_arithmetic?" in cort("check", bad)[1]
    assert "1 hints hold, 1 do not" in err
    (tmp_path / "empty").mkdir()
    assert cort("check", tmp_path / "empty")[0] == 2


def test_two_hints_of_one_name_in_two_folders(cort, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    one, two = hint_file(tmp_path / "a"), hint_file(tmp_path / "b")
    code, out, _ = cort("check", tmp_path / "a", tmp_path / "b")
    assert (code, out) == (1, f"{two}:2: the name 'tedious' is taken by {one}; rename one\n")


def test_new(cort, tmp_path):
    path = tmp_path / "hints" / "mine.md"
    code, out, err = cort("new", "mine", "--dir", tmp_path / "hints", "--trigger", "approximation")
    assert (code, out) == (0, f"{path}\n")
    assert f"cort hints check {path}" in err
    assert cort("check", path)[0] == 0
    code, out, err = cort("new", "mine", "--dir", tmp_path / "hints")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "is there already" in err
    assert "did you mean loop?" in cort("new", "other", "--trigger", "lop", "--dir", tmp_path)[2]


def test_new_help_names_every_shipped_trigger(cort):
    from cort_data.hints.triggers.registry import SHIPPED

    out = " ".join(cort("new", "--help")[1].split())
    assert all(f"{name}," in out for name in SHIPPED if name != "random_place")


def test_explain(cort, tmp_path):
    path = tmp_path / "traces.jsonl"
    event = Event(kind="hint", name="h", trigger="loop", start=0, end=9, score=2.0, threshold=2.5, outcome="below")
    path.write_text(make_trace(events=(event,)).to_json() + "\n" + make_trace().to_json() + "\n")
    code, out, _ = cort("explain", f"{path}:1")
    assert code == 0
    assert "2/2.5" in out
    [row] = map(json.loads, cort("explain", f"{path}:1", "--json")[1].splitlines())
    assert (row["outcome"], row["text"], row["tokens_saved"]) == ("below", "The produ", None)
    code, out, err = cort("explain", f"{path}:2")
    assert (code, out) == (0, "")
    assert "no hint events" in err
    code, _, err = cort("explain", path)
    assert (code, err.count("\n")) == (2, 1)
    assert "RUN:ID or FILE:LINE" in err


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


def test_score(cort, tmp_path):
    traces, marks = tmp_path / "traces.jsonl", tmp_path / "marks.jsonl"
    traces.write_text(json.dumps({"id": "a", "problem": "What?", "completion": BY_HAND}) + "\n")
    mark = {"trace_id": "a", "sha256": hashlib.sha256(BY_HAND.encode()).hexdigest(), "label": "manual_arithmetic",
            "start": BY_HAND.index("Let me"), "end": BY_HAND.index("That is")}  # fmt: skip
    marks.write_text(json.dumps(mark) + "\n")
    code, out, _ = cort("score", "--traces", traces, "--annotated", marks)
    assert code == 0
    assert "manual_arithmetic: 1 marked, 1 fired, 1 right, in 1 traces" in out
    code, out, _ = cort("score", "--traces", traces, "--annotated", marks, "--trigger", "loop", "--misses", "--json")
    assert [json.loads(line)["trigger"] for line in out.splitlines()] == ["loop"]
    marks.write_text(json.dumps(mark | {"sha256": "0" * 64}) + "\n")
    code, _, err = cort("score", "--traces", traces, "--annotated", marks)
    assert code == 2
    assert f"{marks}:1: trace a: the completion's sha256" in err
