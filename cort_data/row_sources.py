"""Rows wherever they lie: JSON lines, a JSON array, parquet, or a data set on the Hub.

All are read a piece at a time. A row that cannot be used is named by its place; the others are still read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from cort_data.errors import CortError
from cort_data.json_lines import BadLine, Row, read_rows

_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?(?:@([\w.\[\]:%-]+))?")
_CHUNK = 1 << 20


def read_source(source: str) -> Iterator[Row | BadLine]:
    """The rows of a file, or of a Hub data set written `owner/name[:config][@split]`. Raises CortError."""
    path = Path(source)
    hub = _HUB_ID.fullmatch(source)
    if not path.is_file() and hub is not None and not path.suffix:
        return _read_hub(hub[1], hub[2], hub[3] or "train")
    return _read_file(path)


def _read_file(path: Path) -> Iterator[Row | BadLine]:
    try:
        if path.suffix == ".parquet":
            yield from _read_parquet(path)
        elif path.suffix == ".json" and _starts_with_bracket(path):
            with path.open(encoding="utf-8") as file:
                yield from _read_array(file, str(path))
        else:
            with path.open("rb") as lines:
                yield from read_rows(lines, str(path))
    except OSError as error:
        hint = "give a jsonl, json or parquet file, or a Hub data set as owner/name[:config][@split]"
        raise CortError(f"cannot read {path}: {error.strerror or error}; {hint}") from None
    except UnicodeDecodeError as error:
        raise CortError(f"cannot read {path}: not UTF-8 (byte {error.start + 1} of a block); convert it") from None


def _starts_with_bracket(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _read_array(file: TextIO, name: str) -> Iterator[Row | BadLine]:
    """The elements of a JSON array, decoded one by one from a window that slides over the file."""
    decoder = json.JSONDecoder()
    window, number = file.read(_CHUNK).lstrip("\ufeff \t\r\n")[1:], 0
    while (window := window.lstrip(" \t\r\n,")) != "" or (window := file.read(_CHUNK)) != "":
        if window.startswith("]"):
            return
        try:
            value, end = decoder.raw_decode(window)
        except ValueError as error:
            # The element may go on beyond the window, which then at least doubles.
            more = file.read(max(_CHUNK, len(window)))
            if not more:
                yield BadLine(
                    f"{name}:{number + 1}", f"not JSON ({error}); the rest of the file cannot be read", "torn_line"
                )
                return
            window += more
            continue
        number, window = number + 1, window[end:]
        where = f"{name}:{number}"
        yield Row(where, value) if isinstance(value, dict) else BadLine(where, "expected a JSON object", "no_object")


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]

    try:
        with ParquetFile(path) as file:
            batches = (batch.to_pylist() for batch in file.iter_batches(batch_size=1000))
            yield from _numbered((row for batch in batches for row in batch), str(path))
    except pyarrow.ArrowInvalid as error:
        raise CortError(f"cannot read {path}: not a parquet file ({str(error).splitlines()[0]})") from None


def _read_hub(name: str, config: str | None, split: str) -> Iterator[Row]:
    import datasets
    from huggingface_hub.errors import HfHubHTTPError

    try:
        rows = datasets.load_dataset(name, config, split=split, streaming=True)
        yield from _numbered(rows, name)
    except (OSError, ValueError, HfHubHTTPError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CortError(f"cannot read the data set {name} (split {split}) from the Hub: {reason}") from None


def _numbered(rows: Iterable[dict[str, Any]], name: str) -> Iterator[Row]:
    return (Row(f"{name}:{number}", row) for number, row in enumerate(rows, start=1))
