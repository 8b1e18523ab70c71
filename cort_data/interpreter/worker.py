"""The process of one session: it reads cells from its socket, runs them and answers.

It is forked from the server (`server.py`) with the libraries loaded and confined before it sees any code. It bounds
CPU time and memory itself, where an interrupt can still save the state; the client kills what does not stop.

A process that the code forks inherits the socket. It must never answer: only the process that started as the session
does, and a child that comes back from a cell ends there.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from cort_data.interpreter.runner import CellLimits, CellRunner
from cort_data.interpreter.wire import Frame, FrameReader, encode

RECEIVE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """What a session's process is started with."""

    seed: int
    cell: CellLimits
    memory_mb: int
    family: str
    """Folder of this session and its twins; the session works in a folder inside it."""


def main(sock: socket.socket, spec: SessionSpec, confine: Callable[[], None]) -> NoReturn:
    """Become the session; never returns. `confine` gives up what the session must not have."""
    os.setsid()
    scratch = os.path.join(spec.family, "0")
    _enter_scratch(scratch)
    try:
        confine()
    except OSError as exc:
        sock.sendall(encode({"failed": str(exc)}))
        os._exit(1)
    worker = _Worker(sock, spec, scratch)
    worker.send({"ready": os.getpid()})
    worker.serve()


def _enter_scratch(scratch: str) -> None:
    os.chdir(scratch)
    os.environ.clear()
    os.environ.update(
        {"HOME": scratch, "TMPDIR": scratch, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MPLBACKEND": "agg"}
    )


class _Worker:
    """Serves one socket from one process; a twin is the same object in a forked process with its own socket."""

    def __init__(self, sock: socket.socket, spec: SessionSpec, scratch: str) -> None:
        self._sock = sock
        self._family = spec.family
        self._scratch = scratch
        self._pid = os.getpid()
        self._runner = CellRunner(spec.cell, spec.seed)

    def serve(self) -> NoReturn:
        """Answer until the client hangs up."""
        reader = FrameReader()
        while True:
            data, fds, _, _ = socket.recv_fds(self._sock, RECEIVE_BYTES, 1)
            if not data:
                os._exit(0)
            for frame in reader.feed(data):
                if frame["op"] == "run":
                    self.send(self._runner.run(frame["code"], frame["number"]))
                else:
                    self._fork(fds[0])

    def send(self, frame: Frame) -> None:
        """Answer; a child of the code that came here ends instead."""
        if os.getpid() != self._pid:
            os._exit(0)
        self._sock.sendall(encode(frame))

    def _fork(self, twin_fd: int) -> None:
        """Fork a twin twice over, so that it is the server's child and not the code's to wait for."""
        threads = threading.active_count() - 1
        dice = random.getstate()  # Python seeds the generator afresh in every forked child
        try:
            middle = os.fork()
        except OSError as exc:
            os.close(twin_fd)
            self.send({"failed": str(exc)})
            return
        if middle == 0:
            self._fork_again(twin_fd, threads)
            random.setstate(dice)
            return
        os.close(twin_fd)
        _, status = os.waitpid(middle, 0)
        self.send({"forked": True} if status == 0 else {"failed": "the process limit is reached"})

    def _fork_again(self, twin_fd: int, threads: int) -> None:
        try:
            child = os.fork()
        except OSError:
            os._exit(1)
        if child:
            os._exit(0)
        self._become_twin(socket.socket(fileno=twin_fd), threads)

    def _become_twin(self, sock: socket.socket, threads: int) -> None:
        os.setsid()
        self._sock.close()
        self._sock, self._pid = sock, os.getpid()
        self._runner.continue_in_twin(threads)
        self._copy_scratch()
        self.send({"ready": self._pid})

    def _copy_scratch(self) -> None:
        """A scratch folder of its own with the same files, and the same place in it."""
        twin = os.path.join(self._family, str(self._pid))
        place = os.path.relpath(os.getcwd(), self._scratch)
        _copy_files(self._scratch, twin)
        self._scratch = twin
        _enter_scratch(twin)
        inside = os.path.join(twin, place)
        if not place.startswith("..") and os.path.isdir(inside):
            os.chdir(inside)


def _copy_files(source: str, target: str) -> None:
    """Copy folders, files and links; modes and times are not kept, and sockets and pipes have no copy."""
    os.mkdir(target)
    for entry in os.scandir(source):
        copy = os.path.join(target, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), copy)
        elif entry.is_dir():
            _copy_files(entry.path, copy)
        elif entry.is_file():
            shutil.copyfile(entry.path, copy)
