"""The client's side of one session process: sends it cells, waits within the limits, has it stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from asyncio import Future
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass

from cort_data.errors import InterpreterError
from cort_data.interpreter.base import Limits, Status
from cort_data.interpreter.link import ServerLink
from cort_data.interpreter.memory import MEMORY_EXIT
from cort_data.interpreter.runner import CellLimits
from cort_data.interpreter.wire import MAX_REPLY, Frame, FrameReader, WireError, encode

GRACE_S = 1.0
"""How long a cell may go on after its interrupt before it is killed."""
POLL_S = 0.1
START_S = 60.0
READ_BYTES = 1 << 16
_ANSWER: dict[str, type | tuple[type, ...]] = {
    "number": int,
    "status": str,
    "text": str,
    "error": (str, type(None)),
    "seconds": float,
    "cpu": float,
    "truncated": int,
}


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """The process is gone instead of having answered."""

    status: Status
    reason: str
    seconds: float


class SessionProcess:
    """One live process. `run_cell` and `fork` are called one after the other."""

    def __init__(self, link: ServerLink, number: int, limits: Limits, sock: socket.socket) -> None:
        self.number = number
        self._link = link
        self._limits = limits
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader(MAX_REPLY)
        self._inbox: deque[Frame] = deque()
        self._news = asyncio.Event()  # a frame, garbage or the end has come
        self._garbage: str | None = None
        self._starting = True  # until it is ready, hanging up is all we may ever learn of its end
        self._cpu = 0.0
        self._end = link.session_end(number)
        self._end.add_done_callback(self._on_end)
        self._loop.add_reader(sock, self._on_readable)

    @classmethod
    async def start(cls, link: ServerLink, number: int, limits: Limits, seed: int) -> SessionProcess:
        """A fresh process, ready for its first cell."""
        cell = asdict(CellLimits(limits.timeout_s, limits.wall_s, limits.output_chars))
        link.check()  # before there is anything to close
        ours, theirs = _socket_pair()
        process = cls(link, number, limits, ours)
        with theirs:
            answer = await link.call(
                "open", (theirs.fileno(),), session=number, seed=seed, cell=cell, memory_mb=limits.memory_mb
            )
        if answer["error"]:
            process._abandon()
            raise InterpreterError(f"cannot open a session: {answer['error']}")
        await process.expect_ready()
        return process

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._end.done()

    async def run_cell(self, code: str, number: int) -> Frame | ProcessEnd:
        """Run a cell and wait for its answer or its end, whichever the limits lead to."""
        started = self._loop.time()
        await self._ask(encode({"op": "run", "code": code, "number": number}))
        stopped = None if await self._in_time() else await self._stop()
        if self._inbox and _is_answer(self._inbox[0], number):
            frame = self._inbox.popleft()
            self._cpu = frame["cpu"]
            return frame
        if not self._end.done():
            await self.kill()
            return ProcessEnd(Status.DIED, "the process broke its connection", self._loop.time() - started)
        status, reason = (Status.TIMEOUT, stopped) if stopped else _describe(self._end.result())
        return ProcessEnd(status, reason, self._loop.time() - started)

    async def fork(self, number: int) -> SessionProcess:
        """A process that is a copy of this one."""
        self._link.check()
        ours, theirs = _socket_pair()
        twin = SessionProcess(self._link, number, self._limits, ours)
        await self._link.call("fork_begin")
        try:
            with theirs:
                await self._ask(encode({"op": "fork"}), theirs.fileno())
            await self._expect("forked")
            pid = await twin.expect_ready()
            answer = await self._link.call("adopt", session=number, pid=pid, origin=self.number)
            if answer["error"]:
                raise InterpreterError(f"cannot fork the session: {answer['error']}")
        except BaseException:
            twin._abandon()
            raise
        finally:
            await self._link.post("fork_end")
        return twin

    async def kill(self) -> None:
        """End the process and what it started; returns when nothing of it is left."""
        self._detach()
        with suppress(InterpreterError):  # a server that is gone has taken its sessions along
            if not self._end.done():
                await self._link.post("kill", session=self.number)
            await self._end

    def _on_end(self, end: Future[int]) -> None:
        self._news.set()
        if end.cancelled() or end.exception():  # the server is gone or closed; nobody may come to close us
            self._detach()

    def _abandon(self) -> None:
        """Forget a process that never became a session's; the server ends it if it exists."""
        self._link.forget(self.number)
        self._detach()

    def _detach(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    async def _in_time(self) -> bool:
        """Wait for news; False when CPU or wall time is used up and the interrupt did not help."""
        wall_end = self._loop.time() + self._limits.wall_s
        allowed = self._limits.timeout_s + GRACE_S
        wait = allowed
        while (left := wall_end - self._loop.time()) > 0:
            if await self._has_news(min(wait, left)):
                return True
            answer = await self._link.call("cpu", session=self.number)
            used = answer["cpu"] - self._cpu
            if used >= allowed:
                return self._news.is_set()
            wait = max(allowed - used, POLL_S)
        # waits until it is sent: an interrupt that came late would hit the next cell
        await self._link.call("interrupt", session=self.number)
        return await self._has_news(GRACE_S)

    async def _stop(self) -> str:
        await self._link.post("kill", session=self.number)
        await asyncio.wait([self._end])
        allowed = f"{self._limits.timeout_s:g} s of CPU time, {self._limits.wall_s:g} s in all"
        return f"TimeoutError: the block did not stop within its limits ({allowed}) and was killed"

    async def _has_news(self, timeout: float) -> bool:
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def expect_ready(self) -> object:
        """Wait until the process can take cells; its number in its process namespace."""
        pid = await self._expect("ready")
        self._starting = False
        return pid

    async def _expect(self, key: str) -> object:
        """The value of `key` in the next frame, which is our own code's, not a cell's."""
        if await self._has_news(START_S) and self._inbox:
            frame = self._inbox.popleft()
            if key in frame:
                return frame[key]
            raise InterpreterError(f"a session's process could not start: {frame.get('failed')}")
        reason = self._garbage or (_describe(self._end.result())[1] if self._end.done() else "it does not answer")
        raise InterpreterError(f"a session's process could not start: {reason}")

    async def _ask(self, data: bytes, fd: int | None = None) -> None:
        """Send a request; a process that does not listen any more is noticed by its end."""
        self._inbox.clear()  # frames that nobody asked for were not sent by our code
        if not self._end.done():
            self._news.clear()
        with suppress(ConnectionError, TimeoutError):
            if fd is not None:
                socket.send_fds(self._sock, [data], [fd])
                return
            with suppress(BlockingIOError):
                data = data[self._sock.send(data) :]
            if data:
                async with asyncio.timeout(self._limits.wall_s):
                    await self._loop.sock_sendall(self._sock, data)

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
            self._inbox.extend(self._reader.feed(data))
        except BlockingIOError:
            return
        except (ConnectionError, WireError) as exc:
            self._garbage, data = str(exc), b""
        if not data:
            self._loop.remove_reader(self._sock)
        if self._inbox or self._garbage or (self._starting and not data):
            self._news.set()


def _is_answer(frame: Frame, number: int) -> bool:
    """Whether a frame has the form of the answer to this cell; untrusted code could have written it."""
    typed = all(isinstance(frame.get(name), kind) for name, kind in _ANSWER.items())
    return typed and frame["status"] in {"ok", "error", "timeout", "memory"} and frame["number"] == number


def _describe(status: int) -> tuple[Status, str]:
    """What the wait status of a process that nobody killed says."""
    if not os.WIFSIGNALED(status):
        if os.waitstatus_to_exitcode(status) == MEMORY_EXIT:
            return Status.MEMORY, "MemoryError: earlier blocks have filled the memory of the session"
        return Status.DIED, f"the process ended itself with exit code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    if number == signal.SIGKILL:
        return Status.MEMORY, "MemoryError: the process was killed, most likely for the memory it used"
    return Status.DIED, f"the process crashed: {signal.strsignal(number)}"


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    """Our end, which never blocks, and the session's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    return ours, theirs
