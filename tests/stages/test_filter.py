"""The filter stage: order, the funnel's sums, going on after a kill, what-if."""

import asyncio
import errno
import json

import pytest
from builders import GOOD, InProcess, make_trace

from cort_data.errors import RecipeError, RunError, TraceError
from cort_data.filters import Resources, build_filters, parse_filters
from cort_data.stages.filter import filter_traces
from cort_data.stages.what_if import parse_question, what_if, what_if_table
from cort_data.trace import Trace

WRONG_OUTPUT = GOOD.replace("\n29842\n```", "\n29843\n```")
ENTRIES = ["format", "replay", "exact_duplicate", {"name": "over_length", "tokens": 60}]


def traces(n=12):
    """Every third one replays wrongly, every fourth is too long, the last repeats the first."""
    made = []
    for i in range(n):
        text = (WRONG_OUTPUT if i % 3 == 2 else GOOD).replace("the area", f"the area no. {i}")
        made.append(make_trace(text + " Done." * 60 * (i % 4 == 3), id=f"t{i}"))
    return [*made, made[0].model_copy(update={"id": "copy"})]


def run(out, given, entries=ENTRIES, **options):
    resources = Resources(interpreter=options.pop("interpreter", None) or InProcess())
    filters = build_filters(parse_filters(entries), resources)
    return asyncio.run(filter_traces(given, filters, out, **options))


def read(path):
    return [Trace.from_json(line) for line in path.read_bytes().splitlines()]


def test_the_funnel_sums_and_order_is_kept(tmp_path):
    funnel = run(tmp_path, traces())
    assert funnel.as_dict() == {
        "stage": "filter",
        "in": 13,
        "kept": 6,
        "dropped": {"output_differs": 4, "over_length": 2, "exact_duplicate": 1},
    }
    assert json.loads((tmp_path / "funnel.json").read_text()) == funnel.as_dict()
    assert [t.id for t in read(tmp_path / "kept.jsonl")] == ["t0", "t1", "t4", "t6", "t9", "t10"]
    assert [t.id for t in read(tmp_path / "dropped.jsonl")] == ["t2", "t3", "t5", "t7", "t8", "t11", "copy"]


def test_every_filter_decides_on_every_trace(tmp_path):
    run(tmp_path, traces())
    [both] = [t for t in read(tmp_path / "dropped.jsonl") if t.id == "t11"]
    assert [d.reason for d in both.decisions] == ["kept", "output_differs", "kept", "over_length"]


def test_concurrency_is_bounded_and_changes_nothing(tmp_path):
    interpreter = InProcess()
    run(tmp_path / "many", traces(), in_flight=4, interpreter=interpreter)
    run(tmp_path / "one", traces(), in_flight=1)
    assert 1 < interpreter.most_live <= 4
    for name in ("kept.jsonl", "dropped.jsonl", "funnel.json"):
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_traces_are_read_as_a_stream(tmp_path):
    read_ahead = []

    def stream():
        for i, trace in enumerate(traces()):
            read_ahead.append(i)
            yield trace

    decided = []
    run(tmp_path, stream(), in_flight=3, on_trace=lambda t: decided.append((t.id, len(read_ahead))))
    assert all(n - i <= 3 for i, (_, n) in enumerate(decided))


@pytest.mark.parametrize("lines", [0, 1, 3, 5])
def test_it_goes_on_after_a_kill(tmp_path, lines):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run(whole, traces())

    class Killed(Exception):
        pass

    def kill(trace):
        if trace.id == f"t{lines}":
            raise Killed

    with pytest.raises(Killed):
        run(stopped, traces(), on_trace=kill)
    with (stopped / "kept.jsonl").open("ab") as file:
        file.write(b'{"schema_version":1,"id":"t9","pro')
    interpreter = InProcess()
    run(stopped, traces(), interpreter=interpreter)
    assert interpreter.sessions == 13 - lines - 1
    for name in ("kept.jsonl", "dropped.jsonl", "funnel.json"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, monkeypatch):
    import os

    write = os.write
    room = [9000]

    def full(file, data):
        if len(data) > room[0]:
            data = data[: room[0]]
        if not data:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= len(data)
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RunError, match=r"kept\.jsonl: cannot be written \(No space left on device\)"):
        run(tmp_path / "full", traces())
    monkeypatch.undo()
    assert (tmp_path / "full" / "kept.jsonl").read_bytes().endswith(b"}\n")
    run(tmp_path / "full", traces())
    run(tmp_path / "whole", traces())
    assert (tmp_path / "full" / "kept.jsonl").read_bytes() == (tmp_path / "whole" / "kept.jsonl").read_bytes()


def test_two_traces_of_one_id_are_refused(tmp_path):
    with pytest.raises(TraceError, match="two traces have the id 't1'"):
        run(tmp_path, [make_trace(), make_trace()], ["format"])


def test_what_if_counts_unique_drops():
    question = parse_question("over_length.tokens=10,60,1000")
    entries = [
        {"name": "format"},
        {"name": "replay"},
        {"name": "exact_duplicate"},
        {"name": "over_length", "tokens": 5},
    ]
    interpreter = InProcess()
    variants = asyncio.run(what_if(traces(), entries, question, Resources(interpreter=interpreter)))
    assert interpreter.sessions == 13  # the replay is shared by the three values
    assert [v.as_dict() for v in variants] == [
        {"value": 10, "kept": 0, "unique_drops": {"format": 0, "replay": 0, "exact_duplicate": 0, "over_length": 9}},
        {"value": 60, "kept": 6, "unique_drops": {"format": 0, "replay": 3, "exact_duplicate": 1, "over_length": 2}},
        {"value": 1000, "kept": 8, "unique_drops": {"format": 0, "replay": 4, "exact_duplicate": 1, "over_length": 0}},
    ]
    assert what_if_table(question, variants).row_count == 5


def test_what_if_tries_a_filter_that_the_list_lacks():
    question = parse_question("over_length.tokens=10,1000")
    variants = asyncio.run(what_if(traces(), [{"name": "format"}], question, Resources()))
    assert [v.kept for v in variants] == [0, 13]


@pytest.mark.parametrize("text", ["over_length.tokens", "tokens=5", "over_lenght.tokens=5", "over_length.tokens="])
def test_a_bad_question_is_refused(text):
    with pytest.raises(RecipeError, match="--what-if"):
        parse_question(text)


def test_a_bad_value_is_refused():
    with pytest.raises(RecipeError, match="tokens"):
        asyncio.run(what_if([], [], parse_question("over_length.tokens=many"), Resources()))
