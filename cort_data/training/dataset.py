"""Rows on disk, split and packed: what the trainer reads.

Rows go to one Arrow file as they are made, so that memory holds few traces. Held-out rows are whole problems, in the
order of the hash of the problem's id, whatever the order of the traces. Packing is TRL's best fit decreasing, which
cuts nothing here, since no trace is longer than a packed row.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]

from cort_data.errors import TrainingError
from cort_data.runs import write_atomically
from cort_data.trace import Trace
from cort_data.training.rows import RowCounts, RowMaker
from cort_data.training.settings import SftSettings

if TYPE_CHECKING:
    from datasets import Dataset

ROWS_FILE = "rows.arrow"
ABOUT_FILE = "rows.json"
_ROWS_A_BATCH = 64
_SCHEMA = pa.schema(
    [
        ("problem", pa.string()),
        ("length", pa.int32()),
        ("trained", pa.int32()),
        ("input_ids", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int32())),
    ]
)


@dataclass(frozen=True)
class RowFile:
    """All rows of a fine-tuning, and what is known of the traces that they came from."""

    path: Path
    traces_sha256: str
    """Over the JSON lines of all traces, in order."""
    rows_sha256: str
    """Over ids and labels of all rows, in order."""
    interpreters: tuple[str, ...]
    """The interpreter semantics that the traces were written under, as JSON."""
    counts: dict[str, Any]

    def load(self) -> Dataset:
        """The rows, memory-mapped: problem, length, trained, input_ids, labels."""
        from datasets import Dataset

        return Dataset.from_file(str(self.path))


def write_rows(traces: Iterable[Trace], maker: RowMaker, folder: Path) -> RowFile:
    """Write the rows of the traces, and a record of them last. Raises TrainingError if there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ROWS_FILE
    watched = _Watched(traces)
    hashed = hashlib.sha256()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as writer:
        rows: list[dict[str, Any]] = []
        for row in maker.rows(watched):
            ids = {"input_ids": row.input_ids, "labels": row.labels}
            hashed.update(json.dumps(ids).encode())
            rows.append({"problem": row.problem, "length": len(row.input_ids), "trained": row.trained, **ids})
            if len(rows) == _ROWS_A_BATCH:
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=_SCHEMA))
                rows = []
        if rows:
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=_SCHEMA))
    _refuse_nothing(maker.counts, maker.settings.max_tokens)
    made = RowFile(
        path=path,
        traces_sha256=watched.hashed.hexdigest(),
        rows_sha256=hashed.hexdigest(),
        interpreters=tuple(sorted(watched.interpreters)),
        counts=maker.counts.as_dict(),
    )
    write_atomically(folder / ABOUT_FILE, json.dumps(vars(made) | {"path": path.name}, indent=1) + "\n")
    return made


def read_rows(folder: Path) -> RowFile:
    """What `write_rows` wrote there."""
    tree = json.loads((folder / ABOUT_FILE).read_text("utf-8"))
    return RowFile(**tree | {"path": folder / tree["path"], "interpreters": tuple(tree["interpreters"])})


@dataclass(frozen=True)
class Split:
    """Rows to train on and rows held out, packed where the settings say so."""

    train: Dataset
    held_out: Dataset | None
    traces: int
    """Traces to train on."""
    tokens: int
    """Their tokens."""
    trained: int
    """Their tokens with loss."""


def split(rows: Dataset, settings: SftSettings) -> Split:
    """Hold out `eval_traces` rows and pack both parts. Raises TrainingError if nothing is left to train on."""
    held = _held_out(rows["problem"], settings.eval_traces)
    train_at = [i for i in range(len(rows)) if i not in held]
    if not train_at:
        raise TrainingError(
            f"sft.eval_traces: of {len(rows)} traces {settings.eval_traces} are held out and none is left; take fewer"
        )
    train = rows.select(train_at)
    return Split(
        train=_packed(train, settings),
        held_out=_packed(rows.select(sorted(held)), settings) if held else None,
        traces=len(train),
        tokens=sum(train["length"]),
        trained=sum(train["trained"]),
    )


def accumulation(traces: int, rows: int, batch: int, rows_at_once: int) -> int:
    """Passes an update, so that an update has `batch` traces on average (at least one pass).

    `rows` rows hold the `traces`; all devices together take `rows_at_once` in one pass.
    """
    return max(1, round(batch * rows / traces / rows_at_once))


def updates(rows: int, rows_at_once: int, passes: int, epochs: float) -> int:
    """Updates of a whole training; the last one of an epoch may be smaller."""
    an_epoch = max(1, math.ceil(math.ceil(rows / rows_at_once) / passes))
    return math.ceil(epochs * an_epoch)


class _Watched:
    """Traces that pass by: their hash, and the interpreters that they name."""

    def __init__(self, traces: Iterable[Trace]) -> None:
        self._traces = traces
        self.hashed = hashlib.sha256()
        self.interpreters: set[str] = set()

    def __iter__(self) -> Iterator[Trace]:
        for trace in self._traces:
            self.hashed.update(trace.to_json().encode() + b"\n")
            if trace.interpreter is not None:
                self.interpreters.add(trace.interpreter.model_dump_json())
            yield trace


def _refuse_nothing(counts: RowCounts, max_tokens: int) -> None:
    if counts.rows:
        return
    if not counts.traces:
        raise TrainingError("sft.data: the data set is empty: there is no trace to train on")
    if counts.untrained:
        raise TrainingError(
            f"sft: no token to train in {counts.untrained} of {counts.traces} traces"
            f"{f' ({counts.too_long} more are too long)' if counts.too_long else ''}: everything is masked; "
            "the traces hold nothing of a model, or sft.hint_tokens masks all of it"
        )
    raise TrainingError(
        f"sft.max_tokens: all {counts.traces} traces are longer than {max_tokens} tokens and were dropped; raise it"
    )


def _held_out(problems: list[str], wanted: int) -> set[int]:
    """Indices of whole problems with at least `wanted` rows, in the order of the hash of the problem's id."""
    by_problem: dict[str, list[int]] = {}
    for i, problem in enumerate(problems):
        by_problem.setdefault(problem, []).append(i)
    held: set[int] = set()
    for problem in sorted(by_problem, key=lambda p: hashlib.sha256(p.encode()).digest()):
        if len(held) >= wanted:
            break
        held.update(by_problem[problem])
    return held


def _packed(rows: Dataset, settings: SftSettings) -> Dataset:
    from trl import pack_dataset

    bare = rows.select_columns(["input_ids", "labels"])
    return pack_dataset(bare, settings.row, "bfd") if settings.packing else bare
