"""`cort nano`: what it prints, and how it refuses."""

import json

from typer.testing import CliRunner

from cort_data.cli.nano import app
from cort_data.nano.families import split_of


def test_problems_are_json_lines_of_the_split():
    result = CliRunner().invoke(app, ["problems", "--split", "dev", "--n", "5", "--seed", "3"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 5
    assert {split_of(line["id"]) for line in lines} == {"dev"}


def test_corpus_spans_lie_inside_the_completion():
    result = CliRunner().invoke(app, ["corpus", "--n", "20", "--model", "teacher"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 20
    assert all(0 <= s["start"] < s["end"] <= len(t["completion"]) for t in lines for s in t["spans"])


def test_an_unknown_model_is_refused_by_name():
    result = CliRunner().invoke(app, ["train", "professor"])
    assert "expected one of teacher, student, null, got 'professor'" in str(result.exception)
