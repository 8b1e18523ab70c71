"""How fast a training is: tokens of traces a second, by the clock and by CPU seconds, after a warm-up."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import TrainerCallback
from trl import SFTTrainer


@dataclass
class Speed:
    """What a training did after its warm-up."""

    tokens: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    updates: int = 0

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.wall

    @property
    def cpu_rate(self) -> float:
        """Tokens a CPU second."""
        return self.tokens / self.cpu


@dataclass
class Best:
    """The best of several runs of one way, by the clock and by CPU seconds apart."""

    rate: float = 0.0
    cpu_rate: float = 0.0
    tokens_an_update: float = 0.0

    def add(self, speed: Speed) -> None:
        """Another run."""
        self.rate, self.cpu_rate = max(self.rate, speed.rate), max(self.cpu_rate, speed.cpu_rate)
        self.tokens_an_update = speed.tokens / speed.updates


class Clock(TrainerCallback):  # type: ignore[misc]
    """Measures the updates from one on."""

    def __init__(self, first: int) -> None:
        self.speed = Speed()
        self._first = first
        self._tokens = 0

    def count(self, tokens: int) -> None:
        """A pass begins."""
        self._tokens += tokens

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002, ANN401
        """An update begins."""
        self._tokens, self._wall, self._cpu = 0, time.perf_counter(), time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002, ANN401
        """An update ends."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if state.global_step > self._first:
            self.speed.wall += time.perf_counter() - self._wall
            self.speed.cpu += time.process_time() - self._cpu
            self.speed.tokens += self._tokens
            self.speed.updates += 1


@dataclass(frozen=True)
class Way:
    """One way to train."""

    name: str
    kind: str
    size: int
    make: Callable[[int], SFTTrainer] = field(repr=False)

    def run(self, warm_up: int, updates: int) -> Speed:
        """Train so many updates after the warm-up."""
        clock = Clock(warm_up)
        trainer = self.make(warm_up + updates)
        trainer.add_callback(clock)
        passes = trainer.training_step

        def counted(model: Any, inputs: dict[str, Any], *more: Any, **named: Any) -> Any:  # noqa: ANN401
            clock.count(_tokens(inputs))
            return passes(model, inputs, *more, **named)

        trainer.training_step = counted
        trainer.train()
        del trainer
        gc.collect()
        return clock.speed


def _tokens(inputs: dict[str, Any]) -> int:
    """Tokens of traces in a pass: the mask's ones, or the documents but for those of one token that pad a row."""
    if "attention_mask" in inputs:
        return int(inputs["attention_mask"].sum())
    lengths = inputs["cu_seq_lens_q"].diff()
    return int(lengths[lengths > 1].sum())
