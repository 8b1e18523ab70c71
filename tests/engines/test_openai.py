"""The engine over HTTP, against a real server on loopback: what it can, and every way it can fail."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from fake_server import CONTEXT, END, TEXT, Behaviour, refused_address, serving

from cort_data.engines import EngineKind, EngineSettings, Prefix, Sampling
from cort_data.engines.base import Sent, Turn
from cort_data.engines.capabilities import Capabilities
from cort_data.engines.completions import split
from cort_data.engines.openai import OpenAIEngine, client_for
from cort_data.engines.patience import Patience
from cort_data.engines.server_probe import Server
from cort_data.engines.settings import Continuation
from cort_data.engines.wires import Abilities
from cort_data.errors import ContextError, EngineError

QUICK = Patience(connect_s=10, probe_s=30, chunk_s=30, attempts=3, pause_s=0.01, longest_pause_s=0.02)
IMPATIENT = replace(QUICK, probe_s=1, chunk_s=1)
PROMPT = "What is 12 * 7? "


def sampling(tokens=100):
    return Sampling(temperature=0.6, top_p=0.95, seed=5, max_tokens=tokens)


def known(behaviour):
    """What the probe finds of a behaviour, without asking."""
    way = Continuation.IDS if behaviour.vllm else Continuation(f"chat_{c}" if (c := behaviour.chat) else "text")
    options = not behaviour.refuse_options
    abilities = Abilities(way, logprobs=behaviour.logprobs and options, usage=behaviour.usage and options)
    found = Capabilities(engine="openai", model="tiny", way=way, context=behaviour.context, counting=abilities.counting)
    return Server(abilities, found)


@asynccontextmanager
async def opened(behaviour, patience=QUICK, in_flight=4):
    with serving(behaviour) as url:
        settings = EngineSettings(kind=EngineKind.OPENAI, model="tiny", url=url, in_flight=in_flight)
        engine = OpenAIEngine(client_for(settings, patience), settings, known(behaviour), patience)
        try:
            yield engine
        finally:
            await engine.close()


async def write(engine, prompt=PROMPT, tokens=100):
    prefix = Prefix(prompt, await engine.encode(prompt), Turn(prompt, "", "So"))
    return [chunk async for chunk in engine.generate(prefix, sampling(tokens))]


async def one(behaviour, tokens=100, **options):
    async with opened(behaviour, **options) as engine:
        return engine, await write(engine, tokens=tokens)


def text(chunks):
    return "".join(chunk.text for chunk in chunks)


def failing(behaviour, model="tiny", patience=QUICK):
    """The line of a server that cannot be opened."""
    with serving(behaviour) as url:
        settings = EngineSettings(kind=EngineKind.OPENAI, model=model, url=url)
        with pytest.raises(EngineError) as raised:
            asyncio.run(OpenAIEngine.open(settings, patience))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_vllm_takes_and_gives_token_ids():
    behaviour = Behaviour()
    engine, chunks = asyncio.run(one(behaviour))
    assert text(chunks) == TEXT
    assert [i for c in chunks for i in c.ids] == [*map(ord, TEXT), END]
    assert all(c.tokens == 1 and c.logprobs == (-0.5,) for c in chunks)
    assert chunks[-1].finish == "stop"
    assert engine.context == CONTEXT
    assert engine.name == "openai:tiny"
    (request,) = behaviour.requests
    assert request["prompt"] == [ord(c) for c in PROMPT]
    assert request["skip_special_tokens"] is False


def test_events_of_several_tokens_are_split():
    _, chunks = asyncio.run(one(Behaviour(per_event=4)))
    assert [c.text for c in chunks if c.text] == list(TEXT)
    assert sum(c.tokens for c in chunks) == len(TEXT) + 1


@pytest.mark.parametrize(
    ("behaviour", "name"),
    [
        (Behaviour(vllm=False), "openai:tiny:tokens by logprobs"),
        (Behaviour(vllm=False, logprobs=False, per_event=3), "openai:tiny:tokens by usage"),
        (Behaviour(vllm=False, refuse_options=True), "openai:tiny:tokens by chunk"),
    ],
)
def test_a_plain_server_takes_text_and_says_how_tokens_are_counted(behaviour, name):
    engine, chunks = asyncio.run(one(behaviour))
    assert text(chunks) == TEXT
    assert engine.name == name
    assert all(c.ids is None for c in chunks)
    assert behaviour.requests[0]["prompt"] == PROMPT
    if "chunk" not in name:
        assert sum(c.tokens for c in chunks) == len(TEXT) + 1


@pytest.mark.parametrize("vllm", [True, False])
def test_what_the_server_says_of_its_cache_comes_with_the_last_chunk(vllm):
    async def twice(behaviour):
        async with opened(behaviour) as engine:
            return [(await write(engine))[-1].sent for _ in range(2)]

    first, second = asyncio.run(twice(Behaviour(vllm=vllm, cache=True)))
    assert first == Sent(total=len(PROMPT), cached=0)
    assert second == Sent(total=len(PROMPT), cached=len(PROMPT))


def test_a_server_that_counts_nothing_says_nothing_of_the_prefix():
    _, chunks = asyncio.run(one(Behaviour(vllm=False, refuse_options=True)))
    assert {chunk.sent for chunk in chunks} == {None}


def test_length_ends_a_text():
    _, chunks = asyncio.run(one(Behaviour(), tokens=5))
    assert text(chunks) == TEXT[:5]
    assert chunks[-1].finish == "length"


CHAT = {"vllm": False, "chat": "continue"}


@pytest.mark.parametrize("abilities", [{}, {"vllm": False}, {"vllm": False, "logprobs": False}, CHAT])
@pytest.mark.parametrize("failure", ["cut", "hang", "garbage", 500, 503, 429])
def test_a_broken_text_goes_on_where_it_broke(abilities, failure):
    async def run(behaviour):
        async with opened(behaviour, IMPATIENT if failure == "hang" else QUICK) as engine:
            behaviour.failures = [failure]
            return await write(engine)

    behaviour = Behaviour(**abilities)
    chunks = asyncio.run(run(behaviour))
    whole = TEXT.removeprefix("So") if "chat" in abilities else TEXT
    assert text(chunks) == whole
    assert sum(c.tokens for c in chunks) == len(whole) + 1
    assert len(behaviour.requests) == 2
    delivered = 3 if failure in ("cut", "hang", "garbage") else 0
    assert behaviour.requests[1]["max_tokens"] == 100 - delivered


def test_a_server_that_keeps_failing_is_given_up():
    async def run(behaviour):
        async with opened(behaviour) as engine:
            behaviour.failures = [500] * 99
            with pytest.raises(EngineError, match=r"failed \(500\): .*told to answer 500") as raised:
                await write(engine)
            assert raised.value.transient
            return len(behaviour.requests)

    assert asyncio.run(run(Behaviour())) == QUICK.attempts


def test_a_refusal_is_not_repeated():
    async def run(behaviour):
        async with opened(behaviour) as engine:
            behaviour.failures = [400] * 9
            with pytest.raises(EngineError, match=r"refuses the request \(400\)"):
                await write(engine)
            return len(behaviour.requests)

    assert asyncio.run(run(Behaviour())) == 1


def test_the_pause_that_a_server_asks_for_is_kept(monkeypatch):
    pauses = []
    sleep = asyncio.sleep

    async def noted(seconds):
        pauses.append(seconds)
        await sleep(0)

    async def run(behaviour):
        async with opened(behaviour) as engine:
            behaviour.failures = [429]
            monkeypatch.setattr("cort_data.engines.openai.asyncio.sleep", noted)
            result = await write(engine)
            monkeypatch.undo()
            return result

    assert text(asyncio.run(run(Behaviour(retry_after="7")))) == TEXT
    assert 7.0 in pauses


def test_half_a_json_line_again_and_again_is_one_line():
    async def run(behaviour):
        async with opened(behaviour) as engine:
            behaviour.failures, behaviour.break_after = ["garbage"] * 9, 0
            with pytest.raises(EngineError, match="not the OpenAI API"):
                await write(engine)

    asyncio.run(run(Behaviour()))


def test_closing_a_stream_frees_the_servers_slot():
    async def run(behaviour):
        async with opened(behaviour, in_flight=1) as engine:
            prefix = Prefix(PROMPT, await engine.encode(PROMPT))
            behaviour.failures = ["hang"]
            async with aclosing(engine.generate(prefix, sampling())) as stream:
                await anext(stream)
                assert behaviour.open_streams == 1
            while behaviour.open_streams:  # the server hangs unless it sees that the stream was closed
                await asyncio.sleep(0.01)
            return text(await write(engine))

    assert asyncio.run(asyncio.wait_for(run(Behaviour()), 20)) == TEXT


def test_in_flight_bounds_the_open_streams():
    async def run(behaviour):
        async with opened(behaviour, in_flight=2) as engine:
            behaviour.most_open = 0
            await asyncio.gather(*(write(engine) for _ in range(8)))
            return behaviour.most_open

    assert asyncio.run(run(Behaviour(pause_s=0.002))) == 2


def test_a_wrong_model_name_lists_those_served():
    assert "does not serve 'other'; it serves: tiny" in failing(Behaviour(), model="other")


@pytest.mark.parametrize(
    ("every", "said"),
    [
        ("hang", "did not answer in time"),
        ("garbage", "not the OpenAI API"),
        ("html", "not the OpenAI API"),
        (500, "failed (500)"),
        (401, "set OPENAI_API_KEY"),
        (404, "does the address end in /v1?"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_line(every, said):
    assert said in failing(Behaviour(every=every, vllm=False), patience=IMPATIENT)


def test_a_server_that_refuses_is_one_line():
    settings = EngineSettings(kind=EngineKind.OPENAI, model="tiny", url=refused_address())
    with pytest.raises(EngineError, match="cannot reach") as raised:
        asyncio.run(OpenAIEngine.open(settings, QUICK))
    assert "\n" not in str(raised.value)


def test_an_address_is_needed():
    with pytest.raises(EngineError, match=r"engine\.url: missing"):
        asyncio.run(OpenAIEngine.open(EngineSettings(kind=EngineKind.OPENAI, model="tiny")))


def test_split_keeps_what_cannot_be_told_apart_together():
    chunks = list(split("aé!", ("a", "\ufffd", "\ufffd", "!"), (1, 2, 3, 4), None, 4, None))
    assert [(c.text, c.ids) for c in chunks] == [("a", (1,)), ("é!", (2, 3, 4))]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "You exceeded your quota", "code": "insufficient_quota"}, "the quota is used up (429)"),
        ({"message": "You exceeded your quota", "code": None, "type": "insufficient_quota"}, "is kept"),
    ],
)
def test_a_quota_that_is_used_up_is_not_waited_for(error, said):
    async def run(behaviour):
        async with opened(behaviour) as engine:
            behaviour.failures = [429] * 9
            behaviour.error = error
            with pytest.raises(EngineError) as raised:
                await write(engine)
            assert said in str(raised.value)
            assert not raised.value.transient
            return len(behaviour.requests)

    assert asyncio.run(run(Behaviour())) == 1


@pytest.mark.parametrize("vllm", [True, False])
def test_a_text_that_does_not_fit_is_told_apart(vllm):
    async def run(behaviour):
        async with opened(behaviour) as engine:
            behaviour.context = 10
            await write(engine)

    with pytest.raises(ContextError, match="maximum context length is 10"):
        asyncio.run(run(Behaviour(vllm=vllm)))


def test_a_server_is_not_asked_for_more_than_there_is_room_for():
    async def run(behaviour):
        async with opened(behaviour) as engine:
            await write(engine, tokens=1000)
        return behaviour.requests[0]["max_tokens"]

    assert asyncio.run(run(Behaviour(vllm=False, context=200))) == 200 - len(PROMPT) // 3
