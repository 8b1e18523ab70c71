"""Several processes that train one model, as `accelerate launch` and `torchrun` start them; or the only one."""

from __future__ import annotations

import os
import sys


def is_first() -> bool:
    """Is this the only process, or the first of several?"""
    return os.environ.get("RANK", "0") == "0"


def count() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def wait() -> None:
    """Until all processes are here."""
    if count() > 1:
        import torch
        from accelerate import PartialState

        PartialState(cpu=not torch.cuda.is_available()).wait_for_everyone()


def say(line: str) -> None:
    """A line on stderr, from the first process."""
    if is_first():
        print(f"sft: {line}", file=sys.stderr)
