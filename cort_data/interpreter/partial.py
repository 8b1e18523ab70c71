"""The start of what a running cell has printed, kept in a file that another process can read.

A process that is killed or dies takes its output along; what its cell had printed until then is found here.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

if sys.platform == "linux":
    import fcntl

BYTES = 1 << 14
"""Size of the file; what a cell keeps from the start of its output is less, unless most of it is not ASCII."""
_END = b"\0"


def create() -> int:
    """A file in memory of this size for good, whoever gets its descriptor. Linux alone."""
    assert sys.platform == "linux"
    fd = os.memfd_create("output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return fd


def read(fd: int) -> str:
    """What the cell had printed; the file may hold anything."""
    os.lseek(fd, 0, os.SEEK_SET)
    data, _, _ = os.read(fd, BYTES).partition(_END)
    return data.decode("utf-8", "ignore")


class PartialOutput:
    """The writing side. A file that is full or closed does not fail the code that prints."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = 0

    def add(self, text: str) -> None:
        """Append text."""
        data = text.encode("utf-8", "backslashreplace").replace(_END, b"")[: BYTES - len(_END) - self._size]
        with suppress(OSError):
            os.pwrite(self._fd, data + _END, self._size)
            self._size += len(data)

    def clear(self) -> None:
        """Forget everything: the cell could answer."""
        if self._size:
            self._size = 0
            with suppress(OSError):
                os.pwrite(self._fd, _END, 0)

    def move_to(self, fd: int) -> None:
        """Write into another file from now on; the old one belongs to the process that this one was forked from."""
        with suppress(OSError):
            os.close(self._fd)
        self._fd, self._size = fd, 0
