"""What the comparison asks of an interpreter, and how the baselines' own processes are spoken to."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from interpreter_work import Task

from cort_data.interpreter.local import link

BENCHMARKS = Path(__file__).resolve().parents[1]
LINE_BYTES = 1 << 24


class WrongAnswer(Exception):
    """A baseline gave something else than the work's known answer."""


class Contender(Protocol):
    """One way to run sessions."""

    name: str
    """As the table shows it."""
    widths: tuple[int, ...]
    """Sessions in flight to try; the best one is measured."""

    async def start(self) -> None:
        """Get ready; not timed."""
        ...

    async def run(self, tasks: list[Task], width: int) -> None:
        """Run all sessions, `width` at once. Raises WrongAnswer."""
        ...

    async def stop(self) -> None:
        """End everything that was started."""
        ...


def check(answer: str, task: Task) -> None:
    """WrongAnswer unless this is what the task's last block shows."""
    if answer.strip() != task.answer:
        raise WrongAnswer(f"expected {task.answer}, got {answer!r}")


async def side_by_side(tasks: Iterable[Task], width: int, one: Callable[[Task], Awaitable[None]]) -> None:
    """Run every task, `width` at once."""
    rest = iter(tasks)

    async def lane() -> None:
        for task in rest:
            await one(task)

    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(lane())


def environment(home: str) -> dict[str, str]:
    """That of the interpreter's own server, and the benchmark's modules."""
    given = link._environment(home)
    return {**given, "PYTHONPATH": os.pathsep.join([str(BENCHMARKS), given["PYTHONPATH"]])}


class Child:
    """A fresh python that runs a module and answers one JSON line for each that it gets."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, module: str, home: str, *arguments: str) -> Child:
        """Start it; it may still be loading when this returns."""
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-s", "-P", "-B", "-m", f"interpreter_baselines.{module}", *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment(home),
                cwd=home,
                limit=LINE_BYTES,
            )
        )

    async def ask(self, question: object) -> object:
        """Send a line, wait for the answer. ConnectionError: it has ended."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise ConnectionError(f"a baseline's process ended with {await self._process.wait()}")
        return json.loads(answer)

    async def stop(self) -> None:
        """It ends when its input does; one that does not is killed."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def answer_lines(answer: Callable[[Any], object]) -> None:
    """The child's side: answer every line of the input; what the work prints goes nowhere."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=replies, flush=True)


@asynccontextmanager
async def started(contender: Contender) -> AsyncIterator[Contender]:
    """The contender while it is ready."""
    try:
        await contender.start()
        yield contender
    finally:
        await contender.stop()
