"""Attention within each document of a packed row, one document after the other.

Where no kernel for packed rows is installed, the usual way is a mask of row × row, most of which is computed for
nothing. Here the cost of a row is that of its documents. On a CPU the products are written out, which is faster than
the fused kernel for documents of some hundred tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

NAME = "cort_documents"
DENSE = 1024
"""Tokens up to which a document's products are written out on a CPU."""


def register() -> str:
    """Make the attention known to transformers; returns the name to load a model with."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, _no_mask)
    return NAME


def attend(
    module: torch.nn.Module,  # noqa: ARG001 - the interface of transformers
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: Tensor | None = None,
    **_: Any,  # noqa: ANN401
) -> tuple[Tensor, None]:
    """Causal attention in each document of one row; query (1, H, T, D), key and value (1, G, T, D), H a multiple of G.

    `cu_seq_lens_q` (documents + 1,) are the borders, as TRL's collator gives them; the result is (1, T, H, D).
    """
    if attention_mask is not None or query.shape[0] != 1:
        raise ValueError(f"{NAME} takes one packed row without a mask, got {tuple(query.shape)}")
    lengths = [query.shape[2]] if cu_seq_lens_q is None else cu_seq_lens_q.diff().tolist()
    lengths, alone = _without_padding(lengths)
    parts = zip(*(torch.split(x, [*lengths, alone], dim=2) for x in (query, key, value)), strict=True)
    out = [_document(q, k, v, scaling or q.shape[-1] ** -0.5, dropout) for q, k, v in list(parts)[: len(lengths)]]
    rest = value[:, :, value.shape[2] - alone :]  # a token that sees itself alone gets its own value
    out.append(rest.repeat_interleave(query.shape[1] // key.shape[1], dim=1))
    return torch.cat(out, dim=2).transpose(1, 2).contiguous(), None


def _without_padding(lengths: list[int]) -> tuple[list[int], int]:
    """The documents, and how many tokens at the end are documents of their own: that is how a row is padded."""
    alone = 0
    while alone < len(lengths) and lengths[-1 - alone] == 1:
        alone += 1
    return lengths[: len(lengths) - alone], alone


def _document(query: Tensor, key: Tensor, value: Tensor, scaling: float, dropout: float) -> Tensor:
    """(1, H, M, D) from (1, H, M, D) and (1, G, M, D) of one document."""
    _, heads, length, width = query.shape
    if query.device.type != "cpu" or dropout or length > DENSE:
        grouped = heads != key.shape[1]
        return scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=grouped
        )
    groups = key.shape[1]
    future = torch.full((length, length), float("-inf"), dtype=query.dtype).triu(1)
    future = future.repeat(heads // groups, 1)[None]  # (1, H/G * M, M)
    folded = query.reshape(groups, heads // groups * length, width)
    scores = torch.baddbmm(future, folded, key[0].transpose(1, 2), alpha=scaling)
    return (scores.softmax(-1) @ value[0]).view(1, heads, length, width)


def _no_mask(*_: Any, **__: Any) -> None:  # noqa: ANN401
    """The borders say it all."""
