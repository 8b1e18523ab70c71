"""Traces and problems from JSONL files, one line at a time; a bad line is named by file and number.

A trace line is a `Trace`. A foreign line, as `{id, problem, completion}`, becomes a trace of the profile that the
caller names: whose prompt it is to have cannot be guessed. `cort traces import` writes such traces to a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cort_data.errors import TraceError
from cort_data.foreign import foreign_traces, is_foreign
from cort_data.json_lines import BadLine, Row
from cort_data.profiles import Profile, load_profile
from cort_data.trace import Problem, Trace, first_problem


def read_traces(path: Path, profile: str | None = None) -> Iterator[Trace]:
    """The traces of a file in order. Raises TraceError at the first line that is none, and for an empty file."""
    loaded = load_profile(profile) if profile else None
    for number, line in read_lines(path):
        yield parse_line(line, f"{path}:{number}", loaded)


def read_problems(path: Path) -> Iterator[Problem]:
    """The problems of a file that `cort problems import` wrote. Raises TraceError."""
    for number, line in read_lines(path):
        try:
            yield Problem.model_validate_json(line)
        except ValidationError as error:
            raise TraceError(f"{path}:{number}: not a problem: {first_problem(error)}") from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank. Raises TraceError for what is no UTF-8 text, torn or empty."""
    seen = False
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    seen = True
                    yield number, _decoded(line, f"{path}:{number}")
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror})") from None
    if not seen:
        raise TraceError(f"{path}: the file is empty; expected one JSON object a line")


def parse_line(line: str, where: str, profile: Profile | None = None) -> Trace:
    """The trace on one line; `where` names the line in messages."""
    record = _record(line, where)
    if is_foreign(record):
        return _foreign(record, where, profile)
    try:
        return Trace.from_json(line)
    except TraceError as error:
        raise TraceError(f"{where}: {error}") from None


def _decoded(line: bytes, where: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TraceError(f"{where}: not UTF-8 at byte {error.start + 1} of the line; convert the file") from None


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        if not line.endswith("\n"):
            raise TraceError(f"{where}: the last line is torn (no line end); remove it or write it again") from None
        raise TraceError(f"{where}: not JSON ({error})") from None
    if not isinstance(record, dict):
        raise TraceError(f"{where}: expected a JSON object, got {type(record).__name__}")
    return record


def _foreign(record: dict[str, Any], where: str, profile: Profile | None) -> Trace:
    """The one trace of a row of a public data set."""
    if profile is None:
        raise TraceError(f"{where}: a foreign line (it has a completion and no segments) needs --profile NAME")
    first, *more = foreign_traces(Row(where, record), profile, Path(where).stem)
    if isinstance(first, BadLine):
        raise TraceError(str(first))
    if more:
        raise TraceError(
            f"{where}: holds {1 + len(more)} completions; bring the file into form with cort traces import"
        )
    return first
