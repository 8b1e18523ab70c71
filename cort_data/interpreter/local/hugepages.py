"""Puts a process's memory into huge pages, which makes forking it faster.

A fork copies the table of the parent's pages, and ending the child takes it down again: with the libraries loaded that
is most of the time of a short session. 512 pages in a huge one are one entry.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cort_data.interpreter.isolation import kernel

HUGE = 2 << 20


def collapse() -> None:
    """Collapse all private memory of this process that fills huge pages; what the kernel refuses stays as it is."""
    for start, end in _private_ranges():
        for address in range(-(-start // HUGE) * HUGE, end // HUGE * HUGE, HUGE):
            with suppress(OSError):
                kernel.madvise(address, HUGE, kernel.MADV_COLLAPSE)


def _private_ranges() -> list[tuple[int, int]]:
    """Writable memory without a file: the heap, arenas, large arrays."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        if fields[1] == "rw-p" and (len(fields) == 5 or fields[5] == "[heap]"):
            start, _, end = fields[0].partition("-")
            found.append((int(start, 16), int(end, 16)))
    return found
