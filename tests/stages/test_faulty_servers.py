"""Whole runs against servers that misbehave: the run does the right thing, or refuses in one line."""

from __future__ import annotations

import json

import pytest
import yaml
from fake_server import TEXT, TURN, Behaviour, serving
from typer.testing import CliRunner

from cort_data.cli import app
from cort_data.errors import CortError
from cort_data.find_traces import find_all
from cort_data.trace import Kind, Origin

from .fakes import FakeInterpreter, tree

START = "<think>\nLet me see.\n```python\nprint(0 * 7)\n```"
REST = "0\n```\nSo that is it.\n</think>\nThe answer is \\boxed{0}."
COMPLETION = START.removeprefix("<think>\n") + "\n```output\n" + REST
TURNS = f"{TURN}The answer is \\boxed{{0}}."
FAULTS = ("restarts", "echoes", "trims", "drops thinking", "ignores stop and seed")


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    monkeypatch.setattr("cort_data.stages.workshop.open_interpreter", lambda *settings: FakeInterpreter())


def server(fault, **options):
    """A server of this fault and no better way around it: text where it has raw completions, else messages."""
    chat_only = {"raw": False} if fault == "drops thinking" else {}
    texts = (TEXT, START, REST, TURNS) if options.get("tools") else (TEXT, START, REST)
    values = {"vllm": False, "chat": "continue", "code": "print(0 * 7)"} | chat_only | options
    return Behaviour(fault=fault, texts=texts, **values)


def synth(folder, behaviour, policy="none", problems=1):
    """`cort synth` on a few problems: the traces, the stage's record of the engine, what was said."""
    with serving(behaviour) as url:
        engine = {"kind": "openai", "model": "tiny", "url": url, "in_flight": 1}
        fields = tree(folder, problems=problems, engine=engine)
        fields["rollout"] |= {"policy": policy, "samples": 1}
        file = folder / "recipe.yaml"
        file.write_text(yaml.safe_dump(fields))
        done = CliRunner().invoke(app, ["synth", "--recipe", str(file), "--out", str(folder / "run")])
    if isinstance(done.exception, CortError):
        raise done.exception
    assert done.exit_code == 0, done.output
    stage = folder / "run" / "synth"
    return list(find_all(stage)), json.loads((stage / "engine.json").read_text()), done.stderr


@pytest.mark.parametrize("fault", ["echoes", "ignores stop and seed"])
def test_a_fault_that_can_be_mended_leaves_the_trace_right(tmp_path, fault):
    (trace,), record, said = synth(tmp_path, server(fault, tools=True))
    assert trace.text == COMPLETION
    assert [s.kind for s in trace.segments] == [Kind.TEXT, Kind.CODE, Kind.OUTPUT, Kind.TEXT]
    assert trace.stop_reason == "answered"
    assert all(s.token_ids is None for s in trace.segments)
    assert trace.kept_tokens > 20
    assert record["way"] == "text"
    note = {"echoes": "it is cut away", "ignores stop and seed": "ignores the seed"}[fault]
    assert note in said


@pytest.mark.parametrize("fault", ["restarts", "trims", "drops thinking"])
def test_a_fault_that_cannot_be_mended_leads_to_whole_turns(tmp_path, fault):
    behaviour = server(fault, tools=True)
    (trace,), record, said = synth(tmp_path, behaviour, policy="prompt_hint")
    assert record["way"] == "native_tools"
    assert "no text can be continued" in said
    assert [e.kind for e in trace.events][:1] == ["native_tools"]
    assert trace.engine == "openai:tiny:native_tools:tokens by usage"
    assert [(s.kind, s.origin) for s in trace.segments] == [
        (Kind.TEXT, Origin.HINT),
        (Kind.TEXT, Origin.MODEL),
        (Kind.CODE, Origin.MODEL),
        (Kind.OUTPUT, Origin.INTERPRETER),
        (Kind.TEXT, Origin.MODEL),
    ]
    assert trace.text.endswith("\n</think>\n\nThe answer is \\boxed{0}.")
    assert (trace.calls, trace.stop_reason) == (1, "answered")
    first, second = behaviour.requests[-2:]
    assert trace.segments[0].text.strip() in first["messages"][0]["content"]
    assert [m["role"] for m in second["messages"]] == ["user", "assistant", "tool"]
    assert second["messages"][2]["content"] == "0"


@pytest.mark.parametrize("policy", ["hint_engineering", "branch", "prompt_hint+loop"])
def test_other_policies_are_refused_where_nothing_can_be_continued(tmp_path, policy):
    with pytest.raises(CortError, match=r"continues no text \(.*restarts the answer.*prompt_hint") as raised:
        synth(tmp_path, server("restarts", tools=True), policy=policy)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("fault", ["restarts", "trims", "drops thinking"])
def test_without_tools_the_run_is_refused_with_the_fault(tmp_path, fault):
    named = {"restarts": "restarts the answer", "trims": "trims white space", "drops thinking": "drops the thinking"}
    with pytest.raises(CortError, match=named[fault]) as raised:
        synth(tmp_path, server(fault))
    assert "\n" not in str(raised.value)


def test_a_way_is_not_changed_under_a_run(tmp_path):
    synth(tmp_path, server(None, raw=True))
    (tmp_path / "run" / "synth" / "manifest.json").unlink()
    for shard in (tmp_path / "run" / "synth").glob("*.jsonl"):
        shard.write_bytes(shard.read_bytes().replace(b'"stop_reason":"answered"', b'"stop_reason":"engine_error"'))
    with pytest.raises(CortError, match="written by 'openai:tiny:tokens by logprobs', and the server is now"):
        synth(tmp_path, server(None, raw=False))


def test_a_quota_that_is_used_up_ends_the_run_and_loses_nothing(tmp_path):
    behaviour = server(None)
    behaviour.no_quota_for = "number 2."
    with pytest.raises(CortError, match="the quota is used up") as raised:
        synth(tmp_path, behaviour, problems=4)
    assert "\n" not in str(raised.value)
    kept = list(find_all(tmp_path / "run" / "synth"))
    assert [t.problem.id for t in kept] == ["p0", "p1"]
    behaviour.no_quota_for = None
    traces, _, _ = synth(tmp_path, behaviour, problems=4)
    assert [t.problem.id for t in traces] == ["p0", "p1", "p2", "p3"]
    assert [t.error for t in traces] == [None] * 4
