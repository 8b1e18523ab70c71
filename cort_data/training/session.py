"""One training from rows to a saved model: set up, resumed if it was killed, run, saved."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PreTrainedModel, PrinterCallback

from cort_data.errors import TrainingError
from cort_data.runs import write_atomically
from cort_data.training import processes
from cort_data.training.announce import announce
from cort_data.training.dataset import RowFile, Split, accumulation, split, updates
from cort_data.training.lineage import Lineage, read_lineage, write_lineage
from cort_data.training.model import adapter_of, load_base, save
from cort_data.training.settings import SftSettings
from cort_data.training.tokens import Student
from cort_data.training.trainer import LineageWriter, Passes, ProgressLines, TraceTrainer, arguments

CHECKPOINTS = "checkpoints"
LOG_FILE = "log.json"
THREADS_GAIN = 1.1  # how much faster all cores must be than one
PROBE_TOKENS = 512


@dataclass(frozen=True)
class Training:
    """What a training works with."""

    settings: SftSettings
    seed: int
    student: Student
    base: Path
    rows: RowFile
    lineage: Lineage
    folder: Path

    def run(self) -> dict[str, Any]:
        """Train and save; returns what the manifest says of it. Raises TrainingError."""
        parts = split(self.rows.load(), self.settings)
        passes = self.passes(parts)
        for line in announce(self.rows.counts, self.settings, self.student, parts, passes):
            processes.say(line)
        trainer, writer = self.trainer(parts, passes)
        last = last_checkpoint(self.folder / CHECKPOINTS)
        if last is not None:
            trainer.trained_tokens = (read_lineage(last) or {})["trained_tokens"]
            processes.say(f"goes on from {last.name}, {trainer.trained_tokens:,} trained tokens in")
        started, before = time.monotonic(), trainer.trained_tokens
        run(trainer, last, self.settings)
        seconds = time.monotonic() - started
        place = save(trainer, self.base, self.folder, self.student.tokenizer)
        record = writer.record(trainer.state)
        if processes.is_first():
            write_lineage(place, record)
            write_atomically(self.folder / LOG_FILE, json.dumps(trainer.state.log_history, indent=1) + "\n")
        rate = (trainer.trained_tokens - before) / seconds
        return {
            "traces": parts.traces,
            "rows": len(parts.train),
            "passes_an_update": passes.accumulation,
            "updates": record["step"],
            "trained_tokens": record["trained_tokens"],
            **_losses(trainer),
            "last_session": {"seconds": round(seconds, 1), "trained_tokens_per_s": round(rate, 1)},
        }

    def passes(self, parts: Split) -> Passes:
        """How many passes make an update of `batch` traces, and how many updates there are."""
        at_once = self.settings.rows * processes.count()
        passes = accumulation(parts.traces, len(parts.train), self.settings.batch, at_once)
        total = updates(len(parts.train), at_once, passes, self.settings.epochs)
        return Passes(accumulation=passes, rows=passes * at_once, updates=total)

    def trainer(self, parts: Split, passes: Passes) -> tuple[TraceTrainer, LineageWriter]:
        """TRL's trainer, ready to run, and what writes the lineage of its checkpoints."""
        settings, place = self.settings, self.folder / CHECKPOINTS
        writer, lines = LineageWriter(self.lineage, place), ProgressLines()
        stop = [EarlyStoppingCallback(settings.early_stop)] if settings.early_stop is not None else []
        model = load_base(self.base, settings)
        if not torch.cuda.is_available():
            torch.set_num_threads(threads(model))
        trainer = TraceTrainer(
            model,
            args=arguments(settings, passes, self.seed, place, evaluate=parts.held_out is not None),
            train_dataset=parts.train,
            eval_dataset=parts.held_out,
            processing_class=self.student.tokenizer,
            peft_config=adapter_of(settings),
            callbacks=[writer, lines, *stop],
        )
        trainer.remove_callback(PrinterCallback)  # it prints to stdout, which is for results
        writer.trainer = lines.trainer = trainer
        return trainer, writer


def run(trainer: TraceTrainer, last: Path | None, settings: SftSettings) -> None:
    """Train, from a checkpoint if there is one. Raises TrainingError that says what saves memory if it runs out."""
    try:
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(out_of_memory(settings, trainer.state.global_step)) from None


def is_out_of_memory(error: BaseException) -> bool:
    """Of the GPU or of the machine."""
    told = ("can't allocate memory", "out of memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(t in str(error).lower() for t in told)


def out_of_memory(settings: SftSettings, step: int) -> str:
    """Which options need less, the cheapest first."""
    options = [f"lower sft.rows ({settings.rows})"] if settings.rows > 1 else []
    if settings.gradient_checkpointing is not True:
        options.append("sft.gradient_checkpointing: true")
    if settings.packing and settings.row > settings.max_tokens:
        options.append(f"lower sft.row_tokens ({settings.row})")
    options += {"full": ["sft.method: lora or qlora"], "lora": ["sft.method: qlora"], "qlora": []}[settings.method]
    options.append(f"lower sft.max_tokens ({settings.max_tokens}), which drops longer traces")
    return (
        f"sft: out of memory in update {step + 1}; what needs less: {'; '.join(options)}; or more GPUs that share the "
        "model (cort sft --plan estimates each). Started again, it goes on from the last checkpoint"
    )


def last_checkpoint(folder: Path) -> Path | None:
    """The latest checkpoint that was written to its end; None without any."""
    numbered = [p for p in folder.glob("checkpoint-*") if p.name.removeprefix("checkpoint-").isdigit()]
    whole = [p for p in numbered if read_lineage(p) is not None]
    return max(whole, key=lambda p: int(p.name.removeprefix("checkpoint-")), default=None)


def threads(model: PreTrainedModel) -> int:
    """OMP_NUM_THREADS if set; else one a core, unless one thread is hardly slower.

    Where other work shares the cores, threads wait for each other at every operation: a training beside a busy process
    was twenty times slower with two threads than with one.
    """
    if wanted := os.environ.get("OMP_NUM_THREADS"):
        return int(wanted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if cores > 1 and _pass_seconds(model, cores) * THREADS_GAIN < _pass_seconds(model, 1) else 1


def _pass_seconds(model: PreTrainedModel, count: int) -> float:
    """The slower of two passes forward and backward with so many threads; the first one only warms up."""
    torch.set_num_threads(count)
    ids = torch.zeros((1, PROBE_TOKENS), dtype=torch.long)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        model(input_ids=ids).logits.sum().backward()
        seconds.append(time.perf_counter() - started)
        model.zero_grad(set_to_none=True)
    return max(seconds[1:])


def _losses(trainer: TraceTrainer) -> Mapping[str, float | None]:
    """The loss of the last update, and the evaluation loss of the model that is kept."""
    history = trainer.state.log_history
    losses = [float(entry["loss"]) for entry in history if "loss" in entry]
    evaluated = [float(entry["eval_loss"]) for entry in history if "eval_loss" in entry]
    best = trainer.state.best_metric if trainer.args.load_best_model_at_end else None
    return {"loss": losses[-1], "eval_loss": best if best is not None else evaluated[-1] if evaluated else None}
