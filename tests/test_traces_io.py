"""Lines become traces; a bad one is named by file and number."""

import json

import pytest
from builders import GOOD, make_trace
from hypothesis import given
from hypothesis import strategies as st

from cort_data.errors import TraceError
from cort_data.foreign import UNKNOWN_ANSWER
from cort_data.traces_io import parse_line, read_problems, read_traces

FOREIGN = {"id": "f1", "problem": "Area?", "completion": GOOD, "gold_answer": 29842}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "traces.jsonl"


def test_traces_come_back(path):
    traces = [make_trace(id="a"), make_trace(id="b")]
    path.write_text("".join(t.to_json() + "\n" for t in traces) + "\n")
    assert list(read_traces(path)) == traces


def test_a_foreign_line_becomes_a_trace(path):
    path.write_text(json.dumps(FOREIGN) + "\n")
    [trace] = read_traces(path, "r1_distill")
    assert (trace.text, trace.problem.answer, trace.profile, trace.stop_reason) == (
        GOOD,
        "29842",
        "r1_distill",
        "answered",
    )
    assert trace.calls == 1


def test_an_opening_tag_that_the_prompt_has_is_taken_off(path):
    path.write_text(json.dumps(FOREIGN | {"completion": "<think>\n" + GOOD}) + "\n")
    [trace] = read_traces(path, "plain")
    assert trace.text == GOOD


def test_a_foreign_line_without_an_answer_is_never_wrong(path):
    path.write_text(json.dumps({k: FOREIGN[k] for k in ("id", "problem", "completion")}))
    [trace] = read_traces(path, "plain")
    assert trace.problem.answer == UNKNOWN_ANSWER


GOOD_LINE = make_trace().to_json().encode()


@pytest.mark.parametrize(
    ("content", "profile", "message"),
    [
        (b"", None, "the file is empty"),
        (b"\n \n", None, "the file is empty"),
        (GOOD_LINE + b"\n" + GOOD_LINE[:50] + b"\n", None, ":2: not JSON"),
        (GOOD_LINE + b"\n" + GOOD_LINE[:50], None, ":2: the last line is torn"),
        (GOOD_LINE + b"\n\n" + GOOD_LINE.replace(b"area", b"\xe4rea") + b"\n", None, ":3: not UTF-8"),
        (b"[1]\n", None, ":1: expected a JSON object, got list"),
        (b"{}\n", None, ":1: not a trace: id: Field required"),
        (GOOD_LINE.replace(b'"kind":"code"', b'"kind":"cod"') + b"\n", None, ":1: not a trace: segments.1.kind"),
        (json.dumps(FOREIGN).encode(), None, ":1: a foreign line"),
        (json.dumps(FOREIGN | {"id": ["a"]}).encode(), "plain", ":1: id: expected a text, got ['a']"),
        (json.dumps(FOREIGN | {"problem": ""}).encode(), "plain", ":1: problem: expected a text, got ''"),
        (json.dumps(FOREIGN | {"completion": ["a"]}).encode(), "plain", ":1: completion: expected a text"),
        (json.dumps(FOREIGN | {"completion": "a\ud800"}).encode(), "plain", ":1: completion: expected a text"),
    ],
)
def test_a_bad_line_is_named(path, content, profile, message):
    path.write_bytes(content)
    with pytest.raises(TraceError) as caught:
        list(read_traces(path, profile))
    assert f"{path}" in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_good_lines_before_a_bad_one_are_read(path):
    path.write_bytes(GOOD_LINE + b"\nbroken\n")
    traces = read_traces(path)
    assert next(traces).id == "t1"
    with pytest.raises(TraceError):
        next(traces)


def test_a_missing_file_is_named(path):
    with pytest.raises(TraceError, match="cannot be read"):
        list(read_traces(path))


def test_problems(path):
    problem = make_trace().problem
    path.write_text(problem.model_dump_json() + "\n{}\n")
    problems = read_problems(path)
    assert next(problems) == problem
    with pytest.raises(TraceError, match=":2: not a problem: id"):
        next(problems)


@given(st.text())
def test_any_text_is_refused_by_its_place(line):
    with pytest.raises(TraceError, match=r"^f:1: "):
        parse_line(line, "f:1")
