import json

import pytest
from typer.testing import CliRunner

from cort_data.cli import app
from cort_data.errors import RecipeError, TraceError
from tests.report.samples import write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


def call(*words, keys=None):
    result = CliRunner().invoke(app, [str(word) for word in words], input=keys)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_page_is_written_and_named_on_stdout(run):
    assert call("report", run).stdout == f"{run / 'report.html'}\n"
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_results_are_rendered_from_a_folder(tmp_path):
    (tmp_path / "a.json").write_text('{"n": 1}')
    call("report", "--results", "--from", tmp_path, "--out", tmp_path / "R.md")
    assert "| n | 1 |" in (tmp_path / "R.md").read_text()


@pytest.mark.parametrize("words", [["report"], ["report", "x", "--results"]])
def test_a_run_or_results_not_both_and_not_neither(words):
    with pytest.raises(RecipeError, match="one RUN"):
        call(*words)


def test_an_audit_through_files_ends_in_the_report(run, tmp_path):
    rows = [json.loads(line) for line in call("audit", run, "--json").stdout.splitlines()]
    assert all(row.keys() == {"trace_id", "problem", "gold_answer", "completion"} for row in rows)
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps({"trace_id": row["trace_id"], "answer": "g"}) + "\n" for row in rows[:-1]))
    assert "1 of 4 traces are not read yet" in call("audit", run, "--answers", answers).stderr
    answers.write_text(json.dumps({"trace_id": rows[-1]["trace_id"], "answer": "good"}) + "\n")
    assert "kept" in call("audit", run, "--answers", answers).stdout
    call("report", run)
    assert "The reader saw the traces without the verdicts" in (run / "report.html").read_text()


def test_without_a_terminal_an_audit_asks_for_a_file(run):
    with pytest.raises(TraceError, match="--answers FILE"):
        call("audit", run)


def test_keys_are_recorded_one_a_trace_and_q_leaves(run, monkeypatch):
    keys = iter("gxq")
    monkeypatch.setattr("cort_data.cli.audit._at_terminal", lambda: True)
    monkeypatch.setattr("typer.getchar", lambda: next(keys))
    shown = call("audit", run)
    assert "result_distrust" not in shown.stdout
    assert len((run / "audit" / "answers.jsonl").read_text().splitlines()) == 1
    assert len(call("audit", run, "--json").stdout.splitlines()) == 3
