"""The loss where it counts: logits of the trained positions alone.

TRL scores every position where it has no Triton kernel, and computes entropy and accuracy beside the loss. On a CPU
that is a fifth of the time of a small model; a third of the positions of a trace with code are masked.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cort_data.training.rows import IGNORED

WIDTH_STEP = 128
"""Positions are filled up to a multiple of this: matrix kernels of a CPU are compiled anew for each shape."""


def add_trained_head(model: Any) -> None:  # noqa: ANN401 - models of transformers have no useful type here
    """Let `model(…, labels=…, loss_sum=True)` return the summed negative log-likelihood of the trained tokens.

    To be called before the model is wrapped for several processes, so that their hooks see the call.
    """
    forward = model.forward

    @functools.wraps(type(model).forward)
    def with_sum(*args: Any, loss_sum: bool = False, **kwargs: Any) -> Any:  # noqa: ANN401
        if not loss_sum:
            return forward(*args, **kwargs)
        labels = kwargs.pop("labels")
        hidden = model.base_model(*args, **kwargs, use_cache=False).last_hidden_state  # (B, T, C)
        return {"loss": trained_loss(hidden, labels, model.get_output_embeddings())}

    model.forward = with_sum


def trained_loss(hidden: Tensor, labels: Tensor, head: torch.nn.Module) -> Tensor:
    """Sum over the tokens with a label of their negative log-likelihood (nats), a scalar in float32.

    `hidden` (B, T, C) at a position predicts the token after it; `labels` (B, T) stand at the tokens themselves.
    """
    targets = labels[:, 1:].flatten()
    at = (targets != IGNORED).nonzero().flatten()
    filling = -len(at) % WIDTH_STEP
    targets = torch.cat([targets[at], targets.new_full((filling,), IGNORED)])
    at = torch.cat([at, at.new_zeros(filling)])
    logits = head(hidden[:, :-1].flatten(0, 1)[at])  # (trained and filling, V)
    return cross_entropy(logits.float(), targets, ignore_index=IGNORED, reduction="sum")
