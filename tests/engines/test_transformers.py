"""The engine in process: same tokens as Hugging Face, alone or in company, fresh or resumed."""

import asyncio
import os
from contextlib import aclosing, asynccontextmanager

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from cort_data.engines import EngineKind, EngineSettings, Prefix, Sampling, open_engine
from cort_data.engines.batcher import AHEAD
from cort_data.engines.model import load_model
from cort_data.errors import EngineError

PROMPTS = [
    "Let me compute 12 * 7",
    "So the answer",
    "naïve café — 数学 and more of it",
    "x",
    "print(12 * 7)\n```\n```output\n84\n```\nSo the",
    "gcd of 84 and 36. gcd of 84 and 36. gcd of 84 and 36.",
    "<think>\n",
    "1.5",
]
GREEDY = Sampling(temperature=0, top_p=1, seed=0, max_tokens=24)
FREE = Sampling(temperature=1, top_p=0.9, seed=7, max_tokens=24)


def settings(folder, **changes):
    return EngineSettings(
        **{"kind": EngineKind.TRANSFORMERS, "model": str(folder), "dtype": "float32", "in_flight": 8} | changes
    )


@asynccontextmanager
async def opened(folder, **changes):
    engine = await open_engine(settings(folder, **changes))
    try:
        yield engine
    finally:
        await engine.close()


async def write(engine, prompt, sampling):
    ids = prompt if isinstance(prompt, tuple) else await engine.encode(prompt)
    return [chunk async for chunk in engine.generate(Prefix("", ids), sampling)]


def tokens(chunks):
    return [i for chunk in chunks for i in chunk.ids]


def test_greedy_equals_generate(tiny_model_dir):
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.float32)

    async def run():
        async with opened(tiny_model_dir) as engine:
            got = await asyncio.gather(*(write(engine, p, GREEDY) for p in PROMPTS))
            return got, [await engine.encode(p) for p in PROMPTS]

    got, ids = asyncio.run(run())
    for chunks, prompt in zip(got, ids, strict=True):
        full = model.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)
        assert tokens(chunks) == full[0, len(prompt) :].tolist()


def test_logprobs_are_those_of_the_model(tiny_model_dir):
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.float32)

    async def run():
        async with opened(tiny_model_dir) as engine:
            return await engine.encode(PROMPTS[0]), await write(engine, PROMPTS[0], FREE)

    prompt, chunks = asyncio.run(run())
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *tokens(chunks)]])).logits[0, len(prompt) - 1 : -1]
    expected = logits.log_softmax(-1)[range(len(chunks)), tokens(chunks)]
    np.testing.assert_allclose([c.logprobs[0] for c in chunks], expected, atol=1e-4)


def test_a_batch_of_eight_equals_eight_of_one(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir) as engine:
            together = await asyncio.gather(*(write(engine, p, FREE) for p in PROMPTS))
        async with opened(tiny_model_dir, in_flight=1) as engine:
            return together, [await write(engine, p, FREE) for p in PROMPTS]

    together, alone = asyncio.run(run())
    assert [tokens(c) for c in together] == [tokens(c) for c in alone]


def test_more_requests_than_slots_all_finish(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir, in_flight=3) as engine:
            many = await asyncio.gather(*(write(engine, p, FREE) for p in PROMPTS * 3))
        return [tokens(c) for c in many]

    many = asyncio.run(run())
    assert many[:8] == many[8:16] == many[16:]


@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_closed_stream_resumes_as_if_undisturbed(tiny_model_dir, in_flight):
    async def run():
        async with opened(tiny_model_dir, in_flight=in_flight) as engine:
            whole = tokens(await write(engine, PROMPTS[0], FREE))
            prompt = await engine.encode(PROMPTS[0])
            start = []
            async with aclosing(engine.generate(Prefix("", prompt), FREE)) as stream:
                async for chunk in stream:
                    start += chunk.ids
                    if len(start) == 9:
                        break
            rest = Sampling(temperature=1, top_p=0.9, seed=7, max_tokens=24 - 9)
            await write(engine, PROMPTS[1], FREE)
            return whole, start + tokens(await write(engine, (*prompt, *start), rest))

    whole, joined = asyncio.run(run())
    assert joined == whole


def test_inserting_and_cutting_back_equal_a_fresh_run(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir) as engine:
            prompt = await engine.encode(PROMPTS[4])
            first = tokens(await write(engine, prompt, GREEDY))
            inserted = (*prompt, *first[:20], *await engine.encode("\n```output\n84\n```\n"))
            cut = (*prompt, *first[:3])
            warm = [tokens(await write(engine, p, GREEDY)) for p in (inserted, cut)]
        fresh = []
        for p in (inserted, cut):
            async with opened(tiny_model_dir) as engine:
                fresh.append(tokens(await write(engine, p, GREEDY)))
        return warm, fresh

    warm, fresh = asyncio.run(run())
    assert warm == fresh


def test_a_seed_reproduces_and_another_differs(tiny_model_dir):
    other = Sampling(temperature=1, top_p=0.9, seed=8, max_tokens=24)

    async def run():
        async with opened(tiny_model_dir) as engine:
            return [tokens(await write(engine, "x", s)) for s in (FREE, FREE, other)]

    first, again, differs = asyncio.run(run())
    assert first == again
    assert first != differs


