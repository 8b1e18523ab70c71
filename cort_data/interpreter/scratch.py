"""The scratch folders of a server's sessions.

A session and its twins are a family: one folder, inside it a working folder for each. A family's folder goes when its
last session ends. With `mounted`, each family's folder is a file system of its own in memory: it has a size limit, and
it is gone at once whatever was put into it.
"""

from __future__ import annotations

import os
from typing import NoReturn

from cort_data.interpreter import kernel

SCRATCH_MB = 64


class ScratchSpace:
    """Hands out family folders and removes them."""

    def __init__(self, root: str, *, mounted: bool) -> None:
        self._root = root
        self._mounted = mounted
        self._family: dict[int, int] = {}  # session -> the session that began its family
        self._members: dict[int, int] = {}  # family -> its live sessions
        self.cleaners: set[int] = set()
        """Processes that remove folders; children of the server that are no sessions."""

    def add(self, session: int) -> str:
        """A new family's folder with the working folder `0` in it."""
        folder = self._folder(session)
        os.mkdir(folder, 0o700)
        if self._mounted:
            kernel.mount_tmpfs(folder, SCRATCH_MB)
        os.mkdir(os.path.join(folder, "0"), 0o700)
        self._family[session], self._members[session] = session, 1
        return folder

    def join(self, twin: int, origin: int) -> None:
        """Count a twin into the family of the session that it was forked from."""
        family = self._family[origin]
        self._family[twin] = family
        self._members[family] += 1

    def leave(self, session: int) -> None:
        """Count a session out; the last one takes the folder along."""
        family = self._family.pop(session)
        self._members[family] -= 1
        if not self._members[family]:
            del self._members[family]
            self._remove(self._folder(family))

    def _folder(self, family: int) -> str:
        return os.path.join(self._root, str(family))

    def _remove(self, folder: str) -> None:
        if self._mounted:
            kernel.unmount(folder)
            os.rmdir(folder)
            return
        try:
            os.rmdir(os.path.join(folder, "0"))
            os.rmdir(folder)
        except OSError:
            self._remove_aside(folder)

    def _remove_aside(self, folder: str) -> None:
        """Remove a filled folder in a process of its own: what a session left there must not stop the server."""
        pid = os.fork()
        if pid:
            self.cleaners.add(pid)
            return
        try:
            remove_tree(folder)
        finally:
            os._exit(1)


def remove_tree(folder: str) -> NoReturn:
    """Become a program that removes `folder`, however deep it is; never returns."""
    os.execvp("rm", ["rm", "-rf", "--", folder])
