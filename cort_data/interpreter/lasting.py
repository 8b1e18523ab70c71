"""A session that outlives its process: what the backends share that have a process a session on this machine.

Cells follow each other. A process that ended, or was given up, is replaced before the next cell, and the first result
after that says that the state was lost.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from cort_data.errors import InterpreterError
from cort_data.interpreter.base import Result
from cort_data.interpreter.ending import ProcessEnd, result_of
from cort_data.interpreter.wire import Frame


class CellProcess(Protocol):
    """One live process. Its calls follow each other."""

    async def run_cell(self, code: str, number: int) -> Frame | ProcessEnd:
        """Run a cell and wait for its answer or its end, whichever the limits lead to."""
        ...

    async def kill(self) -> None:
        """End the process and what it started; returns when nothing of it is left."""
        ...


P = TypeVar("P", bound=CellProcess)


class LastingSession(ABC, Generic[P]):
    """Keeps a process for its cells; see `Session`."""

    def __init__(self, process: P | None = None) -> None:
        self._lock = asyncio.Lock()
        self._process = process
        self._cells = 0
        self._lost = False
        self._closed = False

    @abstractmethod
    async def _start(self) -> P:
        """A fresh process, ready for its first cell."""

    @abstractmethod
    async def _has_ended(self, process: P) -> bool:
        """Is the process gone?"""

    async def run(self, code: str) -> Result:
        """Run one cell; see `Session.run`."""
        async with self._lock:
            process = await self._live_process()
            self._cells += 1
            lost, self._lost = self._lost, False
            try:
                outcome = await process.run_cell(code, self._cells)
            except BaseException:  # above all a cancelled call: its cell must not run on
                await self._lose()
                raise
            if isinstance(outcome, ProcessEnd):
                await self._lose()
                self._check_open()  # it was this session's closing that ended the process
                return outcome.result
            return result_of(outcome, lost)

    async def _live_process(self) -> P:
        self._check_open()
        if self._process and await self._has_ended(self._process):
            await self._lose()
        if self._process is None:
            self._process = await self._start()
            if self._closed:  # meanwhile
                await self._lose()
                self._check_open()
        return self._process

    async def _lose(self) -> None:
        """The process is given up; the next cell gets a fresh one and says so."""
        self._lost = True
        process, self._process = self._process, None
        if process:
            await process.kill()

    def _check_open(self) -> None:
        if self._closed:
            raise InterpreterError("the session is closed; open a new one")
