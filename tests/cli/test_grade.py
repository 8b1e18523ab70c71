"""`cort grade`: data on stdout, the rest on stderr, bad lines named, exit codes."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cort_data import cli

Cort = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cort(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cort:
    def run(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cort", *args])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run


def test_one_pair(cort: Cort) -> None:
    code, out, _ = cort("grade", "--gold", r"\frac{1}{2}", "--answer", "0.5")
    assert (code, json.loads(out)["verdict"]) == (0, "equal")
    code, out, _ = cort("grade", "--gold", "1", "--answer", "2")
    assert (code, json.loads(out)["verdict"]) == (0, "different")


def test_each_line_comes_back_with_its_fields(cort: Cort, tmp_path: Path) -> None:
    rows = [{"gold": "x=5", "answer": 5, "id": "ä"}, {"gold": 0.5, "answer": None}, {"gold": "5 cats", "answer": "5"}]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code, out, err = cort("grade", str(file))
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line.pop("verdict") for line in lines] == ["equal", "different", "unscored"]
    assert [line.pop("reason") for line in lines] == ["same form", "no answer", "not a value: '5 cats'"]
    assert lines == rows
    assert "grade: 1 equal · 1 different · 1 unscored · 0 bad lines" in err


def test_bad_lines_are_named_and_the_others_graded(cort: Cort, monkeypatch: pytest.MonkeyPatch) -> None:
    good = [b'{"gold": "1", "answer": "1"}', b'{"gold": "2", "answer": "2"}']
    data = b"\n".join([good[0], b"{torn", b'{"gold": "1"}', b'{"gold": [1], "answer": "1"}', good[1]])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    code, out, err = cort("grade", "-")
    assert code == 2
    assert [json.loads(line)["gold"] for line in out.splitlines()] == ["1", "2"]
    assert "cort: stdin:2: not JSON" in err
    assert "cort: stdin:3: answer: expected a text or a number, it is missing" in err
    assert "cort: stdin:4: gold: expected a text or a number, got [1]" in err


def test_usage_errors_are_one_line(cort: Cort, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    for args, message in [
        ((), "nothing to grade"),
        (("--gold", "1"), "both --gold and --answer"),
        (("f.jsonl", "--gold", "1"), "not both"),
        ((str(tmp_path / "none.jsonl"),), "No such file"),
        ((str(tmp_path / "empty.jsonl"),), "the file is empty"),
    ]:
        code, out, err = cort("grade", *args)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err
