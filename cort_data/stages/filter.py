"""The filter stage: traces in, `kept.jsonl` and `dropped.jsonl` with all decisions out, and the funnel.

Traces are read as a stream and written in the order in which they came; some are decided ahead (a replay waits for
the interpreter, a grade for its worker), so memory holds `in_flight` traces. Each line is written by one call:
after a kill the stage goes on where it was, with the same result.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cort_data.errors import RunError, TraceError
from cort_data.filters import Decisions, Filter, OrderedFilter, Resources, decide_alone, decide_in_order
from cort_data.funnel import Funnel
from cort_data.grading import Grader
from cort_data.grading.rules import DEFAULT as GRADERS
from cort_data.interpreter import Limits, open_interpreter
from cort_data.recipe import InterpreterSettings
from cort_data.runs import write_atomically
from cort_data.trace import Problem, Trace

KEPT_FILE = "kept.jsonl"
DROPPED_FILE = "dropped.jsonl"
FUNNEL_FILE = "funnel.json"

OnTrace = Callable[[Trace], None]


async def filter_traces(
    traces: Iterable[Trace],
    filters: Sequence[Filter[Any]],
    out_dir: Path,
    *,
    in_flight: int = 32,
    on_trace: OnTrace = lambda _: None,
) -> Funnel:
    """Decide on every trace; go on with what `out_dir` holds. `on_trace` hears of each decided trace.

    Raises TraceError if two traces have one id, RunError if the results cannot be written.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    funnel = Funnel()
    with ExitStack() as stack:
        kept, dropped = (stack.enter_context(LineFile(out_dir / n)) for n in (KEPT_FILE, DROPPED_FILE))
        done = set(_take_up([kept, dropped], filters, funnel, on_trace))
        async for trace in decided(_fresh(traces, done), filters, in_flight):
            (kept if funnel.count(trace.decisions) else dropped).append(trace.to_json())
            on_trace(trace)
    write_atomically(out_dir / FUNNEL_FILE, funnel.to_json())
    return funnel


async def decided(traces: Iterable[Trace], filters: Sequence[Filter[Any]], in_flight: int) -> AsyncIterator[Trace]:
    """The traces with their decisions, in order."""
    async for trace, alone in decided_ahead(traces, filters, in_flight):
        yield trace.with_decisions(await decide_in_order(trace, filters, alone))


async def decided_ahead(
    traces: Iterable[Trace], filters: Sequence[Filter[Any]], in_flight: int
) -> AsyncIterator[tuple[Trace, Decisions]]:
    """The traces in order with what the filters say that look at one trace alone; `in_flight` at a time."""
    waiting: deque[tuple[Trace, asyncio.Task[Decisions]]] = deque()
    try:
        for trace in traces:
            waiting.append((trace, asyncio.create_task(decide_alone(trace, filters))))
            if len(waiting) >= in_flight:
                first, task = waiting.popleft()
                yield first, await task
        while waiting:
            first, task = waiting.popleft()
            yield first, await task
    finally:
        for _, task in waiting:
            task.cancel()
        await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)


def _fresh(traces: Iterable[Trace], done: set[str]) -> Iterator[Trace]:
    """The traces that are not decided yet; the ids of this pass are checked for doubles."""
    seen: set[str] = set()
    for trace in traces:
        if trace.id in seen:
            raise TraceError(f"two traces have the id {trace.id!r}; ids must differ, make them so and filter again")
        seen.add(trace.id)
        if trace.id not in done:
            yield trace


def _take_up(
    files: Sequence[LineFile], filters: Sequence[Filter[Any]], funnel: Funnel, on_trace: OnTrace
) -> Iterator[str]:
    """Count what an earlier process decided, and tell the filters what it kept."""
    ordered = [f for f in filters if isinstance(f, OrderedFilter)]
    for file in files:
        for line in file.lines():
            trace = Trace.from_json(line)
            if funnel.count(trace.decisions):
                for f in ordered:
                    f.accept(trace)
            on_trace(trace)
            yield trace.id


@asynccontextmanager
async def open_resources(
    interpreter: InterpreterSettings, evaluation: Sequence[Problem] = (), graders: Sequence[str] = GRADERS
) -> AsyncIterator[Resources]:
    """What filters work with, opened; the interpreter and the grader start when they are first asked."""
    limits = Limits(interpreter.timeout_s, interpreter.memory_mb, interpreter.output_chars)
    with Grader(rules=graders) as grader:
        async with open_interpreter(
            interpreter.backend, limits, interpreter.isolation, interpreter.url or ""
        ) as opened:
            yield Resources(opened, grader, evaluation)


class LineFile:
    """A JSONL file that is only appended to. A last line that a kill has torn is cut when the file is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be opened for writing ({error.strerror})") from None
        os.truncate(self._file, sum(len(line) for line in self.lines()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def lines(self) -> Iterator[bytes]:
        """The whole lines that are there."""
        with self.path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))

    def append(self, line: str) -> None:
        """Add a line; if that fails, the file stays as it was. Raises RunError."""
        size = os.fstat(self._file).st_size
        rest = memoryview(line.encode() + b"\n")
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            os.ftruncate(self._file, size)
            raise RunError(
                f"{self.path}: cannot be written ({error.strerror}); "
                "what was decided is kept: make room and start the same command again"
            ) from None
