"""The first process of the server's process namespace: it makes the namespaces of session families, ahead of need.

A family needs a process namespace of its own whose first process is not the session: when that one is killed, the
kernel kills everything in the namespace, and orphans become its children. Forking it off the server would copy the
tables of the server's memory a second time for every session; it is therefore started here, in this small process's
own memory, where it does nothing but wait.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
from typing import NamedTuple, NoReturn

from cort_data.interpreter.isolation import kernel

STACK_BYTES = 1024
STACKS = 1024
"""Used in turn. A waiting process never looks at its stack again; it only has to have begun to wait by then."""
STOCK_BYTES = 1
"""Asks for the smallest send buffer, which holds a handful of namespaces in stock."""
MESSAGE_BYTES = 256


class NamespaceInit(NamedTuple):
    """The waiting first process of a process namespace."""

    pid: int
    """Its number in the server's namespace."""
    fd: int
    """Its pidfd: to enter the namespace, to kill it, and readable when everything in it has ended."""


def keep(server: socket.socket) -> NoReturn:
    """Send namespaces to the server until it is gone; then end, and the kernel ends all that is left."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no handlers, see `clone_waiting`
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # inherited: orphans are reaped by themselves
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STOCK_BYTES)
    memory = mmap.mmap(-1, STACKS * STACK_BYTES)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    turn = 0
    try:
        while True:
            turn = turn % STACKS + 1
            _send_one(server, base + turn * STACK_BYTES)
    except OSError:  # the server is gone
        os._exit(0)


def _send_one(server: socket.socket, stack_top: int) -> None:
    try:
        pid, fd = kernel.clone_waiting(kernel.CLONE_NEWPID, stack_top)
    except OSError as exc:
        server.send(str(exc).encode()[:MESSAGE_BYTES])
        return
    socket.send_fds(server, [str(pid).encode()], [fd])
    os.close(fd)


def take(keeper: socket.socket) -> NamespaceInit:
    """The server's side: the next namespace in stock. OSError: the keeper is gone or could not make it."""
    data, fds, _, _ = socket.recv_fds(keeper, MESSAGE_BYTES, 1)
    if not fds:
        raise OSError(data.decode() or "the process that makes process namespaces is gone")
    return NamespaceInit(int(data), fds[0])