def test_closing_frees_the_slot_and_little_is_written_ahead(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir, in_flight=1) as engine:
            long = Sampling(temperature=1, top_p=1, seed=3, max_tokens=400)
            stream = engine.generate(Prefix("", await engine.encode("x")), long)
            await anext(stream)
            await asyncio.sleep(0.05)
            (request,) = engine._requests
            ahead = request.produced - request.consumed
            await stream.aclose()
            after = await write(engine, "So the answer", FREE)
            return ahead, len(after), engine._requests

    ahead, written, open_requests = asyncio.run(run())
    assert ahead <= AHEAD
    assert written
    assert not open_requests


def test_text_of_the_chunks_is_the_full_decode(tiny_model_dir):
    sampling = Sampling(temperature=3, top_p=1, seed=1, max_tokens=120)

    async def run():
        async with opened(tiny_model_dir) as engine:
            chunks = await write(engine, "数学", sampling)
            ids = [i for i in tokens(chunks) if i not in engine._model.eos]
            return chunks, engine._model.tokenizer.decode(ids, skip_special_tokens=False)

    chunks, decoded = asyncio.run(run())
    assert "".join(c.text for c in chunks) == decoded


def test_stop_length_and_context_end_a_text(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir) as engine:
            short = await write(engine, "x", Sampling(temperature=0, top_p=1, seed=0, max_tokens=3))
            assert engine.context == 512
            nearly = await write(engine, (5,) * 510, GREEDY)
            full = await write(engine, (5,) * 512, GREEDY)
            return short, nearly, full

    short, nearly, full = asyncio.run(run())
    assert [c.finish for c in short] == [None, None, "length"]
    assert len(nearly) == 2
    assert [(c.tokens, c.finish) for c in full] == [(0, "length")]


def test_an_end_token_is_in_the_ids_and_not_in_the_text(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir) as engine:
            greedy = tokens(await write(engine, "x", GREEDY))
            engine._batcher._end = np.array([greedy[2]])
            return greedy, await write(engine, "x", GREEDY)

    greedy, chunks = asyncio.run(run())
    assert tokens(chunks) == greedy[: greedy.index(greedy[2]) + 1]
    assert chunks[-1].finish == "stop"
    assert chunks[-1].text == ""


def test_a_failure_in_the_thread_reaches_every_reader(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir) as engine:

            def broken(*_, **__):
                raise RuntimeError("out of memory\nwith details")

            engine._model.network.forward = broken
            results = await asyncio.gather(*(write(engine, p, FREE) for p in PROMPTS), return_exceptions=True)
            late = await asyncio.gather(write(engine, "x", FREE), return_exceptions=True)
            return results + late

    results = asyncio.run(run())
    assert len(results) == 9
    for error in results:
        assert isinstance(error, EngineError)
        assert str(error).endswith("stopped: RuntimeError: out of memory")


def test_a_prefix_that_the_model_cannot_take_is_refused(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir) as engine:
            with pytest.raises(EngineError, match="empty prefix"):
                await write(engine, (), GREEDY)
            with pytest.raises(EngineError, match="vocabulary"):
                await write(engine, (5, 99999), GREEDY)
            assert await write(engine, "x", GREEDY)

    asyncio.run(run())


def test_auto_picks_a_type_by_measuring(tiny_model_dir):
    async def run():
        async with opened(tiny_model_dir, dtype="auto") as engine:
            return engine.name

    assert asyncio.run(run()).rsplit(":", 1)[1] in {"bfloat16", "float32"}


@pytest.mark.parametrize(
    ("missing", "said"), [("config.json", "no config.json"), ("tokenizer*", "no tokenizer"), ("model*", "no weights")]
)
def test_a_folder_without_a_part_is_named(tiny_model_dir, tmp_path, missing, said):
    for file in tiny_model_dir.iterdir():
        if not file.match(missing):
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(EngineError, match=said) as raised:
        asyncio.run(open_engine(settings(tmp_path)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", "{", "cannot load"),
        ("model.safetensors", "not weights", "cannot load"),
        ("tokenizer.json", "{}", "cannot load"),
    ],
)
def test_a_broken_file_is_one_line(tiny_model_dir, tmp_path, file, content, said):
    for source in tiny_model_dir.iterdir():
        (tmp_path / source.name).symlink_to(source)
    (tmp_path / file).unlink()
    (tmp_path / file).write_text(content)
    with pytest.raises(EngineError, match=said) as raised:
        asyncio.run(open_engine(settings(tmp_path)))
    assert "\n" not in str(raised.value)


def test_no_folder_says_how_to_get_one(tmp_path):
    with pytest.raises(EngineError, match="hf download"):
        asyncio.run(open_engine(settings(tmp_path / "nothing")))


def test_threads_are_those_of_the_environment_or_measured(tiny_model_dir, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert load_model(settings(tiny_model_dir)).threads == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert load_model(settings(tiny_model_dir)).threads in {1, len(os.sched_getaffinity(0))}
