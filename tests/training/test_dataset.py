"""What is held out, what an update is, and where traces come from."""

import pytest

from cort_data.errors import TraceError, TrainingError
from cort_data.stages.dataset import write_dataset
from cort_data.training.dataset import accumulation, read_rows, split, updates, write_rows
from cort_data.training.rows import RowMaker, RowSettings
from cort_data.training.settings import SftSettings
from cort_data.training.sources import find_source, read_sources

from .hand import every_origin, many


def made_rows(student, folder, traces, max_tokens=256):
    return write_rows(traces, RowMaker(student, RowSettings(max_tokens=max_tokens)), folder)


def test_rows_are_read_as_they_were_written(student, tmp_path):
    written = made_rows(student, tmp_path, many())
    again = read_rows(tmp_path)
    assert again == written
    rows = [RowMaker(student, RowSettings()).row(t) for t in many()]
    assert [tuple(ids) for ids in again.load()["input_ids"]] == [row.input_ids for row in rows]
    assert [tuple(ids) for ids in again.load()["labels"]] == [row.labels for row in rows]
    assert made_rows(student, tmp_path / "more", many(25)).rows_sha256 != written.rows_sha256


def test_whole_problems_are_held_out_in_a_fixed_order(student, tmp_path):
    rows = made_rows(student, tmp_path, many()).load()

    def held_out(wanted):
        parts = split(rows, SftSettings(max_tokens=256, eval_traces=wanted, packing=False))
        assert parts.traces + len(parts.held_out) == 24
        ids = {tuple(row) for row in parts.held_out["input_ids"]}
        return {problem for problem, row in zip(rows["problem"], rows["input_ids"], strict=True) if tuple(row) in ids}

    assert len(held_out(5)) == 3  # two traces each
    assert held_out(2) < held_out(5) < held_out(9)


def test_all_held_out_is_refused(student, tmp_path):
    rows = made_rows(student, tmp_path, many(4)).load()
    with pytest.raises(TrainingError, match="none is left"):
        split(rows, SftSettings(max_tokens=256, eval_traces=4))


def test_packing_cuts_nothing(student, tmp_path):
    rows = made_rows(student, tmp_path, many()).load()
    parts = split(rows, SftSettings(max_tokens=150, row_tokens=300))
    assert len(parts.train) < parts.traces
    assert sum(map(len, parts.train["input_ids"])) == parts.tokens == sum(rows["length"])
    assert sorted(n for lengths in parts.train["seq_lengths"] for n in lengths) == sorted(rows["length"])


@pytest.mark.parametrize(
    ("traces", "rows", "batch", "at_once", "passes"),
    [(800, 800, 96, 8, 12), (800, 200, 96, 8, 3), (800, 200, 4, 1, 1), (360, 56, 16, 1, 2), (10, 1, 96, 1, 10)],
)
def test_a_batch_is_counted_in_traces(traces, rows, batch, at_once, passes):
    assert accumulation(traces, rows, batch, at_once) == passes


def test_updates_of_a_training():
    assert updates(56, 1, 3, 2) == 38  # 19 an epoch, the last of 2 rows
    assert updates(1, 1, 10, 2) == 2


@pytest.mark.parametrize(
    ("traces", "max_tokens", "line"),
    [
        ([], 256, "the data set is empty"),
        (list(many(3)), 20, "all 3 traces are longer than 20 tokens"),
        ([every_origin(segments=(), stop_reason="length")], 256, "no token to train in 1 of 1 traces"),
    ],
)
def test_nothing_to_train_on_is_one_line(student, tmp_path, traces, max_tokens, line):
    with pytest.raises(TrainingError, match=line) as raised:
        made_rows(student, tmp_path, traces, max_tokens)
    assert "\n" not in str(raised.value)


def test_sources_are_joined(tmp_path):
    traces = list(many(4))
    (tmp_path / "filter").mkdir()
    (tmp_path / "filter" / "kept.jsonl").write_text("".join(t.to_json() + "\n" for t in traces))
    write_dataset([every_origin(id="p")], tmp_path / "dataset")
    names = ("kept", str(tmp_path / "dataset" / "train.parquet"), "seeds/nano")
    found = list(read_sources(names, tmp_path))
    assert found[:4] == traces
    assert found[4] == every_origin(id="p")
    assert len(found) == 35
    assert {t.stage for t in found[5:]} == {"seed"}


def test_a_trace_that_is_there_twice_is_refused(tmp_path):
    file = tmp_path / "t.jsonl"
    file.write_text(every_origin().to_json() + "\n")
    with pytest.raises(TraceError, match="two traces have the id 't'"):
        list(read_sources([str(file), str(file)], None))


def test_what_is_not_there_is_one_line(tmp_path):
    for name, kept, line in (
        ("kept", None, "--in"),
        ("kept", tmp_path, "holds no traces"),
        ("none.jsonl", None, "there is no none.jsonl"),
    ):
        with pytest.raises(TrainingError, match=line):
            find_source(name, kept)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(TrainingError, match="is empty"):
        list(read_sources([str(tmp_path / "empty.jsonl")], None))
    (tmp_path / "no.parquet").write_text("no")
    with pytest.raises(TraceError, match="not a Parquet file"):
        list(read_sources([str(tmp_path / "no.parquet")], None))
