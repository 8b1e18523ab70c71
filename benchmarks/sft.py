"""Tokens a second of fine-tuning: packed rows against TRL's padding, on the demo's own data set.

    python benchmarks/sft.py --traces runs/nano [--save]            on a CPU, nano-student
    python benchmarks/sft.py --gpu [--length 16384] [--save]        on a CUDA GPU (see sft_gpu.py)

Padded is stock TRL, batches of 8 traces, whatever micro-batch is fastest; packed is `cort sft`, the same number of
tokens an update, in whatever number of rows is fastest; packed by TRL, with its own attention and loss, shows what part
does what. Tokens are those of traces: padding does not count. One pass over the data warms up, since a CPU compiles
its matrix kernels anew for each shape. Rounds alternate, so that a busy hour hits all alike, and the best round of
each counts; the ratio of CPU seconds is given too, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, disable_progress_bars
from rich.box import SIMPLE
from rich.table import Table
from sft_speed import Best, Way
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer

from cort_data.hints.library import load_library
from cort_data.profiles import load_profile
from cort_data.tables import out
from cort_data.training.dataset import split, write_rows
from cort_data.training.model import find_base, load_base
from cort_data.training.rows import RowMaker, RowSettings
from cort_data.training.settings import SftSettings
from cort_data.training.sources import read_sources
from cort_data.training.tokens import Student, load_tokenizer
from cort_data.training.trainer import Passes, TraceTrainer, arguments

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "sft.json"
BATCH = 8
KINDS = ("padded", "packed by TRL", "packed")
PADDED = (8, 4, 2, 1)  # traces a pass
PACKED = (1, 2, 4)  # rows an update, which together hold the tokens of a batch


def cpu_ways(rows: Dataset, student: Student, base: Path, folder: Path) -> Iterator[Way]:
    """Padded by TRL, packed with TRL's attention and loss, packed by cort."""
    mean = float(np.mean(rows["length"]))
    bare = rows.select_columns(["input_ids", "labels"])
    for size in PADDED:
        yield Way(f"TRL, padded, {size} traces a pass", "padded", size, _stock(bare, student, base, folder, size))
    longest = max(rows["length"])
    for passes in PACKED:
        settings = SftSettings(max_tokens=longest, row_tokens=max(longest, round(BATCH * mean / passes)))
        parts = split(rows, settings)
        name = f"packed, {passes} rows of {settings.row} an update"
        for kind, own in (("packed by TRL", False), ("packed", True)):
            make = _packed(settings, parts.train, student, base, folder, passes, own)
            yield Way(f"{'cort' if own else 'TRL'}, {name}", kind, passes, make)


def _stock(rows: Dataset, student: Student, base: Path, folder: Path, size: int) -> Callable[[int], SFTTrainer]:
    def make(updates: int) -> SFTTrainer:
        settings = SftSettings(packing=False, max_tokens=max(map(len, rows["input_ids"])))
        args = SFTConfig(
            output_dir=str(folder),
            use_cpu=True,
            bf16=True,
            gradient_checkpointing=False,
            max_length=settings.max_tokens,
            max_steps=updates,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=BATCH // size,
            save_strategy="no",
            report_to="none",
            logging_steps=10_000,
            disable_tqdm=True,
        )
        model = load_base(base, settings)
        model.set_attn_implementation("sdpa")
        return SFTTrainer(model, args=args, train_dataset=rows, processing_class=student.tokenizer)

    return make


def _packed(
    settings: SftSettings, rows: Dataset, student: Student, base: Path, folder: Path, passes: int, own: bool
) -> Callable[[int], SFTTrainer]:
    def make(updates: int) -> SFTTrainer:
        args = arguments(settings, Passes(passes, passes, updates), 0, folder, evaluate=False)
        args.max_steps, args.save_strategy, args.logging_steps = updates, "no", 10_000
        if not own:
            args.pad_to_multiple_of = None
        model = load_base(base, settings)
        if not own:
            model.set_attn_implementation("sdpa")
        cls = TraceTrainer if own else SFTTrainer
        return cls(model, args=args, train_dataset=rows, processing_class=student.tokenizer)

    return make


