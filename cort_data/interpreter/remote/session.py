"""The `remote` backend: sessions of a server that `cort interpreter serve` runs, on another machine.

A session there is a session of the server's local backend, so a cell gives what it would give here. Sessions of a
client that is alive are kept by a heartbeat, one for all of them; those of one that has vanished end by themselves.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import Task
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

import httpx
from pydantic import ValidationError

from cort_data.errors import InterpreterError
from cort_data.interpreter import LEVELS
from cort_data.interpreter.base import Limits, Result, Status
from cort_data.interpreter.remote.http import FullError, Lane, Patience, ServerConnection
from cort_data.interpreter.remote.protocol import (
    MAX_BODY_BYTES,
    TOKEN_VARIABLE,
    VERSION,
    Heartbeat,
    ServerStatus,
    decode_result,
    encode_code,
    open_request,
)

FIRST_ATTEMPTS = 3
"""A wrong address should show soon; a server that was there is worth more patience."""
LAST_ATTEMPTS = 2
"""What cannot be ended there ends by itself."""
BEATS = 4
"""Heartbeats in the time after which a session is ended."""
ANSWER_S = 30.0
"""What an answer may take on top of its cell's wall time."""


class RemoteInterpreter:
    """Sessions of a server; it is asked what it is before the first session or on entering the context."""

    def __init__(
        self, url: str, limits: Limits, isolation: str, token: str | None = None, patience: Patience | None = None
    ) -> None:
        """`token` None means that of the environment."""
        self._limits = limits
        self._isolation = isolation
        self._connection = ServerConnection(_address(url), token or _token(url), patience or Patience())
        self._lane = self._connection.take_lane()
        self._sessions: dict[UUID, RemoteSession] = {}
        self._starting = asyncio.Lock()
        self._full = asyncio.Lock()
        self._server: ServerStatus | None = None
        self._heartbeat: Task[None] | None = None
        self._closed = False

    @property
    def forks(self) -> bool:
        """Whether the server's sessions fork; assumed until it was asked."""
        return self._server is None or self._server.forks

    async def session(self, seed: int, limits: Limits | None = None) -> RemoteSession:
        """A fresh session. Waits while the server is full."""
        await self._started()
        limits = limits or self._limits
        session = RemoteSession(self, self._connection, limits)
        await self.create(session, session.path, open_request(seed, limits))
        return session

    async def create(self, session: RemoteSession, path: str, body: bytes) -> None:
        """Have the server make a session, by the request that names it."""
        self._sessions[session.name] = session
        try:
            await self._ask_for_room(session.lane, path, body)
        except BaseException:  # the server may have made it all the same
            await session.close()
            raise

    def forget(self, session: RemoteSession) -> None:
        """This session is over."""
        self._sessions.pop(session.name, None)

    async def close(self) -> None:
        """End all sessions and close the connections."""
        self._closed = True
        async with self._starting:
            if self._heartbeat:
                self._heartbeat.cancel()
            await asyncio.gather(*(session.close() for session in list(self._sessions.values())))
            await self._connection.close()

    async def _started(self) -> None:
        async with self._starting:
            if self._closed:
                raise InterpreterError("the interpreter is closed; open a new one")
            if self._server is None:
                self._server = await self._status()
                self._heartbeat = asyncio.create_task(self._keep_sessions(self._server.idle_s / BEATS))

    async def _status(self) -> ServerStatus:
        body = await self._connection.ask(self._lane, "GET", "status", attempts=FIRST_ATTEMPTS)
        try:
            server = ServerStatus.model_validate_json(body)
        except ValidationError:
            raise self._connection.garbage(body.decode("utf-8", "replace")) from None
        self._check(server)
        return server

    def _check(self, server: ServerStatus) -> None:
        """Refuse a server under which a trace would come out otherwise."""
        place = f"interpreter.url: {self._connection.url}"
        if server.version != VERSION:
            raise InterpreterError(
                f"{place} has cort {server.version}, here is {VERSION}; install the same version on both machines"
            )
        if server.isolation not in LEVELS:
            raise self._connection.garbage(f"isolation {server.isolation}")
        if LEVELS.index(server.isolation) > LEVELS.index(self._isolation):
            raise InterpreterError(
                f"{place} isolates sessions less than was asked for: {server.isolation}, expected {self._isolation}; "
                f"start it with --isolation {self._isolation}, or accept less here with interpreter.isolation="
                f"{server.isolation} (cort exec: --isolation {server.isolation})"
            )

    async def _ask_for_room(self, lane: Lane, path: str, body: bytes) -> None:
        """Send at once; on a full server one waits for all that come after it, and they follow in order."""
        try:
            await self._connection.ask(lane, "PUT", path, body)
        except FullError:
            async with self._full:
                await self._connection.ask_for_room(lane, "PUT", path, body)

    async def _keep_sessions(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            if self._sessions:
                message = Heartbeat(sessions=list(self._sessions)).model_dump_json().encode()
                with suppress(InterpreterError):  # what is wrong will show at the next cell
                    await self._connection.ask(self._lane, "POST", "heartbeat", message)

    async def __aenter__(self) -> Self:
        await self._started()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class RemoteSession:
    """One session of the server, which knows it by its name and its cells by their numbers."""

    def __init__(self, interpreter: RemoteInterpreter, connection: ServerConnection, limits: Limits) -> None:
        self.name = uuid4()
        self.path = f"sessions/{self.name}"
        self.lane = connection.take_lane()
        self._interpreter = interpreter
        self._connection = connection
        self._limits = limits
        self._lock = asyncio.Lock()
        self._number = 0
        self._closed = False

    async def run(self, code: str) -> Result:
        """Run one cell; see `Session.run`."""
        async with self._lock:
            self._check_open()
            body = encode_code(code)
            if len(body) > MAX_BODY_BYTES:
                return _too_long(len(body))
            self._number += 1
            path = f"{self.path}/cells/{self._number}"
            try:
                answer = await self._ask("PUT", path, body)
            except asyncio.CancelledError:
                await self._cancel(path)
                raise
            try:
                return decode_result(answer)
            except ValueError as error:
                raise self._connection.garbage(str(error)) from None

    async def fork(self) -> RemoteSession:
        """A twin; see `Session.fork`."""
        async with self._lock:
            self._check_open()
            twin = RemoteSession(self._interpreter, self._connection, self._limits)
            await self._interpreter.create(twin, f"{self.path}/twins/{twin.name}", b"")
            return twin

    async def close(self) -> None:
        """End the session; see `Session.close`."""
        if self._closed:
            return
        self._closed = True
        self._interpreter.forget(self)
        try:
            with suppress(InterpreterError):
                await self._connection.ask(self.lane, "DELETE", self.path, attempts=LAST_ATTEMPTS)
        finally:
            self._connection.give_back(self.lane)

    async def _ask(self, method: str, path: str, body: bytes) -> bytes:
        try:
            return await self._connection.ask(self.lane, method, path, body, answer_s=self._limits.wall_s + ANSWER_S)
        except InterpreterError:
            self._check_open()  # it was this session's closing that ended the cell
            raise

    async def _cancel(self, path: str) -> None:
        """Kill the cell. If that cannot be said, the next cell's number says it."""
        with suppress(InterpreterError):
            await self._connection.ask(self.lane, "DELETE", path, attempts=LAST_ATTEMPTS)

    def _check_open(self) -> None:
        if self._closed:
            raise InterpreterError("the session is closed; open a new one")


def _too_long(size: int) -> Result:
    error = f"SyntaxError: the block has {size} bytes; at most {MAX_BODY_BYTES} are taken"
    return Result(Status.ERROR, "", error, 0.0)


def _address(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InterpreterError(
            f"interpreter.url: expected the address of a server, as http://host:8400, got {url!r}; "
            "cort interpreter serve starts one"
        )
    return url.rstrip("/") + "/"


def _token(url: str) -> str:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise InterpreterError(
            f"interpreter.url: {url} wants a token and {TOKEN_VARIABLE} is not set; "
            "set it to the one that the server was started with"
        )
    return token
