"""Where the traces of a fine-tuning come from: a run, files of traces, seeds, or several of these joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from cort_data.data import data_dir
from cort_data.errors import TraceError, TrainingError
from cort_data.seeds import find_seeds, read_seed
from cort_data.stages.filter import KEPT_FILE
from cort_data.trace import Trace, first_problem
from cort_data.traces_io import read_traces
from cort_data.training.settings import KEPT

DATASET_FILE = "train.parquet"
_PLACES = (f"filter/{KEPT_FILE}", KEPT_FILE, f"dataset/{DATASET_FILE}", DATASET_FILE)
"""Files in which a folder may have traces, the first one that is there counts."""


def read_sources(names: Sequence[str], kept: Path | None, profile: str | None = None) -> Iterator[Trace]:
    """The traces of the sources, joined in order. Raises CortError for what is missing, unreadable or there twice.

    `kept` is the run, or the file, that the name `kept` stands for; `profile` reads foreign lines.
    """
    seen: set[str] = set()
    for name in names:
        for trace in _read(find_source(name, kept), profile):
            if trace.id in seen:
                raise TraceError(
                    f"sft.data: two traces have the id {trace.id!r} (the second one in {name}); ids must differ"
                )
            seen.add(trace.id)
            yield trace


def find_source(name: str, kept: Path | None = None) -> Path:
    """The file of traces, or the folder of seeds, that a name stands for. Raises TrainingError."""
    if name == KEPT:
        if kept is None:
            raise TrainingError("sft.data: `kept` means the traces that a run kept; name the run with --in")
        return _in_folder(kept, KEPT) if kept.is_dir() else _existing(kept, KEPT)
    path = Path(name)
    if not path.exists() and path.parts[:1] == ("seeds",):
        path = data_dir("seeds").joinpath(*path.parts[1:])
    return _in_folder(path, name) if path.is_dir() else _existing(path, name)


def _in_folder(folder: Path, name: str) -> Path:
    for place in _PLACES:
        if (folder / place).is_file():
            return folder / place
    if any(folder.glob("*.md")):
        return folder
    raise TrainingError(
        f"sft.data: {name}: {folder} holds no traces (expected {' or '.join(_PLACES)}, or seeds *.md); "
        "run the stages synth and filter first, or name a file"
    )


def _existing(path: Path, name: str) -> Path:
    if not path.is_file():
        raise TrainingError(f"sft.data: {name}: there is no {path}; name `kept`, `seeds`, or a path")
    return path


def _read(path: Path, profile: str | None) -> Iterator[Trace]:
    if path.is_dir():
        return (read_seed(seed).trace for seed in find_seeds([path]))
    if path.suffix == ".parquet":
        return _read_parquet(path)
    if path.stat().st_size == 0:
        raise TrainingError(f"sft.data: {path} is empty; there is nothing to train on")
    return read_traces(path, profile)


def _read_parquet(path: Path) -> Iterator[Trace]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    from cort_data.stages.dataset import trace_of

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                yield from (trace_of(row) for row in batch.to_pylist())
    except (pa.ArrowInvalid, OSError) as error:
        raise TraceError(f"{path}: not a Parquet file of traces ({error})") from None
    except ValidationError as error:
        raise TraceError(f"{path}: not a data set of traces: {first_problem(error)}") from None
    except KeyError as error:
        raise TraceError(f"{path}: not a data set of traces: it has no column {error.args[0]!r}") from None
