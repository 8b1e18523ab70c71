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
from cort_data.interpreter.base import Limits, Result
from cort_data.interpreter.ending import ProcessEnd, result_of
from cort_data.interpreter.jupyter.process import KernelProcess
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


class JupyterSession:
    """One session; the kernel behind it is replaced when it is lost."""

    def __init__(self, context: zmq.asyncio.Context, limits: Limits, seed: int, siblings: set[JupyterSession]) -> None:
        self._context = context
        self._limits = limits
        self._seed = seed
        self._siblings = siblings
        self._lock = asyncio.Lock()
        self._kernel: KernelProcess | None = None
        self._cells = 0
        self._lost = False
        self._closed = False
        siblings.add(self)

    async def open(self) -> None:
        """Start the session's kernel."""
        async with self._lock:
            try:
                await self._live_kernel()
            except BaseException:
                self._siblings.discard(self)
                raise

    async def run(self, code: str) -> Result:
        """Run one cell; see `Session.run`."""
        async with self._lock:
            kernel = await self._live_kernel()
            self._cells += 1
            lost, self._lost = self._lost, False
            try:
                outcome = await kernel.run_cell(code, self._cells)
            except BaseException:  # above all a cancelled call: its cell must not run on
                await self._lose()
                raise
            if isinstance(outcome, ProcessEnd):
                await self._lose()
                self._check_open()  # it was this session's closing that ended the kernel
                return outcome.result
            return result_of(outcome, lost)

    async def fork(self) -> JupyterSession:
        """Refused."""
        raise InterpreterError(
            "a session of the jupyter backend cannot be forked: a kernel has no copy of itself; "
            "use the local backend (in a recipe: interpreter.backend: local)"
        )

    async def close(self) -> None:
        """Kill the session's kernel; see `Session.close`."""
        self._closed = True
        if self._kernel:
            await self._kernel.stop()  # a cell that runs ends now and lets go of the lock
        async with self._lock:
            await self._lose()
            self._siblings.discard(self)

    def _check_open(self) -> None:
        if self._closed:
            raise InterpreterError("the session is closed; open a new one")

    async def _live_kernel(self) -> KernelProcess:
        self._check_open()
        if self._kernel and await self._kernel.exit_code() is not None:
            await self._lose()
        if self._kernel is None:
            self._kernel = await KernelProcess.start(self._context, self._limits, self._seed)
            self._check_open()  # closing waits for this start, and then ends the kernel
        return self._kernel

    async def _lose(self) -> None:
        """The kernel is given up; the next cell gets a fresh one and says so."""
        self._lost = True
        kernel, self._kernel = self._kernel, None
        if kernel:
            await kernel.end()


def _context() -> zmq.asyncio.Context:
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    context.setsockopt(zmq.MAXMSGSIZE, MAX_REPLY)
    return context
