"""The nano recipe against a real vLLM server on this machine's CPU: opt-in, by `make test-vllm`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cort_data.doctor import WEIGHTS
from cort_data.find_traces import find_all
from cort_data.trace import Kind, Origin, Trace

from .conftest import MODEL, cort

pytestmark = pytest.mark.vllm

FOLDER = WEIGHTS / "teacher"


@pytest.fixture(scope="module")
def run(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "nano"
    sets = {
        "engine.kind": "openai",
        "engine.url": url,
        "engine.in_flight": 32,
        "problems.synth.n": 48,
        "problems.test.n": 12,
        "stages": "[synth, filter, dataset, eval]",
        "eval.models": "[]",
        "eval.policies": "[none, prompt_hint, hint_engineering]",
    }
    options = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    print(cort("run", "nano", "--run-dir", str(folder), *options))
    return folder


@pytest.fixture(scope="module")
def traces(run: Path) -> list[Trace]:
    return list(find_all(run / "synth"))


def test_every_problem_has_a_trace_and_none_failed(traces: list[Trace]) -> None:
    assert len(traces) == 48
    assert {t.engine for t in traces} == {f"openai:{MODEL}"}  # counted by ids
    assert [t.error for t in traces if t.error] == []
    assert sum(t.stop_reason == "answered" for t in traces) > 40


def test_hints_fire_and_code_runs(traces: list[Trace]) -> None:
    assert sum(t.calls for t in traces) > len(traces) / 2
    assert {s.hint.name for t in traces for s in t.segments if s.hint} >= {"open", "delayed_computation"}


def test_ids_come_from_the_server_and_spell_the_text(traces: list[Trace]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    for t in traces:
        assert t.token_ids is not None
        assert tokenizer.decode(t.token_ids, skip_special_tokens=True) == t.text
        written = [s for s in t.segments if s.origin is Origin.MODEL]
        assert all(s.logprobs is not None for s in written)
        assert sum(t.env_mask) == t.tokens_by(Origin.MODEL) + t.tokens_by(Origin.HINT)


def test_a_block_and_its_output_meet_without_a_seam(traces: list[Trace]) -> None:
    executed = [t for t in traces if t.calls]
    for t in executed:
        kinds = [s.kind for s in t.segments]
        assert all(kinds[i - 1] is Kind.CODE for i, kind in enumerate(kinds) if kind is Kind.OUTPUT)


def test_the_data_set_and_the_tables_are_there(run: Path) -> None:
    assert (run / "dataset" / "manifest.json").exists()
    manifest = json.loads((run / "filter" / "manifest.json").read_text())
    assert manifest["kept"] > 0
