import os
import resource

import pytest

from cort_data.errors import RunError
from cort_data.shards import TraceStore, problem_digest
from cort_data.trace import Kind, Origin, Problem, Segment, Trace, trace_id


def make(number, text="six", stop="answered"):
    problem = Problem(id=f"p{number}", text=f'problem {number} "with" \\ 数学', answer="6")
    segments = (Segment(kind=Kind.TEXT, origin=Origin.MODEL, text=text, tokens=3),)
    name = trace_id(problem.id, "none", 0, "synth")
    return Trace(id=name, problem=problem, prompt="p", segments=segments, stop_reason=stop)


def fill(folder, traces, **options):
    with TraceStore(folder, **options) as store:
        for trace in traces:
            store.append(trace)


def content(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_traces_come_back_in_the_order_that_is_asked_for(tmp_path):
    traces = [make(i) for i in range(5)]
    fill(tmp_path, traces)
    with TraceStore(tmp_path) as store:
        assert list(store.read([traces[3].id, "nobody", traces[0].id])) == [traces[3], traces[0]]


def test_the_index_knows_the_problem_and_who_failed(tmp_path):
    good, failed = make(1, 'he said "stop_reason":"engine_error"'), make(2, stop="engine_error")
    fill(tmp_path, [good, failed])
    with TraceStore(tmp_path) as store:
        assert store.index[good.id].problem == problem_digest(good.problem)
        assert not store.index[good.id].failed
        assert store.index[failed.id].failed


def test_a_failed_trace_is_replaced_by_a_later_one(tmp_path):
    fill(tmp_path, [make(1, stop="engine_error"), make(2)])
    fill(tmp_path, [make(1)])
    with TraceStore(tmp_path) as store:
        assert [t.stop_reason for t in store.read([make(1).id])] == ["answered"]


def test_shards_are_bounded_and_read_as_one(tmp_path):
    traces = [make(i, "x" * 500) for i in range(20)]
    fill(tmp_path, traces, shard_bytes=2500)
    assert len(list(tmp_path.iterdir())) > 4
    assert all(path.stat().st_size <= 2500 for path in tmp_path.iterdir())
    with TraceStore(tmp_path) as store:
        assert list(store.read(t.id for t in traces)) == traces


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_torn_last_line_is_not_read_and_is_cut_before_writing(tmp_path, kept):
    fill(tmp_path, [make(1)])
    whole = content(tmp_path)
    shard = next(tmp_path.iterdir())
    torn = make(2).to_json().encode() + b"\n"
    shard.write_bytes(whole + torn[:kept])
    with TraceStore(tmp_path) as store:
        assert set(store.index) == {make(1).id}
    assert shard.read_bytes() == whole + torn[:kept], "a reader changes nothing"
    fill(tmp_path, [make(3)])
    assert content(tmp_path) == whole + make(3).to_json().encode() + b"\n"


def test_a_foreign_line_is_named(tmp_path):
    (tmp_path / "traces-00000.jsonl").write_text('{"id": 3}\n')
    with pytest.raises(RunError, match=r"traces-00000.jsonl at byte 0: not a trace"):
        TraceStore(tmp_path)


def test_an_empty_store_leaves_nothing_behind(tmp_path):
    with TraceStore(tmp_path / "none") as store:
        assert store.index == {}
    assert not (tmp_path / "none").exists()


def test_a_full_disk_is_one_line_and_leaves_whole_lines(tmp_path):
    """The size limit of a process stands in for the disk: a write is cut short in the same way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    line = len(make(0, "x" * 300).to_json()) + 1
    with TraceStore(tmp_path) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (line * 3 + line // 2, hard))
        try:
            for i in range(3):
                store.append(make(i, "x" * 300))
            with pytest.raises(RunError) as error:
                store.append(make(3, "x" * 300))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "the disk is full" in str(error.value)
    assert "\n" not in str(error.value)
    assert content(tmp_path) == b"".join(make(i, "x" * 300).to_json().encode() + b"\n" for i in range(3))
    fill(tmp_path, [make(3)])
    with TraceStore(tmp_path) as store:
        assert len(store.index) == 4


def test_what_is_written_is_synced_within_the_interval(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr("cort_data.shards.SYNC_INTERVAL_S", 0.0)
    with TraceStore(tmp_path) as store:
        store.append(make(1))
        assert len(synced) == 1
