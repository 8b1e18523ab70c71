"""The client's side of the fork server: starts its process and speaks with it over the control socket."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from asyncio import Future
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import IO, Any

from cort_data.errors import InterpreterError
from cort_data.interpreter.isolation.report import strongest_without_namespaces
from cort_data.interpreter.local.patience import Patience
from cort_data.interpreter.local.server import PACKET_BYTES, ServerConfig

START_S = 120.0
STOP_S = 15.0
RETRY_S = 0.001
STDERR_CHARS = 500
OPEN_FILES = 256
FILE_MB = 64
PROCESSES = 32

Message = dict[str, Any]


class ServerLink:
    """One running server. Requests and their answers carry an id; the end of a session comes as an event."""

    def __init__(self, isolation: str) -> None:
        self._isolation = isolation
        self._ids = count(1)
        self._answers: dict[int, Future[Message]] = {}
        self._ends: dict[int, Future[int]] = {}
        self._ready: Future[Message] | None = None
        self._broken: str | None = None
        self._control: socket.socket
        self._process: subprocess.Popen[bytes]
        self._stderr: IO[bytes]
        self.patience: Patience
        self._scratch: str
        self.missing: tuple[str, ...] = ()
        """Libraries that the server looked for and did not find."""

    async def start(self) -> None:
        """Start the server and wait until its libraries are loaded."""
        self.patience = Patience()
        _allow_descriptors()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        self._scratch = tempfile.mkdtemp(prefix="cort-")
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        with theirs:
            self._process = _spawn(theirs, self._isolation, self._scratch, self._stderr)
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        loop.add_reader(self._control, self._on_readable)
        try:
            ready = await asyncio.wait_for(self._ready, START_S)
        except BaseException as exc:
            await self.stop()
            if isinstance(exc, TimeoutError):
                raise InterpreterError(f"the interpreter did not start within {START_S:g} s") from exc
            raise
        self.missing = tuple(ready["missing"])

    async def stop(self) -> None:
        """End the server and with it every session."""
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._fail("the interpreter is closed")
        deadline = asyncio.get_running_loop().time() + STOP_S
        while self._process.poll() is None:
            if asyncio.get_running_loop().time() > deadline:
                self._process.kill()
            await asyncio.sleep(0.002)
        self._stderr.close()
        with suppress(RecursionError):  # the server has removed it already, unless it was killed itself
            shutil.rmtree(self._scratch, ignore_errors=True)

    async def call(self, op: str, fds: tuple[int, ...] = (), **fields: object) -> Message:
        """Send a request and wait for its answer."""
        number = next(self._ids)
        answer: Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self.post(op, fds, id=number, **fields)
            return await answer
        finally:
            del self._answers[number]

    async def post(self, op: str, fds: tuple[int, ...] = (), **fields: object) -> None:
        """Send a request that has no answer."""
        packet = json.dumps({"op": op, **fields}).encode()
        while True:
            self.check()
            try:
                socket.send_fds(self._control, [packet], fds)
            except BlockingIOError:
                await asyncio.sleep(RETRY_S)
            except OSError:
                self._on_closed()
            else:
                return

    def session_end(self, session: int) -> Future[int]:
        """Resolves with the wait status of a session's process when it has ended and nothing of it is left."""
        self.check()
        end: Future[int] = asyncio.get_running_loop().create_future()
        end.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._ends[session] = end
        return end

    def forget(self, session: int) -> None:
        """Nobody waits for the end of this session."""
        self._ends.pop(session, None)

    def check(self) -> None:
        """InterpreterError if the server is gone."""
        if self._broken:
            raise InterpreterError(self._broken)

    def _on_readable(self) -> None:
        try:
            while packet := self._control.recv(PACKET_BYTES):
                self._on_message(json.loads(packet))
        except BlockingIOError:
            return
        except ConnectionError:
            pass
        self._on_closed()

    def _on_message(self, message: Message) -> None:
        if "exit" in message:
            end = self._ends.pop(message["exit"], None)
            if end and not end.done():
                end.set_result(message["status"])
        elif "failed" in message:
            end = self._ends.pop(message["failed"], None)
            if end and not end.done():
                end.set_exception(InterpreterError(f"cannot open a session: {message['error']}"))
        elif "id" in message:
            answer = self._answers.get(message["id"])
            if answer and not answer.done():
                answer.set_result(message)
        elif "refused" in message:
            self._fail(_refusal(self._isolation, message["refused"]))
        elif self._ready and not self._ready.done():
            self._ready.set_result(message)

    def _on_closed(self) -> None:
        asyncio.get_running_loop().remove_reader(self._control)
        self._stderr.seek(0)
        said = self._stderr.read().decode("utf-8", "replace").strip()[-STDERR_CHARS:]
        self._fail(" ".join(["the interpreter's server died; open a new interpreter:", *said.split()]))

    def _fail(self, reason: str) -> None:
        """Everyone who waits for the server gets the reason, and so does everyone who asks later."""
        self._broken = self._broken or reason
        waiting: list[Future[Any]] = [*self._answers.values(), *self._ends.values()]
        if self._ready:
            waiting.append(self._ready)
        for future in waiting:
            if not future.done():
                future.set_exception(InterpreterError(self._broken))
        self._ends.clear()


def _allow_descriptors() -> None:
    """Each session takes a descriptor here; many systems start programs with 1,024 and let them ask for more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _refusal(isolation: str, reason: str) -> str:
    weaker = strongest_without_namespaces() if isolation == "full" else "none"
    return (
        f"isolation {isolation!r} is not possible on this machine: {reason}; `cort doctor` says how to get it, "
        f"or accept less with --isolation {weaker} (in a recipe: interpreter.isolation: {weaker})"
    )


def _spawn(control: socket.socket, isolation: str, scratch: str, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    config = ServerConfig(isolation, scratch, open_files=OPEN_FILES, file_mb=FILE_MB, processes=PROCESSES)
    command = [sys.executable, "-s", "-P", "-B", "-m", "cort_data.interpreter.local.server"]
    return subprocess.Popen(
        [*command, str(control.fileno()), json.dumps(asdict(config))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=[control.fileno()],
        env=_environment(scratch),
        cwd=scratch,
        start_new_session=True,
    )


def _environment(scratch: str) -> dict[str, str]:
    """All the server ever sees of an environment: a fixed hash seed, one thread a library, nothing of ours."""
    return {
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PATH": os.defpath,
        "HOME": scratch,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "SYMPY_CACHE_SIZE": "None",  # a bounded cache writes to its links at each hit, and so copies pages
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
