"""`cort exec`: each file a cell of one session."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cort_data.cli.exec import exec_command
from cort_data.errors import CortError

from .conftest import strongest

app = typer.Typer()
app.command()(exec_command)


def invoke(*arguments: str, stdin: str = "") -> str:
    result = CliRunner().invoke(app, [*arguments, "--isolation", strongest()], input=stdin, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_files_are_cells_of_one_session_and_failures_leave_exit_0(tmp_path: Path) -> None:
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("x = 20")
    second.write_text("print(x)\n1 / 0")
    lines = [json.loads(line) for line in invoke("--json", str(first), str(second), "-", stdin="x + 1").splitlines()]
    assert [line["status"] for line in lines] == ["ok", "error", "ok"]
    assert [line["text"] for line in lines] == ["", "20\n", "21\n"]
    assert set(lines[0]) == {"status", "text", "error", "seconds", "truncated", "state_lost"}


def test_without_json_the_feedback_is_printed() -> None:
    assert invoke("-", stdin="2 ** 10") == "1024\n"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_unreadable_files_are_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "cell.py"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CortError, match=r"cannot read .*cell\.py") as caught:
        invoke(str(path))
    assert "\n" not in str(caught.value)
