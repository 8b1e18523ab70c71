import json

import pytest
from builders import GOOD
from typer.testing import CliRunner

from cort_data.cli.traces import app
from cort_data.errors import RecipeError
from cort_data.traces_io import read_traces

ROW = {"id": "a", "problem": "Area?", "completion": GOOD + "<|im_end|>"}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps(ROW) + "\n{torn")
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def test_traces_on_disk_counts_on_stdout_and_the_rest_on_stderr(source, tmp_path):
    result = run(source, "--out", tmp_path / "out.jsonl", "--profile", "qwq", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["refused"] == {"torn_line": 1}
    assert f"cort: {source}:2: torn, not JSON" in result.stderr
    assert "stop_token" in result.stderr
    (trace,) = read_traces(tmp_path / "out.jsonl")
    assert trace.profile == "qwq"


def test_bad_rows_can_be_no_failure(source, tmp_path):
    assert run(source, "--out", tmp_path / "out.jsonl", "--skip-bad").exit_code == 0


def test_the_source_is_not_overwritten(source):
    result = run(source, "--out", source)
    assert isinstance(result.exception, RecipeError)
