"""The command that starts a training on several GPUs, to the letter."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cort_data.data import data_dir

Sharding = Literal["ddp", "fsdp", "deepspeed"]
SHARDINGS: tuple[Sharding, ...] = ("ddp", "fsdp", "deepspeed")


def config_file(sharding: Sharding) -> Path:
    """The configuration of accelerate that ships for this way to share a model."""
    return data_dir("pipelines") / "accelerate" / f"{sharding}.yaml"


def launch_line(sharding: Sharding, gpus: int, arguments: Sequence[str]) -> str:
    """`accelerate launch … -m cort_data sft …`; `arguments` are those of `cort sft`."""
    start = ["accelerate", "launch", "--config_file", str(config_file(sharding)), "--num_processes", str(gpus)]
    return shlex.join([*start, "-m", "cort_data", "sft", *arguments])


def without(arguments: Sequence[str], options: Sequence[str], flags: Sequence[str] = ()) -> list[str]:
    """The arguments without some options, each with its value, and without some flags."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        name = argument.partition("=")[0]
        if skip or name in flags:
            skip = False
        elif name in options:
            skip = "=" not in argument
        else:
            kept.append(argument)
    return kept
