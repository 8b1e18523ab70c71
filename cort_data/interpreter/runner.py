"""A session's cells, one after the other, under its limits; runs inside the session's own process.

It bounds CPU time and memory from the inside, where an interrupt still saves the variables; who started the process
stops what does not end. One runner is one session: its namespace, its output, its random generators.
"""

from __future__ import annotations

import gc
import importlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any

# `signal.signal` spends more time on enums than a short cell takes
from _signal import signal as set_handler  # type: ignore[import-not-found]  # isort: skip

from cort_data.interpreter.cell import CellOutput, CellTimeout, format_error, run_cell
from cort_data.interpreter.memory import MemoryGuard
from cort_data.interpreter.output import OutputStream, cut_text
from cort_data.interpreter.partial import PartialOutput
from cort_data.interpreter.wire import Frame

INTERRUPT_AGAIN_S = 0.25
"""A cell that swallows the interrupt gets another after this much CPU time, until it is killed."""
CONSOLE_BYTES = 1 << 20
SEEDED = ("numpy.random", "sympy.core.random")
"""Libraries with random generators of their own."""


@dataclass(frozen=True, slots=True)
class CellLimits:
    """What one cell may use, as the session's process enforces it."""

    timeout_s: float
    """CPU seconds."""
    wall_s: float
    """Wall seconds; whoever counts them interrupts with SIGINT."""
    output_chars: int


class CellRunner:
    """Runs the cells of one session in this process, whose streams, random generators and `__main__` it takes over."""

    def __init__(self, limits: CellLimits, seed: int, partial: int | None = None) -> None:
        """`partial` is a file as `partial.py` writes it."""
        self._limits = limits
        self._pid = os.getpid()
        self._partial = None if partial is None else PartialOutput(partial)
        self._stream = OutputStream(limits.output_chars, self._partial)
        self._console = _Console()
        self._memory = MemoryGuard()
        self._cell_active = False
        self._stopped: str | None = None
        module = ModuleType("__main__")
        sys.modules["__main__"] = module
        self._namespace: dict[str, Any] = module.__dict__
        threading.excepthook = _show_thread_error
        sys.unraisablehook = _show_unraisable
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = self._stream  # type: ignore[misc,assignment]
        _seed(seed)

    def run(self, code: str, number: int) -> Frame:
        """Run cell `number`; its answer as the wire carries it."""
        started = time.perf_counter()
        output = self._run_guarded(code, number)
        if os.getpid() != self._pid:  # a child that the code forked; what is left to do is its parent's
            os._exit(0)
        if self._partial:
            self._partial.clear()
        text, cut = output.text, output.truncated
        console, unread = self._console.take()
        if console:
            text, more = cut_text(console + text, self._limits.output_chars)
            cut += more + unread
        error = output.error
        if self._stopped and error is None:
            error = f"TimeoutError: {self._stopped}"
        return {
            "number": number,
            "status": self._status(output),
            "text": text,
            "error": error,
            "truncated": cut,
            "seconds": time.perf_counter() - started,
            "cpu": sum(os.times()[:4]),  # with that of ended children
        }

    def continue_in_twin(self, threads: int, partial: int) -> None:
        """Go on in a forked process: output of its own; the next result says that `threads` threads are missing."""
        self._pid = os.getpid()
        self._console.replace()
        if self._partial:
            self._partial.move_to(partial)
        if threads:
            self._stream.write(f"[{threads} background threads are not carried into this copy]\n")

    def _status(self, output: CellOutput) -> str:
        if self._stopped:
            return "timeout"
        if output.raised is None:
            return "ok"
        if not issubclass(output.raised, MemoryError):
            return "error"
        self._memory.ran_out()
        return "memory"

    def _run_guarded(self, code: str, number: int) -> CellOutput:
        """The cell under its timers, also when time or memory runs out outside of its own code."""
        try:
            try:
                self._memory.open_for_cell()
                self._start_timers()
                return run_cell(code, self._namespace, number, self._stream)
            finally:
                self._memory.open_for_report()
                self._stop_timers()
        except CellTimeout as exc:
            return CellOutput(*self._taken(f"TimeoutError: {exc}"), CellTimeout)
        except MemoryError:
            gc.collect()
            return CellOutput(*self._taken("MemoryError"), MemoryError)

    def _taken(self, error: str) -> tuple[str, str, int]:
        text, cut = self._stream.take()
        return text, error, cut

    def _start_timers(self) -> None:
        self._stopped = None
        set_handler(signal.SIGINT, self._on_signal)
        self._cell_active = True
        if sys.platform != "win32":  # which has no timer of CPU time: the wall limit alone holds there
            set_handler(signal.SIGPROF, self._on_signal)
            signal.setitimer(signal.ITIMER_PROF, self._limits.timeout_s, INTERRUPT_AGAIN_S)

    def _stop_timers(self) -> None:
        self._cell_active = False
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        """SIGPROF: the CPU time is used up. SIGINT: the client says that the wall time is."""
        if not self._cell_active or os.getpid() != self._pid:
            return
        spent = f"{self._limits.timeout_s:g} s of CPU time"
        if signum == signal.SIGINT:
            spent = f"{self._limits.wall_s:g} s"
        self._stopped = f"the block was stopped after {spent}; variables set so far are kept"
        raise CellTimeout(self._stopped)


class _Console:
    """Descriptors 1 and 2, pointed to a file without a name, so that what C code prints is not lost."""

    def __init__(self) -> None:
        self._fd = -1
        self.replace()

    def replace(self) -> None:
        """Take a new file, in the working folder."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = _file_without_name()
        os.dup2(self._fd, 1)
        os.dup2(self._fd, 2)

    def take(self) -> tuple[str, int]:
        """What was written past Python since the last call, and how many bytes over a bound are left out.

        It is nearly always nothing.
        """
        size = os.fstat(self._fd).st_size
        if not size:
            return "", 0
        os.lseek(self._fd, 0, os.SEEK_SET)
        data = os.read(self._fd, CONSOLE_BYTES)
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        return data.decode("utf-8", "backslashreplace"), size - len(data)


def _file_without_name() -> int:
    if sys.platform == "linux":
        with suppress(OSError):  # not every file system can
            return os.open(".", os.O_RDWR | os.O_TMPFILE, 0o600)
    fd, path = tempfile.mkstemp(dir=".")
    with suppress(PermissionError):  # Windows keeps an open file; it goes with the folder
        os.unlink(path)
    return fd


def _seed(seed: int) -> None:
    random.seed(seed)
    for name in SEEDED:
        if name.partition(".")[0] in sys.modules:
            seed_library(importlib.import_module(name), seed)


def seed_library(module: ModuleType, seed: int) -> None:
    """Start the generators of one of the SEEDED modules from `seed`."""
    module.seed(seed % 2**32 if module.__name__ == "numpy.random" else seed)


def _show_thread_error(args: threading.ExceptHookArgs) -> None:
    """An error in a background thread, in the form that errors of cells have."""
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else "?"
        print(f"Exception in thread {name}:\n{format_error(args.exc_value)}", file=sys.stderr)


def _show_unraisable(args: sys.UnraisableHookArgs) -> None:
    """An error that Python cannot raise; an interrupt that came at such a place comes again."""
    if args.exc_value is not None and not isinstance(args.exc_value, CellTimeout):
        print(f"Exception ignored in {args.object!r}:\n{format_error(args.exc_value)}", file=sys.stderr)
