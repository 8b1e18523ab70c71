"""Rows of problem sets wherever they lie: JSON lines, a JSON array, parquet, or a data set on the Hub.

All are read a piece at a time. A row that cannot be used is named by its place; the others are still read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from cort_data.errors import CortError
from cort_data.grading.extract import extract_answer
from cort_data.json_lines import BadLine, Row, as_text, read_rows
from cort_data.trace import Problem

TEXT_KEYS = ("problem", "question", "prompt", "text")
ANSWER_KEYS = ("answer", "gold", "gold_answer", "final_answer", "solution")
ID_KEYS = ("id", "unique_id", "problem_id")
SOURCE_KEYS = ("source", "data_source")
TOPIC_KEYS = ("topic", "subject", "type")
LEVEL_KEYS = ("level", "difficulty")

_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?(?:@([\w.\[\]:%-]+))?")
_CHUNK = 1 << 20
_GSM8K_ANSWER = re.compile(r"####\s*(.+?)\s*$")


def read_source(source: str) -> Iterator[Row | BadLine]:
    """The rows of a file, or of a Hub data set written `owner/name[:config][@split]`. Raises CortError."""
    path = Path(source)
    hub = _HUB_ID.fullmatch(source)
    if not path.is_file() and hub is not None and not path.suffix:
        return _read_hub(hub[1], hub[2], hub[3] or "train")
    return _read_file(path)


def to_problem(row: Row, source: str) -> Problem | BadLine:
    """The problem of a row; `source` names the data set where the row does not."""
    text = _first(row, TEXT_KEYS)
    if not text:
        return BadLine(row.where, f"no problem text; expected one of the fields {', '.join(TEXT_KEYS)}")
    answer = stated_answer(row)
    if not answer:
        return BadLine(row.where, f"no answer; expected one of the fields {', '.join(ANSWER_KEYS)}")
    if any("\ud800" <= char <= "\udfff" for char in text + answer):
        return BadLine(row.where, "half a surrogate pair, which is no text; repair the file's escapes")
    number = row.where.rpartition(":")[2]
    return Problem(
        id=_first(row, ID_KEYS) or f"{source}-{number}",
        text=text,
        answer=answer,
        source=_first(row, SOURCE_KEYS) or source,
        topic=_first(row, TOPIC_KEYS) or "",
    )


def stated_answer(row: Row) -> str | None:
    """The answer field; of a worked solution what follows `####` (GSM8K) or stands in its last box (MATH)."""
    for key in ANSWER_KEYS:
        value = (as_text(row.fields.get(key)) or "").strip()
        marked = _GSM8K_ANSWER.search(value)
        answer = marked[1] if marked else extract_answer(value, think_close="") if key == "solution" else value
        if answer:
            return answer
    return None


def level_of(row: Row) -> str | None:
    """The row's level as it stands there, without the word: `5` of `Level 5`."""
    level = _first(row, LEVEL_KEYS)
    return level.removeprefix("Level ") if level else None


def _first(row: Row, keys: Iterable[str]) -> str | None:
    values = ((as_text(row.fields.get(key)) or "").strip() for key in keys)
    return next(filter(None, values), None)


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
                yield BadLine(f"{name}:{number + 1}", f"not JSON ({error}); the rest of the file cannot be read")
                return
            window += more
            continue
        number, window = number + 1, window[end:]
        where = f"{name}:{number}"
        yield Row(where, value) if isinstance(value, dict) else BadLine(where, "expected a JSON object")


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
