"""The data set: declared types, rows that give the trace back, a card."""

import pytest
from builders import GOOD, make_trace
from datasets import load_dataset

from cort_data.errors import RunError
from cort_data.stages.dataset import DERIVED, FEATURES, FILE, row, trace_of, write_dataset
from cort_data.trace import (
    Decision,
    Event,
    HintMark,
    InterpreterUsed,
    Kind,
    Origin,
    SamplingUsed,
    Segment,
    Trace,
)


def full_trace():
    hint = HintMark(name="open", trigger="think_open", wording=2, span_start=0, span_end=0, tokens_saved=1.5)
    segments = (
        Segment(kind=Kind.TEXT, origin=Origin.HINT, text="Use code.\n", tokens=2, token_ids=(1, 2), hint=hint),
        Segment(
            kind=Kind.TEXT,
            origin=Origin.MODEL,
            text="</think>\n\\boxed{5}",
            tokens=3,
            token_ids=(3, 4, 5),
            logprobs=(-0.1, 0.0, -2.5),
        ),
    )
    return make_trace(
        id="full",
        segments=segments,
        prompt_ids=(7, 8),
        events=(Event(kind="hint", name="open", score=0.5, outcome="fired"),),
        decisions=(Decision(filter="format", keep=True, reason="kept"),),
        sampling=SamplingUsed(temperature=0.6, top_p=0.95),
        interpreter=InterpreterUsed(backend="local", isolation="full", timeout_s=10, memory_mb=1024, output_chars=4000),
        error=None,
    )


def load(folder, tmp_path):
    return load_dataset("parquet", data_files=str(folder / FILE), split="train", cache_dir=str(tmp_path / "cache"))


def test_rows_give_the_traces_back(tmp_path):
    traces = [make_trace(id="bare"), full_trace()]
    info = write_dataset(iter(traces), tmp_path / "data")
    loaded = load(tmp_path / "data", tmp_path)
    assert (info.rows, info.problems, info.calls) == (2, 2, 1)
    assert loaded.features == FEATURES
    assert [trace_of(r) for r in loaded] == traces
    assert loaded[1]["env_mask"] == [1, 1, 1, 1, 1]
    assert loaded[0]["completion"] == GOOD
    assert loaded[0]["token_ids"] is None
    assert loaded[1]["tokens_after_last_output"] is None


def test_types_do_not_depend_on_the_rows(tmp_path):
    """Only nulls and empty lists: inference would have found nothing."""
    write_dataset([make_trace(segments=(), stop_reason="engine_error")], tmp_path / "data")
    assert load(tmp_path / "data", tmp_path).features == FEATURES


def test_columns_are_the_traces_fields_and_the_derived_ones():
    assert list(FEATURES) == [*Trace.model_fields, *DERIVED]
    assert list(row(make_trace())) == list(FEATURES)


def test_the_card_says_what_it_is(tmp_path):
    info = write_dataset([full_trace(), make_trace()], tmp_path, name="My traces")
    card = (tmp_path / "README.md").read_text()
    assert "# My traces" in card
    assert info.sha256 in card
    assert "| traces | 2 |" in card
    assert "| open | 1 |" in card
    assert "nano world" not in card


def test_nano_traces_are_said_to_be_nano(tmp_path):
    write_dataset([make_trace(profile="nano")], tmp_path)
    assert "tests the mechanism only" in (tmp_path / "README.md").read_text()


def test_nothing_kept_is_said_and_leaves_no_file(tmp_path):
    with pytest.raises(RunError, match="no trace was kept"):
        write_dataset([], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_data_set(tmp_path):
    write_dataset([make_trace()], tmp_path)
    before = (tmp_path / FILE).read_bytes()

    def broken():
        yield make_trace()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(broken(), tmp_path)
    assert (tmp_path / FILE).read_bytes() == before
