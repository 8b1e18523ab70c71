"""What the tests can see of processes from outside of the interpreter."""

import os
import time
from contextlib import suppress
from pathlib import Path


def descendants(root: int | None = None) -> set[int]:
    """Living processes below `root` (default: this process); zombies do not count."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it ended meanwhile
            continue
        if state != "Z":
            parents[int(folder.name)] = int(parent)
    found, level = set(), {root or os.getpid()}
    while level:
        level = {pid for pid, parent in parents.items() if parent in level} - found
        found |= level
    return found


def named(name: str) -> set[int]:
    """Living processes that gave themselves this name."""
    found = set()
    for pid in descendants():
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                found.add(pid)
    return found


def settled(expected: set[int]) -> set[int]:
    """The descendants once they are as many as expected, or after ten seconds: spares start, folders are removed."""
    deadline = time.monotonic() + 10
    while len(found := descendants()) != len(expected) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))
