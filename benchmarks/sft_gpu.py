"""The GPU mode of `sft.py`: LoRA and full training of a Qwen2-1.5B with random weights on packed rows.

Utilisation is model operations a second over the card's own rate for large bfloat16 products, measured in the same
minute. Operations are 6 a weight and token (4 where the base has no gradients) and those of the attention inside each
document; what gradient checkpointing computes again does not count.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sft_speed import Speed, Way
from transformers import Qwen2Config, Qwen2ForCausalLM

from cort_data.training.model import adapter_of, attention_name, find_base
from cort_data.training.rows import IGNORED
from cort_data.training.settings import SftSettings
from cort_data.training.tokens import load_tokenizer
from cort_data.training.trainer import Passes, TraceTrainer, arguments

SHAPE: dict[str, Any] = {
    "vocab_size": 151_936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": True,
}
DOCUMENTS = (1024, 12_000)  # shortest and longest, in tokens


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    peak = matrix_rate()
    print(f"{torch.cuda.get_device_name()}: {peak / 1e12:.0f} TFLOP/s in products of 8192 × 8192 in bfloat16")
    rows = []
    for method in ("lora", "full"):
        speed, peak_bytes, work = _run(method, args, folder)
        rate = speed.rate
        rows.append(
            {
                "method": method,
                "length": args.length,
                "tokens_per_s": round(rate),
                "mfu": round(rate * work / peak, 3),
                "peak_gib": round(peak_bytes / 2**30, 1),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return {
        "gpu": torch.cuda.get_device_name(),
        "matrix_tflops": round(peak / 1e12),
        "attention": attention_name(SftSettings()),
        "rows": rows,
    }


def _run(method: str, args: argparse.Namespace, folder: Path) -> tuple[Speed, int, float]:
    """Speed, the most memory, and operations a token."""
    settings = SftSettings(method=method, max_tokens=args.length)
    dtype = torch.float32 if method == "full" else torch.bfloat16
    torch.manual_seed(0)
    model = Qwen2ForCausalLM._from_config(Qwen2Config(**SHAPE), attn_implementation=attention_name(settings)).to(dtype)
    weights = model.num_parameters()
    rows, seen = _documents(args.length, args.updates + args.warm_up)

    def make(updates: int) -> TraceTrainer:
        given = arguments(settings, Passes(1, 1, updates), 0, folder, evaluate=False)
        given.max_steps, given.save_strategy, given.logging_steps = updates, "no", 10_000
        tokenizer = load_tokenizer(find_base("nano-student"))
        return TraceTrainer(
            model, args=given, train_dataset=rows, processing_class=tokenizer, peft_config=adapter_of(settings)
        )

    torch.cuda.reset_peak_memory_stats()
    speed = Way(method, method, args.length, make).run(args.warm_up, args.updates)
    attention = 4 * SHAPE["num_hidden_layers"] * SHAPE["hidden_size"] * seen  # forward, operations a token
    work = (6 if method == "full" else 4) * weights + 3 * attention
    return speed, torch.cuda.max_memory_allocated(), work


def _documents(length: int, rows: int) -> tuple[Dataset, float]:
    """Rows full of documents of random lengths, half of whose tokens are trained; and the tokens that one sees."""
    rng = np.random.default_rng(0)
    made: list[dict[str, Any]] = []
    squares = total = 0
    for _ in range(rows):
        lengths = []
        while (rest := length - sum(lengths)) > 0:
            drawn = int(rng.integers(*(min(bound, length) for bound in DOCUMENTS), endpoint=True))
            lengths.append(min(drawn, rest))
        ids = rng.integers(1, SHAPE["vocab_size"], length)
        labels = np.where(rng.random(length) < 0.5, ids, IGNORED)
        made.append({"input_ids": ids.tolist(), "labels": labels.tolist(), "seq_lengths": lengths})
        squares += sum(n * n for n in lengths)
        total += length
    return Dataset.from_list(made), squares / total / 2


def matrix_rate(size: int = 8192, repeats: int = 30) -> float:
    """Operations a second of the card in large bfloat16 products."""
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        a @ b
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(repeats):
        a @ b
    torch.cuda.synchronize()
    return 2 * size**3 * repeats / (time.perf_counter() - started)
