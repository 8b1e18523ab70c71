"""Latencies of sessions under three loads: one caller that waits, many that do not, and openings and forks at rest."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import statistics
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from cort_data.interpreter import Interpreter, Session

CLOSED_CELLS = 3000
OPEN_SESSIONS = 64
OPEN_MEAN_S = 0.010
OPENINGS = 100
OPENING_PAUSE_S = 0.05
FORKS = 40
TFD_TIMER_ABSTIME = 1
STATE = """
import numpy
blob = bytearray(range(256)) * (20 * 4096)              # 20 MB
rows = [[n, str(n), float(n)] for n in range(100_000)]  # about 20 MB of objects
table = numpy.arange(10 * 131_072, dtype=float)         # 10 MB
"""


class Runs(Protocol):
    """What a caller needs of a session."""

    async def run(self, code: str) -> object:
        """Run one cell."""
        ...


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(seconds)
    named = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {name: 1000 * ordered[min(int(len(ordered) * share), len(ordered) - 1)] for name, share in named.items()}


async def closed_loop(interpreter: Interpreter) -> dict[str, float]:
    """`pass`, one after the other in one session."""
    session = await interpreter.session(0)
    taken = []
    for _ in range(CLOSED_CELLS):
        taken.append(await _timed_pass(session))
    await session.close()
    return percentiles(taken[CLOSED_CELLS // 10 :])


@dataclass(slots=True)
class OpenLoad:
    """What the callers of the open loop saw, in seconds."""

    latencies: list[float] = field(default_factory=list)
    """From when a cell was due until its answer: waiting behind the caller's earlier cell, and late sending, count."""
    late: list[float] = field(default_factory=list)
    """How late free callers sent: the cost of the load itself, part of the latencies."""
    seconds: float = 0.0
    """Until the last answer."""


class AlarmClock:
    """Wakes callers to the microsecond; the event loop's own timers come up to a millisecond late."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._ring)
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def at(self, due: float) -> asyncio.Future[None]:
        """Resolves at this time of `time.perf_counter`, which is the monotonic clock."""
        future = self._loop.create_future()
        heappush(self._waiting, (due, next(self._numbers), future))
        if self._waiting[0][2] is future:
            self._set(due)
        return future

    def close(self) -> None:
        """Nobody waits any more."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _ring(self) -> None:
        now = time.perf_counter()
        while self._waiting and self._waiting[0][0] <= now:
            heappop(self._waiting)[2].set_result(None)
        self._set(self._waiting[0][0] if self._waiting else 0.0)

    def _set(self, due: float) -> None:
        """For one ring; 0 for none. Setting it also takes back the ring that was."""
        once = struct.pack("qqqq", 0, 0, int(due), int(due % 1 * 1e9))
        self._libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, once, None)


class _Nobody:
    """A session that costs nothing, to weigh the load itself."""

    async def run(self, _code: str) -> None:
        """At once."""


async def open_loop(interpreter: Interpreter, seconds: float) -> dict[str, object]:
    """64 sessions to which cells come at random, 10 ms apart on average each, whether or not the last has ended."""
    sessions = [await interpreter.session(number) for number in range(OPEN_SESSIONS)]
    for session in sessions:
        await session.run("pass")
    load, client_cores = await _offer(sessions, seconds)
    for session in sessions:
        await session.close()
    _, load_cores = await _offer([_Nobody()] * OPEN_SESSIONS, seconds / 4)
    return {
        "sessions": OPEN_SESSIONS,
        "offered_cells_per_s": OPEN_SESSIONS / OPEN_MEAN_S,
        "answered_cells_per_s": len(load.latencies) / load.seconds,
        "client_cores": client_cores,
        "client_cores_without_interpreter": load_cores,
        "pass_ms": percentiles(load.latencies),
        "sent_late_ms": percentiles(load.late),
    }


async def _offer(sessions: Sequence[Runs], seconds: float) -> tuple[OpenLoad, float]:
    """What the callers saw, and how many cores this process used meanwhile."""
    load, clock = OpenLoad(), AlarmClock()
    used, started = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number, session in enumerate(sessions):
            group.create_task(_caller(session, _arrivals(number, started, seconds), clock, load))
    load.seconds = time.perf_counter() - started
    clock.close()
    return load, (time.process_time() - used) / load.seconds


def _arrivals(seed: int, started: float, seconds: float) -> Iterator[float]:
    """The times at which a caller's cells are due: a Poisson process."""
    dice = random.Random(seed)
    due = started + dice.expovariate(1 / OPEN_MEAN_S)
    while due < started + seconds:
        yield due
        due += dice.expovariate(1 / OPEN_MEAN_S)


async def _caller(session: Runs, arrivals: Iterator[float], clock: AlarmClock, load: OpenLoad) -> None:
    for due in arrivals:
        if due > time.perf_counter():
            await clock.at(due)
            load.late.append(time.perf_counter() - due)
        await session.run("pass")
        load.latencies.append(time.perf_counter() - due)


async def openings(interpreter: Interpreter) -> dict[str, object]:
    """New sessions at rest: until there is one, and until it has answered its first cell."""
    opened, answered = [], []
    for number in range(OPENINGS):
        await asyncio.sleep(OPENING_PAUSE_S)
        started = time.perf_counter()
        session = await interpreter.session(number)
        opened.append(time.perf_counter() - started)
        await session.run("pass")
        answered.append(time.perf_counter() - started)
        await session.close()
    return {"open_ms": percentiles(opened), "open_and_pass_ms": percentiles(answered)}


async def forks(interpreter: Interpreter) -> dict[str, object]:
    """Twins of a session with 50 MB of live state: until there is one, and until it has answered its first cell."""
    session = await interpreter.session(0)
    state = await session.run(STATE)
    if state.error:
        raise RuntimeError(f"the state of the fork benchmark could not be made: {state.error}")
    forked, answered = [], []
    for _ in range(FORKS):
        await asyncio.sleep(OPENING_PAUSE_S)
        started = time.perf_counter()
        twin = await session.fork()
        forked.append(time.perf_counter() - started)
        await twin.run("pass")
        answered.append(time.perf_counter() - started)
        await twin.close()
    await session.close()
    return {"fork_ms": percentiles(forked), "fork_and_pass_ms": percentiles(answered)}


async def _timed_pass(session: Session) -> float:
    started = time.perf_counter()
    await session.run("pass")
    return time.perf_counter() - started


def median_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """Percentile by percentile, the median over repeats."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}
