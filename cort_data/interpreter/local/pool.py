"""Processes forked ahead of need: a session that begins finds one ready.

How many are kept grows with demand, so that a program that runs one session does not pay for eight.
"""

from __future__ import annotations

import asyncio
from asyncio import Task
from collections import deque
from itertools import count

from cort_data.interpreter.local.link import ServerLink
from cort_data.interpreter.local.process import SessionProcess

SPARES = 8
"""Ready or on their way, at most, beyond those that are asked for."""


class ProcessPool:
    """Gives out processes of one server, in the order in which they were started."""

    def __init__(self, link: ServerLink) -> None:
        self._link = link
        self._numbers = count(1)
        self._taken = 0
        self._coming: deque[Task[SessionProcess]] = deque()

    @classmethod
    async def start(cls, isolation: str) -> ProcessPool:
        """Start the server; no process yet."""
        link = ServerLink(isolation)
        await link.start()
        return cls(link)

    @property
    def missing(self) -> tuple[str, ...]:
        """Libraries that sessions will not find."""
        return self._link.missing

    def next_number(self) -> int:
        """A number for a process that is started outside of the pool."""
        return next(self._numbers)

    async def take(self) -> SessionProcess:
        """A fresh process. InterpreterError: none can be started."""
        self._taken += 1
        while True:
            self._order(1 + min(self._taken, SPARES))
            process = await self._next()
            if not process.ended:
                return process
            await process.kill()

    async def close(self) -> None:
        """End the server and with it every process."""
        for task in self._coming:
            task.cancel()
        await asyncio.gather(*self._coming, return_exceptions=True)
        self._coming.clear()
        await self._link.stop()

    def _order(self, number: int) -> None:
        while len(self._coming) < number:
            self._coming.append(asyncio.create_task(SessionProcess.start(self._link, self.next_number())))

    async def _next(self) -> SessionProcess:
        task = self._coming.popleft()
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._coming.appendleft(task)  # whoever comes next gets it
            raise
