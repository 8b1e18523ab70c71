"""Where the interpreter's benchmarks put what they measured: a table for people, a section of one file for the rest."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Table

from cort_data.tables import out

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "interpreter.json"
SHOWN_EVERY_S = 5.0


def machine() -> str:
    """What the figures were taken on."""
    return f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release()}"


def save(section: str, figures: dict[str, object]) -> None:
    """Replace one section of the results file."""
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    taken = {"command": " ".join(["python", *sys.argv]), "machine": machine(), "taken": f"{datetime.now(UTC):%Y-%m-%d}"}
    known[section] = {**taken, **figures}
    RESULTS.write_text(json.dumps(_rounded(known), indent=1) + "\n", encoding="utf-8")
    say(f"written: {RESULTS.name}, section {section}")


def _rounded(value: object) -> object:
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {key: _rounded(item) for key, item in value.items()}
        case list() | tuple():
            return [_rounded(item) for item in value]
    return value


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


class Pace:
    """Says now and then how far a count has come, and how fast."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._started = self._said = time.monotonic()

    def at(self, done: int, more: str = "") -> None:
        """`done` of the total are done."""
        now = time.monotonic()
        if done < self._total and now - self._said < SHOWN_EVERY_S:
            return
        self._said = now
        say(f"{done:,}/{self._total:,} {self._what} · {done / (now - self._started or 1):,.1f}/s {more}".rstrip())


Row = tuple[str, str, str, bool | None]
"""What, its value, what is required, whether that is met; None where nothing is required."""


def show(title: str, rows: list[Row]) -> bool:
    """Print the rows; whether every requirement is met."""
    table = Table(title=title, box=SIMPLE, title_justify="left", padding=(0, 1))
    table.add_column("")
    table.add_column("measured", justify="right")
    table.add_column("required", justify="right")
    table.add_column("")
    for what, value, required, met in rows:
        table.add_row(what, value, required, {None: "", True: "[green]met[/]", False: "[red]NOT MET[/]"}[met])
    out().print(table)
    return all(met is not False for *_, met in rows)
