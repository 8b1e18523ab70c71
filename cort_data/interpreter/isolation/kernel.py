"""The few Linux calls that Python does not offer, by ctypes. Each raises OSError that names the call."""

from __future__ import annotations

import ctypes
import operator
import os
import platform
import signal
import struct
import sys
from collections import deque

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

CLONE_VM = 0x00000100
CLONE_FILES = 0x00000400
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_PARENT_SETTID = 0x00100000
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

MADV_COLLAPSE = 25

_CLONE = {"x86_64": 56, "aarch64": 220}
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_HEADER = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0), 8)
_NO_CAPABILITIES = ctypes.create_string_buffer(24)

MACHINE = platform.machine()

if sys.platform == "linux":  # elsewhere this module can be imported, no more
    _libc = ctypes.CDLL(None, use_errno=True)
    _libc.syscall.restype = ctypes.c_long
    _libc_with_gil = ctypes.PyDLL(None, use_errno=True)
    _libc_with_gil.syscall.restype = ctypes.c_long


def is_linux() -> bool:
    """Whether this system has these calls at all."""
    return sys.platform == "linux"


def _check(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def syscall(name: str, number: int, *arguments: object) -> int:
    """Any system call; integers are passed as 64 bits."""
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *wide), name)


def prctl(option: int, value: int) -> None:
    """`prctl(option, value, 0, 0, 0)`."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl({option})")


def unshare(flags: int) -> None:
    """Enter new namespaces."""
    _check(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind `fd` (a process namespace: for children, not for the caller)."""
    _check(_libc.setns(fd, kind), "setns")


def clone_waiting(flags: int, stack_top: int) -> tuple[int, int]:
    """Start a process in this process's own memory that waits for ever in `pause`; its number and its pidfd.

    It needs a few hundred bytes of stack below `stack_top`. The caller must have no signal handlers: the new process
    takes them over, and would run them in this memory.
    """
    pause = ctypes.cast(_libc.pause, ctypes.c_void_p)
    pidfd = ctypes.c_int(-1)
    all_flags = flags | CLONE_VM | CLONE_FILES | CLONE_PIDFD | signal.SIGCHLD
    pid = _libc.clone(pause, ctypes.c_void_p(stack_top), all_flags, None, ctypes.byref(pidfd))
    return _check(pid, "clone"), pidfd.value


def clone_sibling() -> int:
    """Fork a child of this process's parent, for a process with one thread: nobody is told, not even Python.

    What Python does in a forked child (new locks, other modules' hooks) touches, and so copies, 150 pages.
    """
    flags = ctypes.c_long(CLONE_PARENT | signal.SIGCHLD)
    pid = _libc_with_gil.syscall(ctypes.c_long(_CLONE[_machine(_CLONE)]), flags, None, None, None, None)
    return _check(pid, "clone")


def fork_sibling() -> int:
    """Like `os.fork`, but the child gets this process's parent as its parent.

    The C library does not know of this fork, so its own locks are not taken: a thread of this process that is inside
    `malloc` at this moment leaves the child unable to allocate.
    """
    api = ctypes.pythonapi
    after = (api.PyOS_AfterFork_Parent, api.PyOS_AfterFork_Child)
    child, before = ctypes.c_int(0), os.getpid()
    flags = CLONE_PARENT | CLONE_PARENT_SETTID | signal.SIGCHLD
    arguments = ctypes.c_long(_CLONE[_machine(_CLONE)]), ctypes.c_long(flags), None, ctypes.byref(child)
    api.PyOS_BeforeFork()
    # One chain of C calls: between the fork and what follows it no bytecode may run, or the child could hand Python's
    # lock to a thread that it does not have.
    clone = map(_libc_with_gil.syscall, *([argument] for argument in (*arguments, None, None)))
    deque(map(operator.call, map(after.__getitem__, map(operator.not_, clone))), maxlen=0)
    if os.getpid() != before:
        return 0
    return _check(child.value or -1, "clone")


def madvise(address: int, size: int, advice: int) -> None:
    """`madvise(2)` on any range of this process's memory."""
    _check(_libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), advice), "madvise")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """`mount(2)`."""
    encoded = [text.encode() if text is not None else None for text in (source, target, kind, options)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _check(result, f"mount({target})")


def mount_tmpfs(target: str, options: str) -> None:
    """A file system in memory, without devices and set-user-id programs."""
    mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options)


def unmount(target: str) -> None:
    """Detach a mount at once; what is open stays usable until it is closed."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"umount({target})")


def pivot_root(new_root: str, old_root: str) -> None:
    """Make `new_root` the root; the old one appears at `old_root`."""
    syscall("pivot_root", _PIVOT_ROOT[_machine(_PIVOT_ROOT)], new_root.encode(), old_root.encode())


def prctl_pointer(option: int, value: int, address: int) -> None:
    """`prctl` with a pointer as its third argument."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_void_p(address), 0, 0), f"prctl({option})")


def drop_capabilities() -> None:
    """Give up every capability of this process, for good."""
    syscall("capset", _CAPSET[_machine(_CAPSET)], _CAPABILITY_HEADER, _NO_CAPABILITIES)


def _machine(table: dict[str, int]) -> str:
    if MACHINE not in table:
        raise OSError(f"no system call numbers are known for {MACHINE}")
    return MACHINE
