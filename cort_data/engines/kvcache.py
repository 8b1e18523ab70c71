"""A key-value cache of independent rows, and the attention that reads it.

transformers' own caches append one column for the whole batch. Here each row has its own length, rows join
and leave between steps, and nothing is copied per step: a decoding step reads the first rows as a view.
Attention folds the query heads of a group into the query axis, so that grouped keys are not repeated either
(transformers' sdpa repeats them: 3 to 6 times slower at 64 rows of 300 tokens on 2 cores).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.cache_utils import Cache, CacheLayerMixin

from cort_data.errors import EngineError

ATTENTION = "cort_slots"
BAND = 16  # rows that are read to one length while decoding
Band = tuple[slice, int]  # rows, and how many columns they read
PADDING = -1  # column of tokens that nobody reads: the last one, kept out of every view
FIRST_COLUMNS = 256


@dataclass(slots=True)
class Step:
    """Where one forward pass writes and reads.

    `rows` (B,) slots; `columns` (B, S) of each token, PADDING for none; `length` columns are read. `leading`
    says that rows are 0..B-1, which are then read without a copy.
    """

    rows: Tensor
    columns: Tensor
    length: int
    leading: bool


class SlotLayer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer: (slots, kv_heads, columns + 1, head_dim), zeroed, grown when needed."""

    is_sliding = False

    def __init__(self, cache: SlotCache) -> None:
        super().__init__()
        self._cache = cache

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate for the first time, shaped as what is to be stored."""
        self.keys, self.values = (self._room(s, s.new_zeros(0)) for s in (key_states, value_states))
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Store (B, kv_heads, S, head_dim) and return what the rows hold, (B, kv_heads, length, head_dim)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        elif self.keys.shape[2] <= self._cache.columns:
            self.keys, self.values = (self._room(s, s) for s in (self.keys, self.values))
        return self._store(self.keys, key_states), self._store(self.values, value_states)

    def _store(self, held: Tensor, new: Tensor) -> Tensor:
        step = self._cache.step
        held[step.rows[:, None], :, step.columns] = new.transpose(1, 2)
        if step.leading:
            return held[: len(step.rows), :, : step.length]
        return held[:, :, : step.length][step.rows]

    def _room(self, like: Tensor, old: Tensor) -> Tensor:
        # Zeros, not garbage: a masked value is multiplied by 0, and 0 times NaN is NaN.
        grown = like.new_zeros(self._cache.slots, like.shape[1], self._cache.columns + 1, like.shape[3])
        if old.numel():
            grown[:, :, : old.shape[2] - 1] = old[:, :, :-1]
        return grown

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Unused, because masks are given; required by the base class."""
        return self._cache.step.length, query_length

    def get_seq_length(self) -> int:
        """Unused, because positions are given; required by the base class."""
        return self._cache.step.length

    def get_max_length(self) -> int:
        """No maximum."""
        return -1


class SlotCache(Cache):  # type: ignore[misc]
    """The cache of all layers. Set `step` before each forward pass."""

    step: Step

    def __init__(self, layers: int, slots: int, context: int) -> None:
        self.slots = slots
        self.columns = min(FIRST_COLUMNS, context)
        self._context = context
        super().__init__(layers=[SlotLayer(self) for _ in range(layers)])

    def plan(self, step: Step) -> None:
        """Say what the next pass does, and make room for it."""
        self.step = step
        if step.length > self.columns:
            self.columns = min(self._context, max(step.length, 2 * self.columns))

    def copy(self, source: int, target: int, length: int) -> None:
        """Give `target` the first columns of `source`."""
        for layer in self.layers:
            for held in (layer.keys, layer.values):
                held[target, :, :length] = held[source, :, :length]

    def swap(self, a: int, b: int, length: int) -> None:
        """Exchange the first columns of two slots."""
        for layer in self.layers:
            for held in (layer.keys, layer.values):
                held[[a, b], :, :length] = held[[b, a], :, :length]


def bands_of(columns: NDArray[np.int64]) -> list[Band]:
    """Groups of neighbouring rows, each with the columns that its longest row reads; columns (B, 1)."""
    starts = range(0, len(columns), BAND)
    return [(slice(i, i + BAND), max(1, int(columns[i : i + BAND].max()) + 1)) for i in starts]


def attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None = None,
    bands: Sequence[Band] = (),
    **options: object,
) -> tuple[Tensor, None]:
    """Attention of (B, heads, S, head_dim) over grouped keys with an additive mask (B, 1, S, length).

    With `bands`, each group of rows looks at its own first columns only.
    """
    _refuse_unknown(module, options)
    batch, heads, new, size = query.shape
    groups = heads // key.shape[1]
    folded = query.reshape(batch, key.shape[1], groups * new, size)
    if mask is not None and new > 1:
        mask = mask.repeat(1, 1, groups, 1)
    parts = [
        scaled_dot_product_attention(
            folded[rows],
            key[rows, :, :length],
            value[rows, :, :length],
            attn_mask=None if mask is None else mask[rows, ..., :length],
            scale=scaling,
        )
        for rows, length in bands or [(slice(batch), key.shape[2])]
    ]
    out = parts[0] if len(parts) == 1 else torch.cat(parts)
    return out.reshape(batch, heads, new, -1).transpose(1, 2), None


def _refuse_unknown(module: torch.nn.Module, options: dict[str, object]) -> None:
    for name in ("softcap", "s_aux", "position_bias"):
        if options.get(name) is not None:
            raise EngineError(
                f"engine.model: {type(module).__name__} needs attention with {name}, which is not run in process; "
                "serve the model with vLLM and set engine.kind: openai"
            )


AttentionInterface.register(ATTENTION, attention)
