"""JSON lines from strangers: each line is an object or is named with what is wrong with it, and reading goes on.

For cort's own files, where the first bad line ends the command, see `traces_io`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_TICK_S = 5.0


@dataclass(frozen=True)
class Row:
    """An object and where it stands, as `file:line`."""

    where: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class BadLine:
    """A line or row that cannot be used, and why; `kind` is a short name to count by."""

    where: str
    problem: str
    kind: str = "unusable"

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def read_rows(lines: Iterable[bytes], name: str) -> Iterator[Row | BadLine]:
    """A row for each line that is not blank; lines are numbered from 1."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _row(line, f"{name}:{number}")


def as_text(value: object) -> str | None:
    """A text or a number of a JSON field as text; None for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def ticking(items: Iterable[T], title: str) -> Iterator[T]:
    """The same items; every few seconds a line on stderr says how many went by, and how fast."""
    started = shown = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - shown >= _TICK_S:
            shown = now
            print(f"{title}: {count:,} lines · {count / (now - started):,.0f}/s", file=sys.stderr)


def _row(line: bytes, where: str) -> Row | BadLine:
    try:
        fields = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        return BadLine(where, f"not UTF-8 (byte {error.start + 1} of the line)", "not_utf8")
    except RecursionError:
        return BadLine(where, "not JSON (nested too deeply)", "not_json")
    except ValueError as error:
        torn = not line.endswith(b"\n")
        return BadLine(where, f"{'torn, ' if torn else ''}not JSON ({error})", "torn_line" if torn else "not_json")
    if not isinstance(fields, dict):
        return BadLine(where, f"expected a JSON object, got {type(fields).__name__}", "no_object")
    return Row(where, fields)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")
