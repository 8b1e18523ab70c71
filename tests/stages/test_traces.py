"""The import of traces: every row is read, what is odd is counted, and nothing half is left."""

import json

import pytest
from builders import GOOD, make_trace

from cort_data.errors import CortError
from cort_data.profiles import load_profile
from cort_data.stages.dataset import FILE, write_dataset
from cort_data.stages.traces import import_traces
from cort_data.traces_io import read_traces

ROW = {"id": "a", "problem": "Area?", "completion": GOOD, "gold": "29842"}
PLAIN = load_profile("plain")


def jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def own(**fields):
    made = make_trace(profile="plain", **fields)
    return made.model_copy(update={"prompt": PLAIN.render(made.problem.text)})


def test_rows_become_traces_and_odd_ones_are_counted(tmp_path):
    out = tmp_path / "new" / "out.jsonl"
    torn = jsonl(tmp_path / "s.jsonl", ROW, ROW | {"id": "b", "completion": GOOD + "<|im_end|>"}, {"a": 1}, [1])
    with open(torn, "a") as file:
        file.write("not json\n" + json.dumps(ROW)[:40])
    report = import_traces([torn], out, PLAIN)
    assert [t.id for t in read_traces(out)] == ["a", "b"]
    assert report.as_dict() == {
        "read": 6,
        "traces": 2,
        "answered": 2,
        "blocks_with_output": 2,
        "odd": {"stop_token": {"traces": 1, "count": 1}},
        "refused": {"no_completion": 1, "no_object": 1, "not_json": 1, "torn_line": 1},
    }
    assert [line.where.rpartition(":")[2] for line in report.bad] == ["3", "4", "5", "6"]


def test_a_doubled_id_gets_a_number(tmp_path):
    out = tmp_path / "out.jsonl"
    report = import_traces([jsonl(tmp_path / "s.jsonl", ROW, ROW, ROW)], out, PLAIN)
    assert [t.id for t in read_traces(out)] == ["a", "a#2", "a#3"]
    assert report.odd["doubled_id"] == 2


def test_traces_of_our_own_come_over_and_change_family(tmp_path):
    source = tmp_path / "s.jsonl"
    source.write_text(own().to_json() + "\n")
    same, other = tmp_path / "same.jsonl", tmp_path / "other.jsonl"
    import_traces([str(source)], same, PLAIN)
    assert list(read_traces(same)) == [own()]
    import_traces([str(source)], other, load_profile("gpt_oss"))
    (trace,) = read_traces(other)
    assert trace.profile == "gpt_oss"
    assert "<|channel|>final<|message|>" in trace.text


def test_rows_of_our_data_sets_are_traces_again(tmp_path):
    write_dataset([own()], tmp_path)
    import_traces([str(tmp_path / FILE)], tmp_path / "out.jsonl", PLAIN)
    assert list(read_traces(tmp_path / "out.jsonl")) == [own()]


def test_a_trace_that_cannot_change_family_is_refused(tmp_path):
    source = tmp_path / "s.jsonl"
    source.write_text(own().to_json() + "\n" + own(id="b").model_copy(update={"prompt": "?"}).to_json() + "\n")
    report = import_traces([str(source)], tmp_path / "out.jsonl", load_profile("qwq"))
    assert dict(report.refused) == {"not_convertible": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "it is empty"), ('{"problem": "x"}\n', "no_completion 1; the first: .*s.jsonl:1: no completion")],
)
def test_a_source_without_a_trace_is_an_error(tmp_path, content, message):
    source = tmp_path / "s.jsonl"
    source.write_text(content)
    with pytest.raises(CortError, match=message):
        import_traces([str(source)], tmp_path / "out.jsonl", PLAIN)
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]


def test_a_hub_name_is_streamed(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: iter([ROW]))
    import_traces(["owner/set@train"], tmp_path / "out.jsonl", PLAIN)
    assert [t.id for t in read_traces(tmp_path / "out.jsonl")] == ["a"]
