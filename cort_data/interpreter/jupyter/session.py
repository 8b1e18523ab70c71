"""The `jupyter` backend: every session is an ipykernel of its own, on any OS. Nothing is isolated.

NOT protected, at all: the code reads and writes every file of the user, uses the network, starts programs, signals
processes, and can change the kernel that reports its results. What it starts in a process session of its own outlives
it. There are a private working folder, an environment without the user's variables, and limits on time, output and
(on Linux) memory, which keep honest code in bounds.

The cells are those of every other backend (`runner.CellRunner`), so IPython's magics are not offered. A kernel
interrupts itself when a cell's CPU time is used up; this side interrupts at the wall limit and kills what ignores it.
Libraries are loaded when the code imports them, so that a kernel starts in well under a second; their time and memory
are then the cell's (numpy, scipy, sympy and pandas together: 475 MB of address space). Written for any OS; tested on
Linux. On Windows the wall limit alone bounds time.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import zmq
import zmq.asyncio

from cort_data.errors import InterpreterError
from cort_data.interpreter.base import Limits
from cort_data.interpreter.jupyter.process import KernelProcess
from cort_data.interpreter.lasting import LastingSession
from cort_data.interpreter.wire import MAX_REPLY

RECONNECT_MS = 10
"""How often a client looks for the sockets of a kernel that is starting."""


class JupyterInterpreter:
    """Sessions on this machine, one kernel each."""

    forks = False

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._context: zmq.asyncio.Context | None = None
        self._sessions: set[JupyterSession] = set()
        self._closed = False

    async def session(self, seed: int, limits: Limits | None = None) -> JupyterSession:
        """A fresh session; its kernel is ready when this returns."""
        if self._closed:
            raise InterpreterError("the interpreter is closed; open a new one")
        self._context = self._context or _context()
        session = JupyterSession(self._context, limits or self._limits, seed, self._sessions)
        await session.open()
        return session

    async def close(self) -> None:
        """End every session."""
        self._closed = True
        await asyncio.gather(*[session.close() for session in self._sessions])
        if self._context:
            self._context.destroy(linger=0)
            self._context = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class JupyterSession(LastingSession[KernelProcess]):
    """One session; its process is a kernel."""

    def __init__(self, context: zmq.asyncio.Context, limits: Limits, seed: int, siblings: set[JupyterSession]) -> None:
        super().__init__()
        self._context = context
        self._limits = limits
        self._seed = seed
        self._siblings = siblings
        siblings.add(self)

    async def open(self) -> None:
        """Start the session's kernel."""
        async with self._lock:
            try:
                await self._live_process()
            except BaseException:
                self._siblings.discard(self)
                raise

    async def fork(self) -> JupyterSession:
        """Refused."""
        raise InterpreterError(
            "a session of the jupyter backend cannot be forked: a kernel has no copy of itself; "
            "use the local backend (in a recipe: interpreter.backend: local)"
        )

    async def close(self) -> None:
        """Kill the session's kernel; see `Session.close`."""
        self._closed = True
        if self._process:
            await self._process.stop()  # a cell that runs ends now and lets go of the lock
        async with self._lock:
            await self._lose()
            self._siblings.discard(self)

    async def _start(self) -> KernelProcess:
        return await KernelProcess.start(self._context, self._limits, self._seed)

    async def _has_ended(self, process: KernelProcess) -> bool:
        return await process.exit_code() is not None


def _context() -> zmq.asyncio.Context:
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    context.setsockopt(zmq.MAXMSGSIZE, MAX_REPLY)
    return context
