"""Trains a nano model from scratch: corpus, tokenizer, a base phase, a behaviour phase.

The base phase learns to compute and to write code on a broad mixture; its checkpoint is cached in the output folder's
parent and shared by the models. The short behaviour phase only moves *how often* each behaviour is shown, so rates
can be tuned in minutes. Sequences of similar length are batched and padded on the right: with causal attention that
keeps documents apart without a mask.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy

from cort_data.nano import phrases
from cort_data.nano.corpus import Mixture, traces
from cort_data.nano.mixtures import BASE, MIXTURES, mixture_of
from cort_data.nano.tokenizer import IGNORED, Row, encode, prompt_text, train_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SHAPE: dict[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "intermediate_size": 640,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
    "attention_bias": True,
    "rope_theta": 10_000.0,
}
WIDTH_STEP = 32
"""Batches are padded to a multiple of this many tokens."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of training with a learning rate that is warmed up and then decayed along a cosine to a twentieth."""

    tokens: int
    """Tokens seen, prompt and interpreter tokens included, padding not."""
    muon_lr: float
    adam_lr: float
    batch_tokens: int = 6144
    warmup: int = 40
    """Steps."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides the weights."""

    seed: int = 7
    vocab_size: int = 1024
    base: Phase = Phase(tokens=10_000_000, muon_lr=0.01, adam_lr=3e-3)
    behaviour: Phase = Phase(tokens=1_400_000, muon_lr=0.002, adam_lr=6e-4)
    control: Phase = Phase(tokens=3_000_000, muon_lr=0.006, adam_lr=2e-3)
    """In place of `behaviour` for nano-null, which must become faultless on easy problems."""
    threads: int = 2


def train(name: str, out_dir: Path, plan: Plan | None = None) -> Path:
    """Train `teacher`, `student` or `null` into `out_dir`; the base checkpoint stands beside it and is used again."""
    mixture = mixture_of(name)
    plan = plan or Plan()
    torch.set_num_threads(plan.threads)
    base_dir = out_dir.parent / f"base-seed{plan.seed}"
    if not (base_dir / "training_log.json").exists():
        _train_base(base_dir, plan)
    tokenizer, model = load(base_dir)
    phase = plan.control if name == "null" else plan.behaviour
    log = _run_phase(model, tokenizer, mixture, phase, plan.seed + 1 + list(MIXTURES).index(name))
    base_log = json.loads((base_dir / "training_log.json").read_text())
    _save(out_dir, model, tokenizer, {"name": name, **base_log, "plan": asdict(plan), "behaviour": log})
    return out_dir


def _train_base(base_dir: Path, plan: Plan) -> None:
    random.seed(plan.seed)
    torch.manual_seed(plan.seed)
    sample = islice(traces("pretrain", plan.seed, BASE), 8000)
    texts = (text for t in sample for text in (prompt_text(t.problem.text), *(p.text for p in t.pieces)))
    tokenizer = train_tokenizer(texts, plan.vocab_size)
    model = new_model(tokenizer, plan)
    log = _run_phase(model, tokenizer, BASE, plan.base, plan.seed)
    _save(base_dir, model, tokenizer, {"seed": plan.seed, "plan": asdict(plan), "base": log})


def new_model(tokenizer: PreTrainedTokenizerFast, plan: Plan) -> PreTrainedModel:
    """A Llama-architecture model with attention biases and random weights.

    Not Qwen2: transformers reads every qwen2 folder with the Qwen2 tokenizer class, which splits text its own way.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    end = tokenizer.eos_token_id
    config = LlamaConfig(vocab_size=plan.vocab_size, bos_token_id=None, eos_token_id=end, pad_token_id=end, **SHAPE)
    return LlamaForCausalLM(config)


def load(path: Path) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """Tokenizer and model of a folder, in float32 for training."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoTokenizer.from_pretrained(path), AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)


