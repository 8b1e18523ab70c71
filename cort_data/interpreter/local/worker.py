"""The process of one session: it reads cells from its socket, runs them and answers.

It is forked from the zygote (`zygote.py`) with the libraries loaded and confined before it sees any code. It bounds
CPU time and memory itself, where an interrupt can still save the state; the client kills what does not stop.

A process that the code forks inherits the socket. It must never answer: only the process that started as the session
does, and a child that comes back from a cell ends there.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from collections.abc import Callable
from typing import NoReturn

from cort_data.interpreter.isolation import confine, kernel
from cort_data.interpreter.local import scratch
from cort_data.interpreter.runner import CellLimits, CellRunner
from cort_data.interpreter.wire import Frame, FrameReader, encode

RECEIVE_BYTES = 1 << 16
DESCRIPTORS = struct.Struct("2i")  # a twin's socket and its file for partial output


def main(sock: socket.socket, partial: int, family: str, give_up: Callable[[], confine.Confinement]) -> NoReturn:
    """Become a session in the folder of its family; never returns. `give_up` confines this process."""
    os.setsid()
    place = os.path.join(family, scratch.FOUNDER)
    try:
        confinement = give_up()
        os.mkdir(place, 0o700)
        scratch.enter(place)
    except OSError as exc:
        sock.sendall(encode({"failed": str(exc)}))
        os._exit(1)
    worker = _Worker(sock, partial, place, confinement)
    worker.send({"ready": os.getpid()})
    worker.serve()


class _Worker:
    """Serves one socket from one process; a twin is the same object in a forked process with its own socket."""

    def __init__(self, sock: socket.socket, partial: int, place: str, confinement: confine.Confinement) -> None:
        self._sock = sock
        self._partial = partial
        self._place = place
        self._confinement = confinement
        self._pid = os.getpid()
        self._runner: CellRunner

    def serve(self) -> NoReturn:
        """Answer until the client hangs up."""
        reader = FrameReader()
        while True:
            data, sent, _, _ = self._sock.recvmsg(RECEIVE_BYTES, socket.CMSG_SPACE(DESCRIPTORS.size))
            if not data:
                os._exit(0)
            for frame in reader.feed(data):
                self._serve(frame, [fd for _, _, part in sent for fd in DESCRIPTORS.unpack(part)])

    def _serve(self, frame: Frame, fds: list[int]) -> None:
        if frame["op"] == "run":
            self.send(self._runner.run(frame["code"], frame["number"]))
        elif frame["op"] == "begin":
            self._begin(frame)
        else:
            self._fork(*fds)

    def send(self, frame: Frame) -> None:
        """Answer; a child of the code that came here ends instead."""
        if os.getpid() != self._pid:
            os._exit(0)
        self._sock.sendall(encode(frame))

    def _begin(self, frame: Frame) -> None:
        """Take up a session: its limits and its seed. Until now this process was any session's."""
        self._confinement.limit_memory(frame["memory_mb"])
        self._runner = CellRunner(CellLimits(**frame["cell"]), frame["seed"], self._partial)

    def _fork(self, sock: int, partial: int) -> None:
        """Fork a twin that is the server's child, so that it is not the code's to wait for."""
        threads = threading.active_count() - 1
        dice = random.getstate()  # Python seeds the generator afresh in every forked child
        try:
            pid = kernel.fork_sibling()
        except OSError as exc:
            self.send({"failed": str(exc)})
        else:
            if pid == 0:
                self._become_twin(socket.socket(fileno=sock), partial, threads)
                random.setstate(dice)
                self.send({"ready": self._pid})
                return
            self.send({"forked": pid})
        os.close(sock)
        os.close(partial)

    def _become_twin(self, sock: socket.socket, partial: int, threads: int) -> None:
        self._sock.close()
        self._sock, self._pid = sock, os.getpid()
        original, self._place = self._place, os.path.join(os.path.dirname(self._place), str(self._pid))
        try:
            os.setpgid(0, 0)
            scratch.enter_copy(original, self._place, partial)
            self._confinement.enter_twin()
            self._runner.continue_in_twin(threads, partial)
        except OSError as exc:
            self.send({"failed": str(exc)})
            os._exit(1)
