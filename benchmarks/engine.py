"""Tokens a second of the transformers engine, against Hugging Face `generate` at the same batch size.

    python benchmarks/engine.py [MODEL_DIR] [--tokens 256] [--dtype bfloat16]

Without a folder, nano-teacher writes. Prompts and lengths are the same for both, drawn at temperature 1 without
end tokens, so that only speed differs. The ratio is of CPU seconds too, which other work on the machine disturbs
less. Writes docs/results/engine.json.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from cort_data.engines.base import Prefix, Sampling
from cort_data.engines.model import load_model
from cort_data.engines.settings import EngineSettings
from cort_data.engines.transformers import TransformersEngine

PROMPT = 64  # tokens
IN_FLIGHT = (1, 16, 64, 128)
ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "engine.json"
THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
TEACHER = ROOT / "cort_data" / "nano" / "weights" / "teacher"
Rates = tuple[float, float]  # tokens a second, tokens a CPU second


def prompts(count: int, vocabulary: int) -> list[tuple[int, ...]]:
    drawn = np.random.default_rng(0).integers(1, vocabulary, (count, PROMPT))
    return [tuple(row.tolist()) for row in drawn]


class Clock:
    """Wall and CPU time since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def rates(self, tokens: int) -> Rates:
        """Of what was written since then."""
        return tokens / (time.perf_counter() - self.wall), tokens / (time.process_time() - self.cpu)


async def ours(settings: EngineSettings, tokens: int) -> Rates:
    model = dataclasses.replace(load_model(settings), eos=frozenset(), threads=THREADS)
    engine = TransformersEngine(model, settings.in_flight)

    async def one(ids: tuple[int, ...], seed: int, tokens: int) -> int:
        stream = engine.generate(Prefix("", ids), Sampling(1.0, 0.95, seed, tokens))
        return sum([chunk.tokens async for chunk in stream])

    jobs = prompts(settings.in_flight, model.vocabulary)
    await one(jobs[0], 0, 4)
    clock = Clock()
    written = sum(await asyncio.gather(*(one(ids, seed, tokens) for seed, ids in enumerate(jobs))))
    rates = clock.rates(written)
    await engine.close()
    return rates


def theirs(settings: EngineSettings, tokens: int) -> Rates:
    torch.set_num_threads(THREADS)
    model = AutoModelForCausalLM.from_pretrained(settings.model, dtype=getattr(torch, settings.dtype)).eval()
    ids = torch.tensor(prompts(settings.in_flight, model.config.vocab_size))
    options = {"do_sample": True, "temperature": 1.0, "top_p": 0.95, "top_k": 0, "pad_token_id": 0}
    mask = torch.ones_like(ids)
    model.generate(ids, attention_mask=mask, max_new_tokens=4, **options)
    clock = Clock()
    model.generate(ids, attention_mask=mask, max_new_tokens=tokens, min_new_tokens=tokens, **options)
    return clock.rates(len(ids) * tokens)


def measured(settings: EngineSettings, tokens: int) -> dict[str, float]:
    wall, cpu = asyncio.run(ours(settings, tokens))
    reference_wall, reference_cpu = theirs(settings, tokens)
    return {
        "in_flight": settings.in_flight,
        "engine": round(wall),
        "generate": round(reference_wall),
        "ratio": round(wall / reference_wall, 2),
        "cpu_ratio": round(cpu / reference_cpu, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default=str(TEACHER))
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    args = parser.parse_args()
    rows = []
    for count in IN_FLIGHT:
        settings = EngineSettings(model=args.model, dtype=args.dtype, in_flight=count)
        rows.append(measured(settings, args.tokens))
        print(json.dumps(rows[-1]), flush=True)
    report = {
        "command": "python benchmarks/engine.py",
        "model": Path(args.model).name,
        "prompt_tokens": PROMPT,
        "tokens": args.tokens,
        "dtype": args.dtype,
        "threads": THREADS,
        "machine": platform.machine(),
        "rows": rows,
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
