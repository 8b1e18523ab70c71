"""A session's scratch folder, seen from the session: it enters its own, and a twin takes a copy of its original's."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import stat
import tempfile
from contextlib import suppress

FOUNDER = "0"
"""Working folder of a family's first session; that of a twin is called by the number of its process."""
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MPLBACKEND": "agg"}
"""All that a session sees of an environment, beside the place of its working folder."""
_GONE = " (deleted)"
_ONCE = os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_NOFOLLOW


_descriptors = select.poll()


def prepare(open_files: int) -> None:
    """Make ready, before any fork, for sessions that have descriptors up to this number."""
    for fd in range(3, open_files):
        _descriptors.register(fd, select.POLLIN)


def enter(folder: str) -> None:
    """Work in `folder`."""
    os.chdir(folder)
    os.environ["HOME"] = os.environ["TMPDIR"] = folder


def enter_copy(source: str, target: str, mine: int) -> None:
    """Work in a copy of `source`, at the same place in it, with open files of its own, as descriptor `mine` is."""
    place = os.path.relpath(os.getcwd(), source)
    _copy(source, target)
    enter(target)
    inside = os.path.join(target, place)
    if not place.startswith("..") and os.path.isdir(inside):
        os.chdir(inside)
    for fd in _readable_descriptors() - {mine}:
        with suppress(OSError):
            if stat.S_ISREG(os.fstat(fd).st_mode):
                _reopen(fd, source, target)


def _readable_descriptors() -> set[int]:
    """Open descriptors that can be read at once, as files always can; one call asks about them all."""
    return {fd for fd, event in _descriptors.poll(0) if not event & select.POLLNVAL}


def _copy(source: str, target: str) -> None:
    """Copy folders, files and links; modes and times are not kept, and sockets and pipes have no copy."""
    os.mkdir(target)
    for entry in os.scandir(source):
        copy = os.path.join(target, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), copy)
        elif entry.is_dir():
            _copy(entry.path, copy)
        elif entry.is_file():
            shutil.copyfile(entry.path, copy)


def _reopen(fd: int, source: str, target: str) -> None:
    """Put the twin's copy of an open file behind the same descriptor, at the same place in the file.

    A forked process otherwise shares the file and the place in it with its original.
    """
    path = os.readlink(f"/proc/self/fd/{fd}")
    flags, at = fcntl.fcntl(fd, fcntl.F_GETFL), os.lseek(fd, 0, os.SEEK_CUR)
    if path.endswith(_GONE):
        own = _copy_without_name(fd)
    elif path.startswith(source + "/"):
        own = os.open(target + path.removeprefix(source), flags & ~_ONCE)
    else:
        own = os.open(path, flags & ~_ONCE)
    os.lseek(own, at, os.SEEK_SET)
    os.dup2(own, fd, inheritable=os.get_inheritable(fd))
    os.close(own)


def _copy_without_name(fd: int) -> int:
    """A new file without a name, filled like the one behind `fd`."""
    own, path = tempfile.mkstemp()
    os.unlink(path)
    original = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    try:
        while os.sendfile(own, original, None, 1 << 20):
            pass
    finally:
        os.close(original)
    return own
