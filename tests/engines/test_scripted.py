"""The scripted engine keeps the contract that the rollout's tests lean on."""

import asyncio
from contextlib import aclosing

import pytest

from cort_data.engines.base import Prefix, Sampling
from cort_data.engines.scripted import END, ScriptedEngine


def sampling(tokens=100):
    return Sampling(temperature=0, top_p=1, seed=0, max_tokens=tokens)


async def write(engine, prefix="", tokens=100):
    return [c async for c in engine.generate(Prefix(prefix, None), sampling(tokens))]


@pytest.mark.parametrize(
    "script", [["one two three"], {"?": "wrong", "why?": "one two three"}, lambda prefix: "one two three"]
)
def test_a_script_is_a_list_a_mapping_or_a_callable(script):
    chunks = asyncio.run(write(ScriptedEngine(script), "why?"))
    assert [c.text for c in chunks] == ["one", " two", " three", ""]
    assert [c.finish for c in chunks] == [None, None, None, "stop"]


def test_length_ends_a_text():
    chunks = asyncio.run(write(ScriptedEngine(["one two three"]), tokens=2))
    assert [(c.text, c.finish) for c in chunks] == [("one", None), (" two", "length")]


def test_ids_are_code_points():
    engine = ScriptedEngine(["hi\n"], ids=True)
    chunks = asyncio.run(write(engine))
    assert [c.ids for c in chunks] == [(104,), (105,), (10,), (END,)]
    assert asyncio.run(engine.encode("hi")) == (104, 105)


def test_open_streams_are_counted():
    async def run():
        engine = ScriptedEngine(lambda _: "a b c")
        async with aclosing(engine.generate(Prefix("", None), sampling())) as stream:
            await anext(stream)
            assert engine.live == 1
        return engine.live, engine.most_live, len(engine.calls)

    assert asyncio.run(run()) == (0, 1, 1)
