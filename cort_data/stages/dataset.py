"""The data set stage: kept traces → Parquet with declared features, and a data card beside it.

The columns are the trace's own fields, so that a row gives the trace back, and the derived values that training and
analysis ask for. Their types are declared and never inferred: an empty list or a null in the first rows does not
change them. Rows are written in groups; memory holds one.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from datasets import Features, List, Value

from cort_data.data_card import data_card
from cort_data.errors import RunError
from cort_data.runs import write_atomically
from cort_data.trace import SCHEMA_VERSION, Origin, Trace

ROWS_A_GROUP = 512
FILE = "train.parquet"
CARD = "README.md"

_TEXT, _INT, _FLOAT = Value("string"), Value("int64"), Value("float64")
_HINT = {"name": _TEXT, "trigger": _TEXT, "wording": _INT, "span_start": _INT, "span_end": _INT, "tokens_saved": _FLOAT}
_SEGMENT = {
    "kind": _TEXT,
    "origin": _TEXT,
    "text": _TEXT,
    "tokens": _INT,
    "token_ids": List(Value("int32")),
    "logprobs": List(_FLOAT),
    "hint": _HINT,
}
_ARM = {"correct": List(Value("bool")), "tokens": List(_INT)}
_EVENT = {
    "kind": _TEXT,
    "count": _INT,
    "tokens": _INT,
    "name": _TEXT,
    "trigger": _TEXT,
    "start": _INT,
    "end": _INT,
    "score": _FLOAT,
    "threshold": _FLOAT,
    "outcome": _TEXT,
    "reason": _TEXT,
    "text": _TEXT,
    "arms": dict.fromkeys(("with_hint", "without", "fresh_with_hint", "fresh_without"), _ARM),
}
FEATURES = Features(
    {
        "schema_version": _INT,
        "id": _TEXT,
        "problem": {"id": _TEXT, "text": _TEXT, "answer": _TEXT, "source": _TEXT, "topic": _TEXT, "released": _TEXT},
        "sample": _INT,
        "stage": _TEXT,
        "prompt": _TEXT,
        "prompt_ids": List(Value("int32")),
        "profile": _TEXT,
        "policy": _TEXT,
        "engine": _TEXT,
        "sampling": {"temperature": _FLOAT, "top_p": _FLOAT},
        "seed": _INT,
        "interpreter": {
            "backend": _TEXT,
            "isolation": _TEXT,
            "timeout_s": _FLOAT,
            "memory_mb": _INT,
            "output_chars": _INT,
        },
        "segments": List(_SEGMENT),
        "stop_reason": _TEXT,
        "error": _TEXT,
        "usage": {"streams": _INT, "fresh_tokens": _INT, "cached_tokens": _INT},
        "events": List(_EVENT),
        "decisions": List({"filter": _TEXT, "keep": Value("bool"), "reason": _TEXT, "detail": _TEXT}),
        "completion": _TEXT,
        "token_ids": List(Value("int32")),
        "env_mask": List(Value("int8")),
        "calls": _INT,
        "model_tokens_kept": _INT,
        "model_tokens_generated": _INT,
        "tokens_after_last_output": _INT,
    }
)
DERIVED = ("completion", "token_ids", "env_mask", "calls", "model_tokens_kept", "model_tokens_generated",
           "tokens_after_last_output")  # fmt: skip


@dataclass
class DatasetInfo:
    """Counts of a data set, for its card and the run's manifest."""

    rows: int = 0
    problems: int = 0
    calls: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    """Origin → tokens."""
    hints: Counter[str] = field(default_factory=Counter)
    """Hint → traces that hold it."""
    settings: dict[str, Counter[str]] = field(default_factory=dict)
    """Policy, engine, sampling, interpreter → each value with its number of traces."""
    sha256: str = ""

    def add(self, trace: Trace) -> None:
        """Count a trace."""
        self.rows += 1
        self.calls += trace.calls
        for origin in Origin:
            self.tokens[origin] += trace.tokens_by(origin)
        self.hints.update({s.hint.name for s in trace.segments if s.hint is not None})
        for name in ("policy", "engine", "profile", "sampling", "interpreter"):
            value = getattr(trace, name)
            shown = value if isinstance(value, str) else "unknown" if value is None else value.model_dump_json()
            self.settings.setdefault(name, Counter())[shown] += 1


def write_dataset(traces: Iterable[Trace], out_dir: Path, name: str = "cort traces") -> DatasetInfo:
    """Write `train.parquet` and its card, whole or not at all. Raises RunError if there is no trace or no room."""
    path = out_dir / FILE
    part = path.with_name(path.name + ".part")
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        info = _write_rows(traces, part)
        if not info.rows:
            part.unlink()
            raise RunError(f"{path}: no trace was kept, so there is no data set; read dropped.jsonl for the reasons")
        info.sha256 = _sha256(part)
        part.replace(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error}); make room and start again") from None
    write_atomically(out_dir / CARD, data_card(info, name, FILE, SCHEMA_VERSION))
    return info


def row(trace: Trace) -> dict[str, Any]:
    """The trace's fields and the derived columns."""
    return trace.model_dump(mode="json") | {
        "completion": trace.text,
        "token_ids": trace.token_ids,
        "env_mask": trace.env_mask,
        "calls": trace.calls,
        "model_tokens_kept": trace.kept_tokens,
        "model_tokens_generated": trace.generated_tokens,
        "tokens_after_last_output": trace.tokens_after_last_output,
    }


def trace_of(row: dict[str, Any]) -> Trace:
    """Inverse of `row`."""
    return Trace.model_validate({key: row[key] for key in Trace.model_fields})


def _write_rows(traces: Iterable[Trace], path: Path) -> DatasetInfo:
    info = DatasetInfo()
    problems: set[int] = set()
    stream = iter(traces)
    schema = FEATURES.arrow_schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(itertools.islice(stream, ROWS_A_GROUP)):
            for trace in group:
                info.add(trace)
                problems.add(hash(trace.problem.id))
            writer.write_table(pa.Table.from_pylist([row(trace) for trace in group], schema=schema))
    info.problems = len(problems)
    return info


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
