"""The client's side of one session process: sends it cells, waits within the limits, has it stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from asyncio import Future
from collections import deque
from contextlib import suppress
from dataclasses import asdict

from cort_data.errors import InterpreterError
from cort_data.interpreter import partial
from cort_data.interpreter.base import Limits, Status
from cort_data.interpreter.ending import ProcessEnd, describe_exit, describe_kill, describe_memory
from cort_data.interpreter.local.answer import checked_answer
from cort_data.interpreter.local.link import ServerLink
from cort_data.interpreter.output import cut_text, printable
from cort_data.interpreter.runner import CellLimits
from cort_data.interpreter.wire import MAX_REPLY, Frame, FrameReader, WireError, encode

LOOK_S = 0.25
"""A cell that takes longer is looked at this often."""
GRACE_S = 0.3
"""How long a cell may go on after its interrupt before it is killed."""
START_S = 30.0
MAX_INBOX = 8
READ_BYTES = 1 << 16


class SessionProcess:
    """One live process. Started as any session's; `begin` makes it one; then `run_cell` and `fork`, one at a time."""

    def __init__(self, link: ServerLink, number: int, sock: socket.socket) -> None:
        self.number = number
        self._link = link
        self._sock = sock
        self._partial = partial.create()
        self._limits = Limits()
        self._begin = b""
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader(MAX_REPLY)
        self._inbox: deque[Frame] = deque()
        self._waiter: Future[bool] | None = None  # done when a frame, garbage or the end has come
        self._garbage: str | None = None
        self._starting = True  # until it is ready, hanging up is all we may ever learn of its end
        self._cpu = 0.0
        self._end = link.session_end(number)
        self._end.add_done_callback(self._on_end)
        self._loop.add_reader(sock, self._on_readable)

    @classmethod
    async def start(cls, link: ServerLink, number: int) -> SessionProcess:
        """A fresh process, ready for `begin`."""
        link.check()  # before there is anything to close
        ours, theirs = _socket_pair()
        process = cls(link, number, ours)
        try:
            with theirs:
                await link.post("open", (theirs.fileno(), process._partial), session=number)
            await process.expect_ready()
        except BaseException:
            process._abandon()
            raise
        return process

    def begin(self, limits: Limits, seed: int) -> None:
        """Make it a session's; the process learns of it with the first request."""
        self._limits = limits
        cell = asdict(CellLimits(limits.timeout_s, limits.wall_s, limits.output_chars))
        self._begin = encode({"op": "begin", "cell": cell, "memory_mb": limits.memory_mb, "seed": seed})

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._end.done()

    async def run_cell(self, code: str, number: int) -> Frame | ProcessEnd:
        """Run a cell and wait for its answer or its end, whichever the limits lead to."""
        started = self._loop.time()
        code = code if code.isascii() else printable(code)
        await self._ask(encode({"op": "run", "code": code, "number": number}))
        stopped = None if await self._has_news(LOOK_S) else await self._watch(started)
        heard = self._inbox.popleft() if self._inbox and not stopped else {}
        if frame := checked_answer(heard, number, self._limits, self._loop.time() - started):
            self._cpu = frame["cpu"]
            if frame["status"] == "timeout":  # what it started must not run on
                await self._link.call("clear", session=self.number)
            return frame
        if not self._end.done():
            stopped = stopped or (Status.DIED, "the process broke its connection")
            await self._end_process()
        return self._lost(stopped, self._loop.time() - started)

    def _lost(self, stopped: tuple[Status, str] | None, seconds: float) -> ProcessEnd:
        status, reason = stopped or describe_exit(os.waitstatus_to_exitcode(self._end.result()))
        text = partial.read(self._partial) if self._partial >= 0 else ""  # not if it was closed meanwhile
        return ProcessEnd(status, reason, seconds, cut_text(text, self._limits.output_chars)[0])

    async def fork(self, number: int) -> SessionProcess:
        """A process that is a copy of this one."""
        self._link.check()
        ours, theirs = _socket_pair()
        twin = SessionProcess(self._link, number, ours)
        twin._limits = self._limits
        await self._link.call("fork_begin")
        try:
            with theirs:
                await self._ask(encode({"op": "fork"}), theirs.fileno(), twin._partial)
            await self._expect("forked", self._limits.wall_s)
            pid = await twin.expect_ready(self._limits.wall_s)
            answer = await self._link.call("adopt", session=number, number=pid, origin=self.number)
            if answer["error"]:
                raise InterpreterError(f"cannot fork the session: {answer['error']}")
        except BaseException:
            twin._abandon()
            raise
        finally:
            await self._link.post("fork_end", origin=self.number)
        return twin

    async def kill(self) -> None:
        """End the process and what it started; returns when nothing of it is left."""
        await self._end_process()
        self._release()

    async def _end_process(self) -> None:
        self._hang_up()
        with suppress(InterpreterError):  # a server that is gone has taken its sessions along
            if not self._end.done():
                await self._link.post("kill", session=self.number)
            await self._end

    def _on_end(self, end: Future[int]) -> None:
        self._wake()
        if end.cancelled() or end.exception():  # the server is gone or closed; nobody may come to close us
            self._release()

    def _abandon(self) -> None:
        """Forget a process that never became a session's; the server ends it if it exists."""
        self._link.forget(self.number)
        self._release()

    def _hang_up(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _release(self) -> None:
        self._hang_up()
        if self._partial >= 0:
            os.close(self._partial)
            self._partial = -1

    async def _watch(self, started: float) -> tuple[Status, str] | None:
        """Follow a cell that takes long until there is news; why it was stopped, if it did not stop by itself."""
        wall_end = started + self._limits.wall_s
        interrupted = 0.0
        while True:
            reason = None
            if interrupted and self._loop.time() >= interrupted + GRACE_S:
                reason = describe_kill(self._limits)
            else:
                usage = await self._link.call("usage", session=self.number)
                if self._is_news():  # it came meanwhile
                    return None
                if usage["memory"] > self._limits.memory_mb:
                    reason = describe_memory(usage["memory"], self._limits)
            if reason:
                await self._link.post("kill", session=self.number)
                await asyncio.wait([self._end])
                return reason
            # the process interrupts itself for its own time; this is for that of others that it has started
            cpu_spent = usage["cpu"] - self._cpu > self._limits.timeout_s + LOOK_S
            if not interrupted and (cpu_spent or self._loop.time() >= wall_end):
                number = signal.SIGPROF if cpu_spent else signal.SIGINT
                # waits until it is sent: an interrupt that came late would hit the next cell
                await self._link.call("interrupt", session=self.number, signal=number)
                interrupted = self._loop.time()
            stage_end = interrupted + GRACE_S if interrupted else wall_end
            if await self._has_news(min(LOOK_S, max(0.0, stage_end - self._loop.time()))):
                return None

    async def _has_news(self, seconds: float) -> bool:
        """Wait for a frame, garbage or the end; False when none came in time."""
        if self._is_news():
            return True
        self._waiter = self._loop.create_future()
        try:
            return await self._link.patience.wait(self._waiter, seconds)
        finally:
            self._waiter = None

    def _is_news(self) -> bool:
        return bool(self._inbox or self._garbage or self._end.done())

    def _wake(self, news: bool = True) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(news)

    async def expect_ready(self, seconds: float = START_S) -> object:
        """Wait until the process can take cells; its number in its process namespace."""
        pid = await self._expect("ready", seconds)
        self._starting = False
        return pid

    async def _expect(self, key: str, seconds: float) -> object:
        """The value of `key` in the next frame, which is our own code's, not a cell's."""
        if await self._has_news(seconds) and self._inbox:
            frame = self._inbox.popleft()
            if key in frame:
                return frame[key]
            raise InterpreterError(f"a session's process could not start: {frame.get('failed')}")
        reason = self._garbage or "it does not answer"
        if self._end.done():
            reason = describe_exit(os.waitstatus_to_exitcode(self._end.result()))[1]
        raise InterpreterError(f"a session's process could not start: {reason}")

    async def _ask(self, data: bytes, *fds: int) -> None:
        """Send a request; a process that does not listen any more is noticed by its end."""
        self._inbox.clear()  # frames that nobody asked for were not sent by our code
        data, self._begin = self._begin + data, b""
        try:
            sent = socket.send_fds(self._sock, [data], fds) if fds else self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except ConnectionError:
            return
        if sent < len(data):
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(self._limits.wall_s):
                    await self._loop.sock_sendall(self._sock, data[sent:])

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
            self._inbox.extend(self._reader.feed(data))
            if len(self._inbox) > MAX_INBOX:
                raise WireError("frames that nobody asked for")
        except BlockingIOError:
            return
        except (ConnectionError, WireError) as exc:
            self._garbage, data = str(exc), b""
        if not data:
            self._loop.remove_reader(self._sock)
            if self._starting:
                self._garbage = self._garbage or "it ended"
        if self._inbox or self._garbage:
            self._wake()


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    """Our end, which never blocks, and the session's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    return ours, theirs
