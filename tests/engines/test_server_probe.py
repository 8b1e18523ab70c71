"""What the probe says of a good server, and of servers that misbehave, each in one way."""

from __future__ import annotations

import asyncio

import pytest
from fake_server import CONTEXT, Behaviour, serving

from cort_data.engines import EngineKind, EngineSettings
from cort_data.engines.capabilities import Capabilities, Finding, Thinking
from cort_data.engines.openai import OpenAIEngine, client_for, probing
from cort_data.engines.patience import Patience
from cort_data.engines.settings import Continuation
from cort_data.errors import EngineError

QUICK = Patience(connect_s=10, probe_s=30, chunk_s=30, attempts=2, pause_s=0.01, longest_pause_s=0.02)
CHAT = {"vllm": False, "raw": False, "chat": "continue"}


def probed(behaviour: Behaviour, *, thorough: bool = True, way: str = "auto") -> Capabilities:
    async def run(url: str) -> Capabilities:
        settings = EngineSettings(kind=EngineKind.OPENAI, model="tiny", url=url, continuation=Continuation(way))
        async with client_for(settings, QUICK) as client:
            return (await probing(client, settings, QUICK, thorough=thorough).probe()).capabilities

    with serving(behaviour) as url:
        return asyncio.run(run(url))


def refused(behaviour: Behaviour, way: str = "auto") -> str:
    with pytest.raises(EngineError) as raised:
        probed(behaviour, thorough=False, way=way)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def findings(found: Capabilities) -> dict[str, str]:
    return {way.way.value: way.finding.value for way in found.ways}


def test_a_good_server():
    behaviour = Behaviour(chat="continue", tools=True, cache=True, limits={"x-ratelimit-limit-requests": "60"})
    found = probed(behaviour)
    assert findings(found) == {
        "ids": "continues",
        "text": "continues",
        "chat_continue": "continues",
        "prefix_flag": "restarts the answer",
        "native_tools": "whole turns only",
    }
    assert (found.way, found.counting, found.logprobs) == (Continuation.IDS, "ids", True)
    assert (found.stop, found.seed, found.sampling, found.tools) == (True, True, True, True)
    assert (found.context, found.context_said) == (CONTEXT, True)
    assert found.cached_tokens == found.repeated_tokens
    assert found.rate_limits == {"x-ratelimit-limit-requests": "60"}
    assert found.notes() == []
    assert all(request["max_tokens"] <= 300 for request in behaviour.requests)


@pytest.mark.parametrize(
    ("abilities", "way"),
    [
        ({}, "ids"),
        ({"vllm": False}, "text"),
        (CHAT, "chat_continue"),
        (CHAT | {"chat": "prefix"}, "prefix_flag"),
        (CHAT | {"chat": "prefix", "thinks": "reasoning_content"}, "prefix_flag"),
        (CHAT | {"chat": "plain", "tools": True}, "native_tools"),
    ],
)
def test_a_run_takes_the_best_way_and_tries_no_more(abilities, way):
    found = probed(Behaviour(**abilities), thorough=False)
    assert found.way == way
    ways = list(findings(found))
    later = ways[ways.index(way) + 1 :]
    assert {findings(found)[name] for name in later} <= {"not tried"}


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("restarts", Finding.RESTARTS),
        ("echoes", Finding.ECHOES),
        ("trims", Finding.TRIMS),
        ("ignores stop and seed", Finding.CONTINUES),
    ],
)
@pytest.mark.parametrize(("way", "counts"), [("text", True), ("text", False), ("chat_continue", True)])
def test_a_fault_is_named(fault, finding, way, counts):
    options = {} if counts else {"logprobs": False, "usage": False}
    behaviour = Behaviour(vllm=False, chat="continue", fault=fault, **options)
    assert findings(probed(behaviour, way=way))[way] == finding


def test_dropped_thinking_is_named():
    found = probed(Behaviour(**CHAT, fault="drops thinking"))
    assert findings(found)["chat_continue"] == "drops the thinking"
    assert "open thinking" in found.faults


def test_trimming_the_prefix_alone_is_named(monkeypatch):
    """The white space at the end of a prefix is lost, what is written comes whole."""
    from fake_server import FakeServer

    monkeypatch.setattr(FakeServer, "_received", lambda self, text: text.rstrip())
    found = probed(Behaviour(vllm=False))
    assert findings(found)["text"] == "trims white space"
    assert "does not arrive" in found.faults


def test_an_ignored_seed_and_stop_are_said():
    found = probed(Behaviour(vllm=False, fault="ignores stop and seed"))
    assert (found.stop, found.seed, found.sampling) == (False, False, True)
    assert "ignores the seed" in " ".join(found.notes())


@pytest.mark.parametrize("way", ["text", "chat_continue", "prefix_flag", "ids"])
def test_a_way_that_is_asked_for_and_does_not_work_is_refused(way):
    said = refused(Behaviour(vllm=False, chat="continue", fault="restarts", tools=True), way)
    assert said.startswith("engine.continuation: ")
    assert f"{way}: " in said


def test_a_model_without_a_chat_template():
    assert "chat_continue: refused (400: no chat template is defined)" in refused(Behaviour(), "chat_continue")


def test_nothing_to_continue_and_no_tools():
    said = refused(Behaviour(vllm=False, fault="restarts"))
    assert "continues no text and calls no tools" in said
    assert "text: restarts the answer" in said


def test_whole_turns_with_hidden_thinking_are_refused():
    behaviour = Behaviour(**CHAT | {"chat": "plain", "tools": True, "thinks": "hidden"})
    assert "hides the thinking" in refused(behaviour)
    assert probed(behaviour).thinking is Thinking.HIDDEN


@pytest.mark.parametrize(
    ("thinks", "seen", "field"),
    [("reasoning_content", Thinking.FIELD, "reasoning_content"), ("text", Thinking.TEXT, None)],
)
def test_where_thinking_shows(thinks, seen, field):
    found = probed(Behaviour(**CHAT, thinks=thinks))
    assert (found.thinking, found.thinking_field) == (seen, field)


def test_a_context_that_is_not_listed_is_asked_for():
    assert probed(Behaviour(vllm=False)).context_said is False

    from cort_data.engines.feature_probe import _CONTEXT

    said = "This model's maximum context length is 65536 tokens. However, you requested 1000000068 tokens"
    assert _CONTEXT.search(said)[1] == "65536"


def test_the_engine_opens_with_what_was_found():
    async def run(url):
        engine = await OpenAIEngine.open(EngineSettings(kind=EngineKind.OPENAI, model="tiny", url=url), QUICK)
        await engine.close()
        return engine

    with serving(Behaviour(**CHAT)) as url:
        engine = asyncio.run(run(url))
    assert engine.name == "openai:tiny:chat_continue:tokens by logprobs"
    assert engine.capabilities.continues
