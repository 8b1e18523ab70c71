"""Progress on stderr: a bar with counts and rates on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cort_data.trace import Trace

LINE_INTERVAL_S = 15.0


class Meter:
    """Counts what a stage does; a context manager that shows it, and whose time is measured.

    Where traces are only `read`, the rate is traces a second; where they are written, model tokens a second.
    """

    def __init__(self, title: str, total: int, *, read: bool = False) -> None:
        self.traces = 0
        self.tokens = 0
        self.calls = 0
        self.seconds = 0.0
        self._title = title
        self.total = total
        self._read = read
        self._started = self._shown = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rates]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(title, total=total, rates="")

    @property
    def tokens_per_s(self) -> float:
        """Model tokens generated a second, rewound ones included."""
        return self.tokens / self.seconds if self.seconds else 0.0

    def add(self, trace: Trace) -> None:
        """Count a finished trace."""
        self.seconds = time.monotonic() - self._started
        self.traces += 1
        self.tokens += trace.generated_tokens
        self.calls += trace.calls
        self._bar.update(self._task, completed=self.traces, rates=self._rates())
        if self._bar.disable and time.monotonic() - self._shown >= LINE_INTERVAL_S:
            self._line()

    def __enter__(self) -> Self:
        self._started = self._shown = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.monotonic() - self._started
        self._bar.stop()
        if self._bar.disable and self.total:
            self._line()

    def _rates(self) -> str:
        if self._read:
            return f"{self.traces / self.seconds if self.seconds else 0:,.0f} traces/s"
        return f"{self.tokens_per_s:,.0f} model tokens/s · {self.calls:,} blocks run"

    def _line(self) -> None:
        self._shown = time.monotonic()
        print(f"{self._title}: {self.traces}/{self.total} traces · {self._rates()}", file=sys.stderr)
