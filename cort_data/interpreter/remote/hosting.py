"""The sessions that a server holds for clients elsewhere: bounded, each cell run once, ended when nobody wants them.

What is asked twice happens once: a session has the id that its client chose, a cell its number, and the last result is
kept. A cell that a client has stopped waiting for is killed, either because a later number comes or because
nobody has asked for it for `ABANDONED_S`.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import Task
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from cort_data.errors import InterpreterError
from cort_data.interpreter.base import Interpreter, Limits, Result, Session

ABANDONED_S = 10.0
"""A client whose connection broke has so long to ask again before its cell is killed."""
MAX_OUTPUT_CHARS = 50_000
ENDED_KEPT = 10_000
"""Ended sessions that are remembered: a request to open one may be overtaken by the request to end it."""
Gone = Callable[[], Awaitable[object]]
"""Returns when the client has hung up."""


class RefusedError(InterpreterError):
    """A request that cannot be served as it is; `status` says in which way."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class ClientGoneError(InterpreterError):
    """The client hung up before its cell had ended."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What clients may take."""

    sessions: int = 64
    """Live sessions, of all clients together."""
    timeout_s: float = 10.0
    memory_mb: int = 1024
    idle_s: float = 300.0
    """A session is ended after so long without a request or heartbeat."""
    abandoned_s: float = ABANDONED_S

    def check(self, limits: Limits) -> None:
        """RefusedError if a session may not have these limits."""
        for name, most, remedy in (
            ("timeout_s", self.timeout_s, "start the server with a larger --timeout"),
            ("memory_mb", self.memory_mb, "start the server with a larger --memory"),
            ("output_chars", MAX_OUTPUT_CHARS, "this bound is fixed"),
        ):
            asked = getattr(limits, name)
            if asked > most:
                raise RefusedError(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    f"interpreter.{name} may be at most {most:g} here, got {asked:g}; lower it ({remedy})",
                )


class SessionHost:
    """All sessions of one server."""

    def __init__(self, interpreter: Interpreter, bounds: Bounds) -> None:
        self.bounds = bounds
        self._interpreter = interpreter
        self._sessions: dict[UUID, _Hosted] = {}
        self._ended: dict[UUID, None] = {}  # a set that knows its order
        self._closed = False

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def forks(self) -> bool:
        """Whether sessions can be copied."""
        return self._interpreter.forks

    async def open(self, name: UUID, seed: int, limits: Limits) -> None:
        """Open a session, unless it is open. Raises RefusedError, above all when there is no room."""
        self.bounds.check(limits)
        await self._start(name, (seed, limits), lambda: self._interpreter.session(seed, limits))

    async def fork(self, name: UUID, twin: UUID) -> None:
        """Copy a session, unless the copy is there. A cell that still runs is one that nobody waits for."""
        await self._start(twin, name, lambda: self._find(name).fork())

    async def run(self, name: UUID, number: int, code: str, gone: Gone) -> Result:
        """Run a cell, or give the result that it had. Raises ClientGoneError when `gone` returns first."""
        return await self._find(name).run(number, code, gone, self.bounds.abandoned_s)

    async def cancel(self, name: UUID, number: int) -> None:
        """Kill this cell if it runs, and refuse it if it comes later."""
        await self._find(name).cancel(number)

    async def end(self, name: UUID) -> None:
        """End a session; one that is not open yet will not be opened."""
        self._ended[name] = None
        if len(self._ended) > ENDED_KEPT:
            del self._ended[next(iter(self._ended))]
        if hosted := self._sessions.pop(name, None):
            await hosted.end()

    def keep(self, names: Iterable[UUID]) -> None:
        """Their client still wants these sessions."""
        for name in names:
            if hosted := self._sessions.get(name):
                hosted.touch()

    async def end_idle(self) -> None:
        """End the sessions of clients that have vanished; returns only when it is cancelled."""
        while True:
            await asyncio.sleep(self.bounds.idle_s / 4)
            idle = [name for name, hosted in self._sessions.items() if hosted.idle_s > self.bounds.idle_s]
            await asyncio.gather(*map(self.end, idle))

    async def close(self) -> None:
        """End all sessions and take no more."""
        self._closed = True
        await asyncio.gather(*map(self.end, list(self._sessions)))

    def _find(self, name: UUID) -> _Hosted:
        hosted = self._sessions.get(name)
        if hosted is None:
            raise RefusedError(
                HTTPStatus.NOT_FOUND,
                "the session is gone: the server was restarted, or heard nothing of the session for "
                f"{self.bounds.idle_s:g} s; open a new one",
            )
        hosted.touch()
        return hosted

    async def _start(self, name: UUID, request: object, make: Callable[[], Coroutine[Any, Any, Session]]) -> None:
        hosted = self._sessions.get(name)
        if hosted is None:
            self._check_room(name)
            hosted = self._sessions[name] = _Hosted(request, asyncio.create_task(make()))
        elif hosted.request != request:
            raise RefusedError(HTTPStatus.CONFLICT, f"another session has the id {name}")
        try:
            await hosted.session()
        except RefusedError:
            self._sessions.pop(name, None)
            raise
        except InterpreterError as error:
            self._sessions.pop(name, None)
            raise InterpreterError(f"no session can be opened, restart the server if that lasts: {error}") from error

    def _check_room(self, name: UUID) -> None:
        if name in self._ended:
            raise RefusedError(HTTPStatus.GONE, "the session was ended")
        if self._closed:  # like a proxy before a server that is away: another may come
            raise RefusedError(HTTPStatus.BAD_GATEWAY, "the server is shutting down")
        if len(self._sessions) >= self.bounds.sessions:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE, f"all {self.bounds.sessions} sessions of the server are in use"
            )


