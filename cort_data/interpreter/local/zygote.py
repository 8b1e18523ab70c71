"""The process that has the libraries loaded and does nothing but fork: every session begins as a copy of it.

Whatever it writes to its memory after a fork costs a copied page and leaves the older one to the forked process alone.
The server (`server.py`), which keeps account of sessions, is therefore another, small process: it asks over a socket,
one packet a session, and is the parent of what is forked here.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import NamedTuple, NoReturn

from cort_data.interpreter.isolation import confine, kernel
from cort_data.interpreter.local import preload, scratch, worker

MESSAGE_BYTES = 4096
FAILED = b"!"


class Birth(NamedTuple):
    """What a session's process is forked with."""

    folder: str
    """That of its family."""
    sock: int
    """Its end of its client's socket."""
    partial: int
    """Its file for partial output, see `partial.py`."""
    namespace: int | None
    """A descriptor of its family's process namespace, if it has one."""


def serve(server: socket.socket, isolation: str, limits: confine.ProcessLimits) -> NoReturn:
    """Load the libraries, say which are missing, and fork what the server asks for until it is gone."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    missing = preload.load()
    os.environ.clear()
    os.environ.update(scratch.ENVIRONMENT)
    scratch.prepare(limits.open_files)
    confiner = confine.Confiner(isolation, limits)
    home = os.open("/proc/self/ns/pid", os.O_RDONLY)
    server.send(json.dumps(missing).encode())
    while True:
        data, fds, _, _ = socket.recv_fds(server, MESSAGE_BYTES, 3)
        if not data:
            os._exit(0)
        sock, partial, *namespace = fds
        server.send(_fork(Birth(data.decode(), sock, partial, namespace[0] if namespace else None), confiner, home))
        for fd in fds:
            os.close(fd)


def _fork(birth: Birth, confiner: confine.Confiner, home: int) -> bytes:
    """Fork a session; its number, or what went wrong."""
    try:
        if birth.namespace is not None:
            kernel.setns(birth.namespace, kernel.CLONE_NEWPID)
        try:
            pid = kernel.clone_sibling()
            if pid == 0:
                _become_session(birth, confiner)
        finally:
            if birth.namespace is not None:
                kernel.setns(home, kernel.CLONE_NEWPID)
    except OSError as exc:
        return FAILED + str(exc).encode()
    return str(pid).encode()


def _become_session(birth: Birth, confiner: confine.Confiner) -> NoReturn:
    try:
        sock = socket.socket(fileno=birth.sock)
        keep = [birth.sock, birth.partial]
        worker.main(sock, birth.partial, birth.folder, lambda: confiner.enter_session(birth.folder, keep))
    finally:
        os._exit(70)  # whatever went wrong, a second zygote must never run on from here


class Zygote:
    """The server's side."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid = pid
        self.sock = sock
        """Becomes readable once the libraries are loaded, and then when the process has ended."""

    @classmethod
    def start(cls, isolation: str, limits: confine.ProcessLimits) -> Zygote:
        """Start the process; `missing` waits for its libraries."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            number = theirs.fileno()
            os.closerange(3, number)
            os.closerange(number + 1, confine.MAX_DESCRIPTOR)
            serve(theirs, isolation, limits)
        theirs.close()
        return cls(pid, ours)

    def missing(self) -> list[str]:
        """The libraries that sessions will not find. OSError: the process could not start."""
        data = self.sock.recv(MESSAGE_BYTES)
        if not data:
            raise OSError("the process that loads the libraries ended")
        found: list[str] = json.loads(data)
        return found

    def fork(self, birth: Birth) -> int:
        """A process for a session, a child of this one. OSError: the machine gives no more."""
        fds = [birth.sock, birth.partial, *([] if birth.namespace is None else [birth.namespace])]
        socket.send_fds(self.sock, [birth.folder.encode()], fds)
        answer = self.sock.recv(MESSAGE_BYTES)
        if not answer or answer.startswith(FAILED):
            raise OSError(answer[1:].decode() or "the process that has the libraries loaded is gone")
        return int(answer)
