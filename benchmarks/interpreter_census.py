"""What an interpreter holds of the machine, read from /proc: everything that runs below this process."""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

QUIET_S = 1.0
"""Nothing may have come or gone for so long before a census."""
POLL_S = 0.1
WAIT_S = 60.0
_KCMP = {"x86_64": 312, "aarch64": 272}
_KCMP_VM = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_GONE = (FileNotFoundError, ProcessLookupError)
_NOT_OURS = (*_GONE, PermissionError)


@dataclass(frozen=True, slots=True)
class Census:
    """A count of everything at one moment."""

    processes: int
    """Below this one, zombies included."""
    memory_mb: float
    """Proportional set size of those processes, in MiB: a page that n processes share counts 1/n for each. Processes
    that live in one and the same memory (`CLONE_VM`) count once."""
    page_tables_mb: float
    """What the kernel keeps to map it; not part of `memory_mb`."""
    descriptors: int
    """Open in the processes below."""
    mounts: int
    """In all mount namespaces that the processes below live in and this one does not."""
    own_memory_mb: float
    """Of this process, the client, without mapped files: what others map of those changes its share."""
    own_descriptors: int


def below(root: int | None = None) -> set[int]:
    """All processes below `root` (None: this one), zombies included."""
    children: dict[int, list[int]] = {}
    for pid in _numbers("/proc"):
        with suppress(*_GONE):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(pid)
    found: set[int] = set()
    level = [root or os.getpid()]
    while level:
        level = [child for pid in level for child in children.get(pid, [])]
        found.update(level)
    return found


async def settled() -> set[int]:
    """The processes below once none comes or goes; after a minute as they are."""
    loop = asyncio.get_running_loop()
    end = loop.time() + WAIT_S
    last, since = below(), loop.time()
    while loop.time() - since < QUIET_S and loop.time() < end:
        await asyncio.sleep(POLL_S)
        if (now := below()) != last:
            last, since = now, loop.time()
    return last


async def take() -> Census:
    """Count when everything has come to rest."""
    pids = await settled()
    memory, tables = (sum(column) for column in zip((0, 0), *map(_memory, _own_memories(pids)), strict=True))
    return Census(
        processes=len(pids),
        memory_mb=memory / 1024,
        page_tables_mb=tables / 1024,
        descriptors=sum(_descriptors(pid) for pid in pids),
        mounts=_mounts(pids),
        own_memory_mb=_field(Path("/proc/self/smaps_rollup").read_text(), "Pss_Anon:") / 1024,
        own_descriptors=_descriptors(os.getpid()),
    )


def of_tree(home: str) -> list[int]:
    """Processes anywhere whose start-up environment names this folder: the interpreter's, wherever they hang now."""
    found = []
    for pid in _numbers("/proc"):
        with suppress(*_NOT_OURS):
            if home.encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
    return found


def own_mounts() -> int:
    """Mounts that this process sees."""
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


def _own_memories(pids: set[int]) -> list[int]:
    """One process of each memory. Those that share one are alike in every number, so only such are compared."""
    alike: dict[str, list[int]] = {}
    for pid in pids:
        with suppress(*_GONE):
            known = alike.setdefault(Path(f"/proc/{pid}/smaps_rollup").read_text(), [])
            if not any(_same_memory(pid, other) for other in known):
                known.append(pid)
    return [pid for known in alike.values() for pid in known]


def _same_memory(first: int, second: int) -> bool:
    """OSError if the kernel does not say."""
    result = _LIBC.syscall(_KCMP[platform.machine()], first, second, _KCMP_VM, 0, 0)
    if result < 0:
        raise OSError(ctypes.get_errno(), "kcmp: whether two processes share their memory cannot be asked")
    return bool(result == 0)


def _memory(pid: int) -> tuple[int, int]:
    """Proportional set size and page tables in KiB; none of a process that is gone or a zombie."""
    with suppress(*_GONE):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return _field(rollup, "Pss:"), _field(Path(f"/proc/{pid}/status").read_text(), "VmPTE:")
    return 0, 0


def _field(text: str, name: str) -> int:
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(name)), 0)


def _descriptors(pid: int) -> int:
    with suppress(*_GONE):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


def _mounts(pids: set[int]) -> int:
    spaces = {os.readlink("/proc/self/ns/mnt"): 0}
    for pid in pids:
        with suppress(*_GONE):
            space = os.readlink(f"/proc/{pid}/ns/mnt")
            if space not in spaces:
                spaces[space] = len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    return sum(spaces.values())


def _numbers(folder: str) -> Iterator[int]:
    return (int(name) for name in os.listdir(folder) if name.isdigit())
