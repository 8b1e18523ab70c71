"""What moves between slots and passes changes no token."""

import asyncio

import numpy as np
import pytest
from test_transformers import FREE, GREEDY, PROMPTS, opened, tokens, write

from cort_data.engines import Prefix, Sampling, batcher, kvcache
from cort_data.errors import EngineError

LONG = (PROMPTS[4] + PROMPTS[5]) * 4


async def alone(folder, prompt, sampling):
    async with opened(folder, in_flight=1) as engine:
        return tokens(await write(engine, prompt, sampling))


@pytest.mark.parametrize(("piece", "columns"), [(2048, 256), (16, 8)])
def test_long_prompts_in_pieces_and_a_growing_cache(tiny_model_dir, monkeypatch, piece, columns):
    async def run():
        async with opened(tiny_model_dir) as engine:
            return [tokens(c) for c in await asyncio.gather(*(write(engine, p, FREE) for p in (LONG, "x", LONG[:90])))]

    expected = [asyncio.run(alone(tiny_model_dir, p, FREE)) for p in (LONG, "x", LONG[:90])]
    monkeypatch.setattr(batcher, "PREFILL_TOKENS", piece)
    monkeypatch.setattr(kvcache, "FIRST_COLUMNS", columns)
    assert asyncio.run(run()) == expected


def test_rows_change_places_when_their_neighbours_end(tiny_model_dir, monkeypatch):
    moves = []
    for module in (kvcache, batcher):
        monkeypatch.setattr(module, "BAND", 4)
    monkeypatch.setattr(batcher, "WORTH", 4)
    swap = kvcache.SlotCache.swap
    monkeypatch.setattr(kvcache.SlotCache, "swap", lambda self, *args: moves.append(args) or swap(self, *args))
    short = Sampling(temperature=1, top_p=0.9, seed=7, max_tokens=2)

    async def run():
        async with opened(tiny_model_dir, in_flight=16) as engine:
            jobs = [write(engine, p, short) for p in PROMPTS] + [write(engine, p, FREE) for p in PROMPTS]
            return [tokens(chunks) for chunks in await asyncio.gather(*jobs)]

    written = asyncio.run(run())
    assert moves
    assert written[8:] == [asyncio.run(alone(tiny_model_dir, p, FREE)) for p in PROMPTS]


def test_a_branch_copies_the_prefix_of_a_live_stream(tiny_model_dir, monkeypatch):
    copies = []
    copy = kvcache.SlotCache.copy
    monkeypatch.setattr(kvcache.SlotCache, "copy", lambda self, *args: copies.append(args) or copy(self, *args))

    async def run():
        async with opened(tiny_model_dir) as engine:
            prompt = await engine.encode(LONG)
            stream = engine.generate(Prefix("", prompt), GREEDY)
            await anext(stream)
            branch = tokens(await write(engine, prompt, FREE))
            await stream.aclose()
            return len(prompt), branch

    length, branch = asyncio.run(run())
    assert [reused for _, _, reused in copies] == [length - 1]
    assert branch == asyncio.run(alone(tiny_model_dir, LONG, FREE))


def test_a_cancelled_reader_frees_its_slot(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir, in_flight=1) as engine:
            endless = Sampling(temperature=1, top_p=1, seed=3, max_tokens=400)
            task = asyncio.create_task(write(engine, "x", endless))
            while not any(r.produced for r in engine._requests):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return tokens(await write(engine, "x", FREE))

    assert asyncio.run(run()) == asyncio.run(alone(tiny_model_dir, "x", FREE))


def test_closing_the_engine_ends_open_streams(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir) as engine:
            stream = engine.generate(Prefix("", (5,)), Sampling(temperature=1, top_p=1, seed=3, max_tokens=400))
            await anext(stream)
            await engine.close()
            with pytest.raises(EngineError, match="was closed"):
                [chunk async for chunk in stream]

    asyncio.run(run())


def test_values_that_are_no_numbers_are_an_error(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir) as engine:
            engine._model.network.lm_head.weight.data.fill_(float("nan"))
            with pytest.raises(EngineError, match="no numbers"):
                await write(engine, "x", FREE)

    asyncio.run(run())


def test_the_row_that_is_furthest_from_its_band_is_found(monkeypatch):
    monkeypatch.setattr(batcher, "BAND", 2)
    assert batcher.misplaced(np.array([300, 200, 180, 100])) is None
    assert batcher.misplaced(np.array([300, 0, 180, 100, 250])) == (1, 4)
    assert batcher.misplaced(np.array([300, 290, 0, 200, 280, 90])) == (2, 4)
