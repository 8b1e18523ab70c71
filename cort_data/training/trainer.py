"""TRL's SFTTrainer on token rows: its arguments, the loss on a CPU, checkpoints that say what they are, progress."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig, SFTTrainer

from cort_data.training.head import add_trained_head
from cort_data.training.lineage import Lineage, write_lineage
from cort_data.training.settings import SftSettings

ROW_STEP = 64
"""On a CPU rows are filled up to a multiple of this: matrix kernels are compiled anew for each shape."""
LINE_INTERVAL_S = 15.0


@dataclass(frozen=True)
class Passes:
    """How an update is put together from rows."""

    accumulation: int
    """Passes of a device."""
    rows: int
    """Rows of all passes and devices."""
    updates: int
    """Of the whole training."""


class TraceTrainer(SFTTrainer):  # type: ignore[misc]  # trl has no types
    """SFTTrainer that counts the trained tokens, writes no card of its own, and has a loss for CPUs."""

    trained_tokens = 0
    """Tokens with loss, each time that they were seen, in all processes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._own_loss = self.args.device.type == "cpu"
        if self._own_loss:
            add_trained_head(self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:  # noqa: ANN401
        """Mean negative log-likelihood over the trained tokens of the whole update, of all processes."""
        if not self._own_loss or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        total = model(**inputs, loss_sum=True)["loss"]
        if num_items_in_batch is None:
            return total / (inputs["labels"][:, 1:] != -100).sum().clamp(min=1)
        # gradients are averaged over processes, the count is over all of them
        return total * self.accelerator.num_processes / num_items_in_batch

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """The passes of an update and their number of trained tokens, which is counted."""
        samples, tokens = super().get_batch_samples(*args, **kwargs)
        if samples and tokens is not None:
            self.trained_tokens += int(tokens)
        return samples, tokens

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Cards are written by `LineageWriter`."""


class LineageWriter(TrainerCallback):  # type: ignore[misc]
    """Writes card and lineage into each checkpoint, last of all."""

    def __init__(self, lineage: Lineage, folder: Path) -> None:
        self._lineage = lineage
        self._folder = folder
        self.trainer: TraceTrainer | None = None

    def on_save(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_: Any,  # noqa: ANN401
    ) -> None:
        """A checkpoint is on the disk."""
        if state.is_world_process_zero and self.trainer is not None:
            write_lineage(self._checkpoint(state), self.record(state))

    def record(self, state: TrainerState) -> dict[str, Any]:
        """The lineage at this point of the training."""
        assert self.trainer is not None
        return self._lineage.at(state.global_step, state.max_steps, self.trainer.trained_tokens)

    def _checkpoint(self, state: TrainerState) -> Path:
        return self._folder / f"checkpoint-{state.global_step}"


class ProgressLines(TrainerCallback):  # type: ignore[misc]
    """A line on stderr now and then."""

    def __init__(self) -> None:
        self._shown: tuple[float, int] | None = None  # when, and the trained tokens then
        self.trainer: TraceTrainer | None = None

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: Mapping[str, float] | None = None,
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Losses have come."""
        name = next((key for key in ("eval_loss", "loss") if key in (logs or {})), None)
        if name is None or logs is None or not state.is_world_process_zero or self.trainer is None:
            return
        now, tokens = time.monotonic(), self.trainer.trained_tokens
        since, before = self._shown or (now, tokens)
        due = now - since >= LINE_INTERVAL_S or state.global_step == state.max_steps or self._shown is None
        if name == "loss" and not due:
            return
        self._shown = (now, tokens)
        rate = f" · {(tokens - before) / (now - since):,.0f} trained tokens/s" if now > since else ""
        loss = f"{name.replace('_', ' ')} {float(logs[name]):.4f}"
        epoch = f"epoch {state.epoch or 0:.2f}"
        print(f"sft: update {state.global_step}/{state.max_steps} · {epoch} · {loss}{rate}", file=sys.stderr)


def arguments(settings: SftSettings, passes: Passes, seed: int, folder: Path, *, evaluate: bool) -> SFTConfig:
    """TRL's arguments for these settings on this machine."""
    on_gpu = torch.cuda.is_available()
    checkpointing = settings.gradient_checkpointing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return SFTConfig(
            output_dir=str(folder),
            use_cpu=not on_gpu,
            ddp_find_unused_parameters=False,
            ddp_backend=None if on_gpu or int(os.environ.get("WORLD_SIZE", "1")) == 1 else "gloo",
            bf16=settings.dtype == "bfloat16",
            gradient_checkpointing=on_gpu if checkpointing is None else checkpointing,
            use_liger_kernel=use_liger(settings),
            learning_rate=settings.learning_rate,
            lr_scheduler_type=settings.schedule,
            warmup_steps=round(settings.warmup * passes.updates),
            weight_decay=settings.weight_decay,
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=settings.rows,
            per_device_eval_batch_size=settings.rows,
            gradient_accumulation_steps=passes.accumulation,
            max_length=settings.row,
            packing=settings.packing,
            packing_strategy="bfd",
            pad_to_multiple_of=None if on_gpu else ROW_STEP,
            dataset_kwargs={"skip_prepare_dataset": True},
            seed=seed,
            data_seed=seed,
            logging_steps=1,
            logging_first_step=True,
            report_to=settings.report_to,
            disable_tqdm=True,
            prediction_loss_only=True,
            save_total_limit=2,
            **_rhythm(settings, evaluate),
        )


def use_liger(settings: SftSettings) -> bool:
    """Are Liger's layers wanted and possible?"""
    possible = torch.cuda.is_available() and importlib.util.find_spec("liger_kernel") is not None
    return possible if settings.liger is None else settings.liger


def _rhythm(settings: SftSettings, evaluate: bool) -> dict[str, Any]:
    """When to evaluate and when to save. The best checkpoint can only be kept where both fall together."""
    saves: dict[str, Any] = {"save_strategy": "steps" if settings.save_every else "epoch"}
    if settings.save_every:
        saves["save_steps"] = settings.save_every
    if not evaluate:
        return saves
    strategy = "steps" if settings.eval_every else "epoch"
    evals: dict[str, Any] = {"eval_strategy": strategy}
    if settings.eval_every:
        evals["eval_steps"] = settings.eval_every
    if settings.early_stop is None:
        return saves | evals
    saves = {"save_strategy": strategy} | ({"save_steps": settings.eval_every} if settings.eval_every else {})
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False}
    return saves | evals | best