def _save(path: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, log: dict[str, Any]) -> None:
    """Write the folder under another name and move it, so that a present folder is complete."""
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    model.to(torch.bfloat16).save_pretrained(part)
    tokenizer.save_pretrained(part)
    seen = {name: list(phrases.seen_wordings(name)) for name in phrases.HINTS}
    (part / "seen_wordings.json").write_text(json.dumps(seen, indent=1) + "\n")
    (part / "training_log.json").write_text(json.dumps(log, indent=1) + "\n")
    shutil.rmtree(path, ignore_errors=True)
    part.rename(path)


def _run_phase(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, mixture: Mixture, phase: Phase, seed: int
) -> dict[str, Any]:
    """Train in place; returns what is written to the log."""
    optimizers = _optimizers(model, phase)
    model.train()
    started, seen, losses, curve = time.monotonic(), 0, [], []
    for step, batch in enumerate(_batches(tokenizer, mixture, phase, seed)):
        scale = _schedule(step, seen / phase.tokens, phase)
        losses.append(_step(model, batch, optimizers, scale))
        seen += int((batch[0] != tokenizer.pad_token_id).sum())
        if step % 25 == 24:
            loss, losses = sum(losses) / len(losses), []
            rate = seen / (time.monotonic() - started)
            curve.append([step + 1, seen, round(loss, 4)])
            print(f"step {step + 1}  {seen / phase.tokens:.0%}  loss {loss:.4f}  {rate:,.0f} tokens/s", file=sys.stderr)
        if seen >= phase.tokens:
            break
    seconds = round(time.monotonic() - started, 1)
    return {
        "mixture": asdict(mixture),
        "phase": asdict(phase),
        "seconds": seconds,
        "tokens": seen,
        "curve": {"columns": ["step", "tokens", "loss"], "rows": curve},
    }


def _optimizers(model: PreTrainedModel, phase: Phase) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the matrices, AdamW for embeddings, norms and biases; each with its peak learning rate."""
    matrices: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (matrices if parameter.ndim == 2 and "embed" not in name else rest).append(parameter)
    muon = torch.optim.Muon(matrices, lr=phase.muon_lr, weight_decay=0.01)
    adam = torch.optim.AdamW(rest, lr=phase.adam_lr, betas=(0.9, 0.95), weight_decay=0.0)
    return [(muon, phase.muon_lr), (adam, phase.adam_lr)]


def _schedule(step: int, done: float, phase: Phase) -> float:
    warm = min(1.0, (step + 1) / phase.warmup)
    return warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def _step(
    model: PreTrainedModel,
    batch: tuple[torch.Tensor, torch.Tensor],
    optimizers: list[tuple[torch.optim.Optimizer, float]],
    scale: float,
) -> float:
    ids, labels = batch  # (B, T), (B, T)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]  # (B, T-1, H)
        logits = model.lm_head(hidden)  # (B, T-1, V)
    loss = cross_entropy(logits.float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer, peak in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = peak * scale
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def _batches(
    tokenizer: PreTrainedTokenizerFast, mixture: Mixture, phase: Phase, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches: a pool of rows is sorted by length, cut into batches, and these are shuffled."""
    rng = random.Random(f"batches/{seed}")
    source = traces("pretrain", seed, mixture)
    while True:
        pool = sorted((encode(tokenizer, t) for t in islice(source, 1500)), key=lambda row: len(row.ids))
        batches = list(_cut(pool, phase.batch_tokens))
        rng.shuffle(batches)
        for rows in batches:
            yield _tensors(rows, tokenizer.pad_token_id)


def _cut(pool: list[Row], budget: int) -> Iterator[list[Row]]:
    rows: list[Row] = []
    for row in pool:
        if rows and (len(rows) + 1) * _padded(row) > budget:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def _padded(row: Row) -> int:
    """Few different widths: the matrix kernels are compiled anew for each shape."""
    return math.ceil(len(row.ids) / WIDTH_STEP) * WIDTH_STEP


def _tensors(rows: list[Row], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(_padded, rows))
    ids = torch.tensor([[*row.ids, *[pad] * (width - len(row.ids))] for row in rows])
    labels = torch.tensor([[*row.labels, *[IGNORED] * (width - len(row.labels))] for row in rows])
    return ids, labels
