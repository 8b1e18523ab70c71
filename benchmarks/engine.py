"""Tokens a second of the transformers engine, against Hugging Face `generate` at the same batch size.

    python benchmarks/engine.py [MODEL_DIR] [--tokens 256] [--dtype bfloat16]

Without a folder, a random Qwen2 of the nano shape (3.2M parameters) is built. Prompts and lengths are the same
for both, drawn at temperature 1 without end tokens, so that only speed differs. Writes docs/results/engine.json.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from cort_data.engines.base import Prefix, Sampling
from cort_data.engines.model import load_model, use_threads
from cort_data.engines.settings import EngineSettings
from cort_data.engines.transformers import TransformersEngine

PROMPT = 64  # tokens
IN_FLIGHT = (1, 16, 64, 128)
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "engine.json"


def build_nano_shape(folder: Path) -> Path:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from conftest import byte_level_tokenizer

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=1024,
        hidden_size=256,
        intermediate_size=640,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    byte_level_tokenizer().save_pretrained(folder)
    return folder


def prompts(count: int, vocabulary: int) -> list[tuple[int, ...]]:
    drawn = np.random.default_rng(0).integers(1, vocabulary, (count, PROMPT))
    return [tuple(row.tolist()) for row in drawn]


async def ours(settings: EngineSettings, count: int, tokens: int) -> float:
    model = dataclasses.replace(load_model(settings), eos=frozenset())
    engine = TransformersEngine(model, count)

    async def one(ids: tuple[int, ...], seed: int) -> int:
        stream = engine.generate(Prefix("", ids), Sampling(1.0, 0.95, seed, tokens))
        return sum([chunk.tokens async for chunk in stream])

    async def everything() -> int:
        jobs = prompts(count, model.vocabulary)
        return sum(await asyncio.gather(*(one(ids, seed) for seed, ids in enumerate(jobs))))

    await one(prompts(1, model.vocabulary)[0], 0)
    start = time.perf_counter()
    written = await everything()
    rate = written / (time.perf_counter() - start)
    await engine.close()
    return rate


def theirs(folder: str, dtype: str, count: int, tokens: int) -> float:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    ids = torch.tensor(prompts(count, model.config.vocab_size))
    options = {"do_sample": True, "temperature": 1.0, "top_p": 0.95, "top_k": 0, "max_new_tokens": tokens}
    options |= {"min_new_tokens": tokens, "pad_token_id": 0, "attention_mask": torch.ones_like(ids)}
    start = time.perf_counter()
    model.generate(ids, **options)
    return count * tokens / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    args = parser.parse_args()
    use_threads()
    folder = args.model or str(build_nano_shape(Path(tempfile.mkdtemp())))
    rows = []
    for count in IN_FLIGHT:
        settings = EngineSettings(model=folder, dtype=args.dtype, in_flight=count)
        rate = asyncio.run(ours(settings, count, args.tokens))
        reference = theirs(folder, args.dtype, count, args.tokens)
        rows.append({"in_flight": count, "engine": round(rate), "generate": round(reference)})
        print(f"{count:4d} in flight: {rate:7.0f} tokens/s, generate {reference:7.0f}, {rate / reference:.2f}x")
    report = {
        "command": "python benchmarks/engine.py",
        "model": args.model or "random, nano shape",
        "tokens": args.tokens,
        "dtype": args.dtype,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "rows": rows,
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
