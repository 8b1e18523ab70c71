"""`cort problems import`: counts on stderr, bad lines listed, exit codes."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cort_data import cli

Cort = Callable[..., tuple[int, str]]


@pytest.fixture
def cort(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cort:
    def run(*args: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["cort", "problems", "import", *args])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        assert captured.out == ""
        return int(exit_.value.code or 0), captured.err

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.jsonl"
    rows = [{"problem": "What is 2 + 2?", "answer": "4"}, {"problem": "What is 2+2?", "answer": "4"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_counts_are_shown(cort: Cort, source: Path, tmp_path: Path) -> None:
    code, err = cort(str(source), "--out", str(tmp_path / "out.jsonl"))
    counts = [line.split() for line in err.splitlines()]
    assert code == 0
    assert ["read", "2"] in counts
    assert ["exact", "duplicate", "1"] in counts
    assert ["kept", "1"] in counts
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))["id"] == "source-1"


@pytest.mark.parametrize(("options", "expected"), [((), 1), (("--skip-bad",), 0)])
def test_a_bad_line_is_listed_and_fails_unless_skipped(
    options: tuple[str, ...], expected: int, cort: Cort, source: Path, tmp_path: Path
) -> None:
    with source.open("a", encoding="utf-8") as file:
        file.write('{"problem": "What is 3 + 3?", "answer": ""}\n')
    code, err = cort(str(source), "--out", str(tmp_path / "out.jsonl"), *options)
    assert code == expected
    assert f"cort: {source}:3: no answer; expected one of the fields answer, gold" in err
    assert (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("out", ["source.jsonl", "x/../source.jsonl"])
def test_a_source_is_not_overwritten(out: str, cort: Cort, source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    code, err = cort(str(source), "--out", str(tmp_path / out))
    assert code == 2
    assert "would overwrite" in err
    assert source.read_bytes() == before


def test_a_missing_source_is_one_line(cort: Cort, tmp_path: Path) -> None:
    code, err = cort(str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "out.jsonl"))
    assert (code, err.count("\n")) == (2, 1)
