"""Sessions of the `local` backend, as their client holds them.

    client ──control──► server ──requests──► zygote: libraries loaded, only forks
      │                   │ parent of           │
      │                   └──────► session ◄────┘
      └──cells, one socket a session──┘

No thread a session and no detour through the server: a cell costs one message each way. Who enforces what: the
session's process interrupts itself when a cell's CPU time is used up, which saves the state; this side looks at cells
that take long, interrupts at the wall limit, and asks the server to kill what ignores the interrupt.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from cort_data.errors import InterpreterError
from cort_data.interpreter.base import Limits
from cort_data.interpreter.lasting import LastingSession
from cort_data.interpreter.local.pool import ProcessPool
from cort_data.interpreter.local.process import SessionProcess


class LocalInterpreter:
    """Sessions on this machine. Starts its server with the first session or on entering the context."""

    def __init__(self, limits: Limits, isolation: str) -> None:
        self._limits = limits
        self._isolation = isolation
        self._starting = asyncio.Lock()
        self._pool: ProcessPool | None = None
        self._closed = False

    forks = True

    @property
    def missing(self) -> tuple[str, ...]:
        """Libraries that sessions will not find; known once the server runs."""
        return self._pool.missing if self._pool else ()

    async def session(self, seed: int, limits: Limits | None = None) -> LocalSession:
        """A fresh session; its process is ready when this returns."""
        pool = await self._started()
        process = await pool.take()
        process.begin(limits or self._limits, seed)
        return LocalSession(pool, process, limits or self._limits, seed)

    async def close(self) -> None:
        """End the server and every session."""
        self._closed = True
        async with self._starting:
            if self._pool:
                await self._pool.close()
                self._pool = None

    async def _started(self) -> ProcessPool:
        async with self._starting:
            if self._closed:
                raise InterpreterError("the interpreter is closed; open a new one")
            if self._pool is None:
                self._pool = await ProcessPool.start(self._isolation)
            return self._pool

    async def __aenter__(self) -> Self:
        await self._started()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class LocalSession(LastingSession[SessionProcess]):
    """One session; its process comes from the pool."""

    def __init__(self, pool: ProcessPool, process: SessionProcess, limits: Limits, seed: int) -> None:
        super().__init__(process)
        self._pool = pool
        self._limits = limits
        self._seed = seed

    async def fork(self) -> LocalSession:
        """A twin; see `Session.fork`. Raises InterpreterError if the twin's process cannot be made."""
        async with self._lock:
            process = await self._live_process()
            try:
                copy = await process.fork(self._pool.next_number())
            except asyncio.CancelledError:  # the process may be anywhere between one and two
                await self._lose()
                raise
            twin = LocalSession(self._pool, copy, self._limits, self._seed)
            twin._cells, twin._lost = self._cells, self._lost
            return twin

    async def close(self) -> None:
        """Kill the session's process; see `Session.close`."""
        self._closed = True
        process, self._process = self._process, None
        if process:
            await process.kill()

    async def _start(self) -> SessionProcess:
        process = await self._pool.take()
        process.begin(self._limits, self._seed)
        return process

    async def _has_ended(self, process: SessionProcess) -> bool:
        return process.ended