def cpu(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    base = find_base(args.model)
    student = Student(load_tokenizer(base), load_profile("nano"))
    maker = RowMaker(student, RowSettings(max_tokens=2048), load_library())
    rows = write_rows(read_sources([str(args.traces)], None), maker, folder / "rows").load()
    lengths = np.array(rows["length"])
    _histogram(lengths)
    torch.set_num_threads(args.threads)
    ways = list(cpu_ways(rows, student, base, folder))
    epoch = -(-len(lengths) // BATCH)
    best: dict[str, Best] = {}
    for turn in range(args.rounds):
        for way in list(ways):
            speed = way.run(epoch, args.updates)
            rates = f"{speed.rate:,.0f} tokens/s, {speed.cpu_rate:,.0f} a CPU second"
            print(f"round {turn + 1}: {way.name}: {rates}", file=sys.stderr, flush=True)
            best.setdefault(way.name, Best()).add(speed)
        ways = _leaders(ways, best, 2 if turn == 0 else 1)
    fastest = {kind: _leaders(ways, best, 1, kind)[0] for kind in KINDS}
    found = {kind: best[way.name] for kind, way in fastest.items()}
    _cpu_table(best, fastest)
    ratio = found["packed"].rate / found["padded"].rate
    cpu_ratio = found["packed"].cpu_rate / found["padded"].cpu_rate
    print(
        f"packed by cort against TRL's padding: {ratio:.2f} by the clock, {cpu_ratio:.2f} by CPU seconds (wanted: 1.5)"
    )
    return {
        "model": args.model,
        "threads": args.threads,
        "traces": len(lengths),
        "lengths": {"mean": float(lengths.mean()), "least": int(lengths.min()), "most": int(lengths.max())},
        "rows": [_figures(name, speed) for name, speed in best.items()],
        "fastest": {kind: way.name for kind, way in fastest.items()},
        "ratio": round(ratio, 2),
        "cpu_ratio": round(cpu_ratio, 2),
        "packed_by_trl_ratio": round(found["packed by TRL"].rate / found["padded"].rate, 2),
    }


def _figures(name: str, speed: Best) -> dict[str, Any]:
    return {
        "way": name,
        "tokens_per_s": round(speed.rate),
        "tokens_per_cpu_s": round(speed.cpu_rate),
        "tokens_an_update": round(speed.tokens_an_update),
    }


def _leaders(ways: list[Way], best: dict[str, Best], most: int, *kinds: str) -> list[Way]:
    """The fastest of each kind."""
    taken: Counter[str] = Counter()
    kept = []
    for way in sorted(ways, key=lambda w: -best[w.name].rate):
        taken[way.kind] += 1
        if taken[way.kind] <= most and way.kind in (kinds or KINDS):
            kept.append(way)
    return kept


def _histogram(lengths: np.ndarray) -> None:
    counts, edges = np.histogram(lengths, bins=10)
    print(f"{len(lengths)} traces, {lengths.sum():,} tokens, {lengths.mean():.0f} on average; by length:")
    for n, low, high in zip(counts, edges, edges[1:], strict=False):
        print(f"  {low:6.0f}–{high:<6.0f} {n:5d} {'█' * round(40 * n / counts.max())}")


def _cpu_table(best: dict[str, Best], fastest: dict[str, Way]) -> None:
    table = Table("way", "tokens/s", "a CPU second", "tokens an update", box=SIMPLE)
    names = {way.name for way in fastest.values()}
    for name, speed in best.items():
        style = "bold" if name in names else ""
        table.add_row(
            name, f"{speed.rate:,.0f}", f"{speed.cpu_rate:,.0f}", f"{speed.tokens_an_update:,.0f}", style=style
        )
    out().print(table)


def save(section: str, figures: dict[str, Any]) -> None:
    """Replace one section of the results file."""
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    taken = {"command": " ".join(["python", *sys.argv]), "machine": f"{platform.machine()}, {os.cpu_count()} cores",
             "taken": f"{datetime.now(UTC):%Y-%m-%d}"}  # fmt: skip
    known[section] = {**taken, **figures}
    RESULTS.write_text(json.dumps(known, indent=1) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, default=Path("runs/nano"), help="a run, or a file of traces")
    parser.add_argument("--model", default="nano-student")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=20, help="measured ones, after the warm-up")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--length", type=int, default=16_384)
    parser.add_argument("--warm-up", type=int, default=3, help="updates (GPU)")
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    disable_progress_bars()
    logging.set_verbosity_error()
    if args.gpu and not torch.cuda.is_available():
        parser.error("--gpu: no CUDA device is here")
    with tempfile.TemporaryDirectory() as folder:
        if args.gpu:
            import sft_gpu

            figures = sft_gpu.measure(args, Path(folder))
        else:
            figures = cpu(args, Path(folder))
    if args.save:
        save("gpu" if args.gpu else "cpu", figures)


if __name__ == "__main__":
    main()
