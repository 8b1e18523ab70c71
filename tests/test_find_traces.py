"""Traces are found where users name them."""

import pytest
from builders import make_trace

from cort_data.errors import TraceError
from cort_data.find_traces import find_all, find_one, parse_condition
from cort_data.trace import Decision

DROP = Decision(filter="answer", keep=False, reason="wrong")
KEEP = Decision(filter="answer", keep=True, reason="kept")


def write(path, *traces):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(t.to_json() + "\n" for t in traces))


@pytest.fixture
def run(tmp_path):
    a, b = make_trace(id="a"), make_trace(id="b")
    write(tmp_path / "synth" / "traces-00000.jsonl", a, b, make_trace(id="c"))
    write(tmp_path / "filter" / "kept.jsonl", a.with_decisions([KEEP]))
    write(tmp_path / "filter" / "dropped.jsonl", b.with_decisions([DROP]))
    return tmp_path


def test_by_id_a_trace_comes_with_its_decisions(run):
    assert find_one(f"{run}:b").decisions == (DROP,)
    assert find_one(f"{run}:c").decisions == ()


def test_by_line(run):
    assert find_one(f"{run}/synth/traces-00000.jsonl:2").id == "b"


def test_a_run_or_a_file_as_a_whole(run):
    assert sorted(t.id for t in find_all(run)) == ["a", "b", "c"]
    assert [t.id for t in find_all(run / "filter" / "kept.jsonl")] == ["a"]
    assert find_one(str(run)) is None


def test_conditions(run):
    assert [t.id for t in find_all(run) if parse_condition("reason=wrong").holds(t)] == ["b"]
    assert sorted(t.id for t in find_all(run) if parse_condition("calls=1").holds(t)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{run}:zz", "no trace has the id 'zz'"),
        ("{run}/filter/kept.jsonl:7", "no trace on this line; the last one is on line 1"),
        ("{run}/filter/kept.jsonl:x", "expected a line number"),
        ("{run}/nothing:5", "there is no run or file"),
    ],
)
def test_what_is_not_there_is_named(run, name, message):
    with pytest.raises(TraceError, match=message):
        find_one(name.format(run=run))


def test_a_folder_without_traces_is_named(tmp_path):
    with pytest.raises(TraceError, match="no traces in there"):
        list(find_all(tmp_path))
    with pytest.raises(TraceError, match="no such run or file"):
        list(find_all(tmp_path / "x"))


@pytest.mark.parametrize("text", ["reason", "raeson=wrong"])
def test_a_bad_condition_is_refused(text):
    with pytest.raises(TraceError, match="--where"):
        parse_condition(text)