class _Hosted:
    """One session, from the moment it was asked for."""

    def __init__(self, request: object, opening: Task[Session]) -> None:
        self.request = request
        self._opening = opening
        self._number = 0
        self._cell: Task[Result] | None = None
        self._waiting = 0
        self._used = time.monotonic()
        opening.add_done_callback(_take_error)

    @property
    def idle_s(self) -> float:
        """Seconds without a request; 0 while the session works."""
        works = not self._opening.done() or (self._cell and not self._cell.done())
        return 0.0 if works else time.monotonic() - self._used

    def touch(self) -> None:
        """A request has come."""
        self._used = time.monotonic()

    async def session(self) -> Session:
        """The session once it is open; who stops waiting does not stop the opening."""
        return await asyncio.shield(self._opening)

    async def fork(self) -> Session:
        """A copy."""
        await self._kill(self._cell)
        return await (await self.session()).fork()

    async def run(self, number: int, code: str, gone: Gone, abandoned_s: float) -> Result:
        """See `SessionHost.run`."""
        cell = self._started(number, code)
        hung_up = asyncio.ensure_future(gone())
        self._waiting += 1
        try:
            await asyncio.wait((cell, hung_up), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting -= 1
            hung_up.cancel()
            self.touch()
        if not cell.done():
            asyncio.get_running_loop().call_later(abandoned_s, self._abandon, cell)
            raise ClientGoneError("the client hung up")
        if cell.cancelled():
            raise RefusedError(HTTPStatus.CONFLICT, f"cell {number} was cancelled")
        return cell.result()

    async def cancel(self, number: int) -> None:
        """See `SessionHost.cancel`."""
        cell = self._cell if number >= self._number else None
        if number > self._number:
            self._number, self._cell = number, None
        await self._kill(cell)

    async def end(self) -> None:
        """Kill everything, also what is only being opened."""
        with suppress(InterpreterError):
            await (await self.session()).close()

    def _started(self, number: int, code: str) -> Task[Result]:
        """The task of this cell; a new one for a new number."""
        if number > self._number:
            self._number = number
            self._cell = asyncio.create_task(self._run_after(self._cell, code))
            self._cell.add_done_callback(_take_error)
        elif number < self._number or self._cell is None:
            raise RefusedError(HTTPStatus.CONFLICT, f"cell {number} is over; the last one is {self._number}")
        return self._cell

    async def _run_after(self, earlier: Task[Result] | None, code: str) -> Result:
        await self._kill(earlier)
        return await (await self.session()).run(code)

    async def _kill(self, cell: Task[Result] | None) -> None:
        if cell and not cell.done():
            cell.cancel()
            await asyncio.wait((cell,))

    def _abandon(self, cell: Task[Result]) -> None:
        if not self._waiting:
            cell.cancel()


def _take_error(task: Task[Any]) -> None:
    """Who waits gets the error; where nobody does, it is no news."""
    if not task.cancelled():
        task.exception()
