"""A session and its twins, as the server keeps them: their scratch folder, their process namespace, their end.

With namespaces, the folder is a file system in memory that the family alone sees, at a path that is the same for all:
it has a size limit and goes with the last process, whatever was put into it; and ending the family is one kill, of its
namespace. Without, the folder is a plain one, and removing it may take a process of its own.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from typing import NoReturn

from cort_data.interpreter.isolation import keeper, procs
from cort_data.interpreter.local import scratch


class Family:
    """The live sessions that came from one by forking."""

    def __init__(self, folder: str, init: keeper.NamespaceInit | None) -> None:
        self.folder = folder
        self.init = init
        self.sessions: set[int] = set()
        """Those that live."""

    def kill(self) -> None:
        """End every process of the family's namespace; `init.fd` becomes readable when it is done."""
        if self.init:
            with suppress(ProcessLookupError):  # it has ended
                signal.pidfd_send_signal(self.init.fd, signal.SIGKILL)

    def orphans(self) -> set[int]:
        """Processes of the family's namespace whose parent ended; sessions are never among them."""
        return procs.children(self.init.pid) if self.init else set()


class Families:
    """All live families of a server, by their sessions."""

    def __init__(self, root: str, keeper_socket: socket.socket | None) -> None:
        """`keeper_socket` None means: no namespaces."""
        self._root = root
        self._keeper = keeper_socket
        self._of: dict[int, Family] = {}
        self.cleaners: set[int] = set()
        """Processes that remove folders; children of the server that are no sessions."""

    def __getitem__(self, session: int) -> Family:
        return self._of[session]

    def begin(self, session: int) -> Family:
        """A new family for a session. OSError: the machine gives no more."""
        if self._keeper:
            family = Family(self._root, keeper.take(self._keeper))
        else:
            family = Family(os.path.join(self._root, str(session)), None)
            os.mkdir(family.folder, 0o700)
        family.sessions.add(session)
        self._of[session] = family
        return family

    def join(self, twin: int, origin: int) -> None:
        """Count a twin into the family of the session that it was forked from."""
        family = self._of[origin]
        self._of[twin] = family
        family.sessions.add(twin)

    def leave(self, session: int) -> Family:
        """Count a session out; a family without sessions is to be removed."""
        family = self._of.pop(session)
        family.sessions.remove(session)
        return family

    def remove(self, family: Family) -> None:
        """Remove the folder of a family that has no process left; one of a namespace has gone with it."""
        if family.init:
            os.close(family.init.fd)
            return
        try:
            os.rmdir(os.path.join(family.folder, scratch.FOUNDER))
            os.rmdir(family.folder)
        except OSError:
            self._remove_aside(family.folder)

    def _remove_aside(self, folder: str) -> None:
        """Remove a folder in a process of its own: what a session left there must not stop the server."""
        pid = os.fork()
        if pid:
            self.cleaners.add(pid)
            return
        try:
            remove_tree(folder)
        finally:
            os._exit(1)


def remove_tree(folder: str) -> NoReturn:
    """Become a program that removes `folder`, however deep it is, and what is shut in it; never returns."""
    os.execvp("sh", ["sh", "-c", 'chmod -R u+rwX -- "$1"; exec rm -rf -- "$1"', "sh", folder])
