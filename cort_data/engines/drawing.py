"""Draw the next token of many rows at once, each with its own temperature, top_p and seed.

The random number of a token is a function of (seed, index of the token in its sequence) alone, and picks by
inverse distribution function. So a token depends on the seed and on what stands before it, never on which other
rows are in the batch, and a stream that is opened again where it was closed goes on as if it had not been. What
remains is floating point: another batch shape may round the logits another way, in bfloat16 visibly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CANDIDATES = (16, 256)  # most probable tokens that are looked at before all are sorted
SHIFT, LOW, HIGH = np.uint64(31), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Draws:
    """How each of B rows is drawn; every array is (B,)."""

    temperature: NDArray[np.float32]  # 0 is greedy
    top_p: NDArray[np.float32]
    seed: NDArray[np.uint64]
    index: NDArray[np.int64]  # tokens before the drawn one


def draw(logits: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Tokens (B,) for logits (B, V), and log-probabilities (nats) under the model itself, as at temperature 1."""
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    tokens = logprobs.argmax(dim=-1)
    sampled = draws.temperature > 0
    if sampled.any():
        drawn = _sample(logprobs, draws, np.where(sampled, draws.temperature, 1))
        tokens = torch.where(torch.from_numpy(sampled), drawn, tokens)
    return tokens, logprobs.gather(1, tokens[:, None])[:, 0]


def uniform(seed: NDArray[np.uint64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Numbers in [0, 1) of a counter-based generator (splitmix64, applied to the seed and then to the index)."""
    mixed = _mix(_mix(seed) + index.astype(np.uint64) * GOLDEN)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + GOLDEN
    x = (x ^ (x >> np.uint64(30))) * LOW
    x = (x ^ (x >> np.uint64(27))) * HIGH
    return x ^ (x >> SHIFT)


def _sample(logprobs: Tensor, draws: Draws, temperature: NDArray[np.float32]) -> Tensor:
    scaled = logprobs if (temperature == 1).all() else logprobs / torch.from_numpy(temperature)[:, None]
    probs = torch.softmax(scaled, dim=-1)
    u = torch.from_numpy(uniform(draws.seed, draws.index))
    top_p, whole = torch.from_numpy(draws.top_p), draws.top_p >= 1
    if whole.all():
        return _pick(probs, u)
    if not whole.any():
        return _nucleus(probs, top_p, u)
    return torch.where(torch.from_numpy(whole), _pick(probs, u), _nucleus(probs, top_p, u))


def _pick(probs: Tensor, u: Tensor) -> Tensor:
    """The column of each row where the running sum of weights passes u times their total."""
    sums = probs.cumsum(dim=-1, dtype=torch.float64)
    found = torch.searchsorted(sums, (u * sums[:, -1])[:, None], right=True)[:, 0]
    return found.clamp(max=probs.shape[1] - 1)


def _nucleus(probs: Tensor, top_p: Tensor, u: Tensor) -> Tensor:
    """Draw from the smallest set of most probable tokens whose probabilities reach top_p."""
    tokens = torch.full_like(u, -1, dtype=torch.int64)
    for candidates in (*CANDIDATES, probs.shape[1]):
        rows = (tokens < 0).nonzero()[:, 0]
        if not len(rows):
            break
        best, ids = probs[rows].topk(min(candidates, probs.shape[1]))
        before = best.cumsum(dim=-1) - best
        drawn = ids.gather(1, _pick(best * (before < top_p[rows, None]), u[rows])[:, None])[:, 0]
        reached = before[:, -1] + best[:, -1] >= top_p[rows]
        tokens[rows] = drawn if candidates >= probs.shape[1] else torch.where(reached, drawn, -1)
    return tokens
