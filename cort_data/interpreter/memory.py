"""The memory limit of a session's process, seen from inside.

The hard limit lies above the soft one. A cell runs under the soft limit; its error is then reported under the hard
one. When variables fill the memory, the next cell still gets a little, so that it can delete them; a session that
fills that too has to end. Where the system offers no such limit, or nobody has set one, nothing is bounded.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys

if sys.platform != "win32":
    import resource

RESERVE_MB = 48
"""How far the hard limit is to lie above the soft one."""
_CELL_BYTES = 8 << 20
_REPORT_BYTES = 16 << 20


class MemoryGuard:
    """Moves the soft limit between cells; made after the limits were set."""

    def __init__(self) -> None:
        self._limited = False
        self._tight = False
        if sys.platform != "win32":
            self._soft, self._hard = resource.getrlimit(resource.RLIMIT_AS)
            self._limited = self._soft != resource.RLIM_INFINITY

    def open_for_cell(self) -> None:
        """The session's limit, or as much more as leaves the cell a little; ends the process if there is none."""
        if not self._limited:
            return
        if not self._tight:
            resource.setrlimit(resource.RLIMIT_AS, (self._soft, self._hard))
            return
        for soft in range(self._soft, self._hard - _REPORT_BYTES + 1, _CELL_BYTES):
            resource.setrlimit(resource.RLIMIT_AS, (soft, self._hard))
            if _available(_CELL_BYTES):
                self._tight = soft > self._soft
                return
        os.kill(0, signal.SIGKILL)

    def ran_out(self) -> None:
        """A cell found the memory full: the next one may need room to free some."""
        self._tight = True

    def open_for_report(self) -> None:
        """Everything, to report what a cell did."""
        if self._limited:
            resource.setrlimit(resource.RLIMIT_AS, (self._hard, self._hard))


def _available(size: int) -> bool:
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        return False
    return True
