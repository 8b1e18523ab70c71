"""What a process can learn of other processes and do to them."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

MB = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


def children(pid: int | None = None) -> set[int]:
    """Process ids of a process's (default: this one's) children, ended ones that are not reaped included."""
    found: set[int] = set()
    tasks = f"/proc/{pid or 'self'}/task"
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(tasks):
            found.update(map(int, Path(f"{tasks}/{thread}/children").read_text().split()))
    return found


def tree(roots: set[int]) -> set[int]:
    """The processes `roots` and all below them."""
    found: set[int] = set()
    level = roots
    while level:
        found |= level
        level = set().union(*map(children, level)) - found
    return found


def lives(pid: int) -> bool:
    """Whether a process runs; one that is gone or waits to be reaped does not."""
    return _stat(pid)[0] not in "ZX"


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of its ended children, in steps of the kernel's clock tick; 0 when it is gone."""
    return sum(map(int, _stat(pid)[11:15])) / _TICKS


def _stat(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` from the state on; those of a dead process when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return ["X", *["0"] * 15]


def memory_mb(pid: int) -> float:
    """MB of memory in use by a process, without mapped files but with what it shares since a fork; 0 when it is gone.

    The exact part of each process (proportional set size) is not readable for a process of another user namespace.
    """
    with suppress(OSError):
        _, resident, shared = map(int, Path(f"/proc/{pid}/statm").read_text().split()[:3])
        return (resident - shared) * _PAGE / MB
    return 0.0


def number_in_namespace(pid: int) -> int:
    """The number that a process has in its own process namespace; 0 when it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return 0


def kernel_session(pid: int) -> int:
    """The kernel session (`setsid`) that a process is in; 0 when it is gone."""
    return int(_stat(pid)[3])


def prefer_for_killing() -> None:
    """When the machine's memory runs out, this process and its children go first."""
    with suppress(OSError):
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(fd, b"1000")
        os.close(fd)


def address_space() -> int:
    """Bytes of address space that this process has mapped."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE


def kill_group(pid: int) -> None:
    """Kill what is left in the process group of a session's process, if anything."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
