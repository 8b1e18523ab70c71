"""The process of one session: it reads cells from its socket, runs them and answers.

It is forked from the server (`server.py`) with the libraries loaded and confined before it sees any code. It bounds
CPU time and memory itself, where an interrupt can still save the state; the client kills what does not stop.

A process that the code forks inherits the socket. It must never answer: only the process that started as the session
does, and a child that comes back from a cell ends there.
"""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any, NoReturn

from cort_data.interpreter.cell import CellOutput, CellTimeout, format_error, run_cell
from cort_data.interpreter.memory import MemoryGuard
from cort_data.interpreter.output import OutputStream, cut_text
from cort_data.interpreter.wire import Frame, FrameReader, encode

INTERRUPT_AGAIN_S = 0.25
"""A cell that swallows the interrupt gets another after this much CPU time, until it is killed."""
RECEIVE_BYTES = 1 << 16
CONSOLE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """What a session's process is started with."""

    seed: int
    timeout_s: float
    wall_s: float
    memory_mb: int
    output_chars: int
    family: str
    """Folder of this session and its twins; the session works in a folder inside it."""


def main(sock: socket.socket, spec: SessionSpec, confine: Callable[[], None]) -> NoReturn:
    """Become the session; never returns. `confine` gives up what the session must not have."""
    os.setsid()
    scratch = os.path.join(spec.family, "0")
    _enter_scratch(scratch)
    console = _capture_descriptors()
    try:
        confine()
    except OSError as exc:
        sock.sendall(encode({"failed": str(exc)}))
        os._exit(1)
    _seed(spec.seed)
    worker = _Worker(sock, spec, scratch, console)
    worker.send({"ready": os.getpid()})
    worker.serve()


def _enter_scratch(scratch: str) -> None:
    os.chdir(scratch)
    os.environ.clear()
    os.environ.update(
        {"HOME": scratch, "TMPDIR": scratch, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MPLBACKEND": "agg"}
    )


def _capture_descriptors() -> int:
    """Point descriptors 1 and 2 to a file without a name, so that what C code prints is not lost."""
    console, path = tempfile.mkstemp(dir=os.getcwd())
    os.unlink(path)
    os.dup2(console, 1)
    os.dup2(console, 2)
    return console


def _seed(seed: int) -> None:
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
    if sympy_random := sys.modules.get("sympy.core.random"):
        sympy_random.seed(seed)


def _show_thread_error(args: threading.ExceptHookArgs) -> None:
    """An error in a background thread, in the form that errors of cells have."""
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else "?"
        print(f"Exception in thread {name}:\n{format_error(args.exc_value)}", file=sys.stderr)


def _show_unraisable(args: sys.UnraisableHookArgs) -> None:
    """An error that Python cannot raise; an interrupt that came at such a place comes again."""
    if args.exc_value is not None and not isinstance(args.exc_value, CellTimeout):
        print(f"Exception ignored in {args.object!r}:\n{format_error(args.exc_value)}", file=sys.stderr)


class _Worker:
    """Serves one socket from one process; a twin is the same object in a forked process with its own socket."""

    def __init__(self, sock: socket.socket, spec: SessionSpec, scratch: str, console: int) -> None:
        self._sock = sock
        self._spec = spec
        self._scratch = scratch
        self._console = console
        self._pid = os.getpid()
        self._stream = OutputStream(spec.output_chars)
        self._cell_active = False
        self._stopped: str | None = None
        self._memory = MemoryGuard()
        module = ModuleType("__main__")
        sys.modules["__main__"] = module
        self._namespace: dict[str, Any] = module.__dict__
        threading.excepthook = _show_thread_error
        sys.unraisablehook = _show_unraisable
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = self._stream  # type: ignore[misc,assignment]

    def serve(self) -> NoReturn:
        """Answer until the client hangs up."""
        reader = FrameReader()
        while True:
            data, fds, _, _ = socket.recv_fds(self._sock, RECEIVE_BYTES, 1)
            if not data:
                os._exit(0)
            for frame in reader.feed(data):
                if frame["op"] == "run":
                    self.send(self._run(frame["code"], frame["number"]))
                else:
                    self._fork(fds[0])

    def send(self, frame: Frame) -> None:
        """Answer; a child of the code that came here ends instead."""
        if os.getpid() != self._pid:
            os._exit(0)
        self._sock.sendall(encode(frame))

    def _run(self, code: str, number: int) -> Frame:
        started = time.perf_counter()
        output = self._run_guarded(code, number)
        console, cut = self._console_text()
        error = output.error
        if self._stopped and error is None:
            error = f"TimeoutError: {self._stopped}"
        return {
            "number": number,
            "status": self._status(output),
            "text": console + output.text,
            "error": error,
            "truncated": output.truncated + cut,
            "seconds": time.perf_counter() - started,
            "cpu": time.process_time(),
        }

    def _status(self, output: CellOutput) -> str:
        if self._stopped:
            return "timeout"
        if output.raised is None:
            return "ok"
        return "memory" if issubclass(output.raised, MemoryError) else "error"

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
        signal.signal(signal.SIGPROF, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        self._cell_active = True
        signal.setitimer(signal.ITIMER_PROF, self._spec.timeout_s, INTERRUPT_AGAIN_S)

    def _stop_timers(self) -> None:
        self._cell_active = False
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        """SIGPROF: the CPU time is used up. SIGINT: the client says that the wall time is."""
        if not self._cell_active or os.getpid() != self._pid:
            return
        spent = f"{self._spec.timeout_s:g} s of CPU time"
        if signum == signal.SIGINT:
            spent = f"{self._spec.wall_s:g} s"
        self._stopped = f"the block was stopped after {spent}; variables set so far are kept"
        raise CellTimeout(self._stopped)

    def _console_text(self) -> tuple[str, int]:
        """What was written to descriptors 1 and 2 past Python, and how much of it was cut; nearly always nothing."""
        size = os.fstat(self._console).st_size
        if not size:
            return "", 0
        data = os.pread(self._console, CONSOLE_BYTES, 0)
        os.ftruncate(self._console, 0)
        os.lseek(self._console, 0, os.SEEK_SET)
        text, cut = cut_text(data.decode("utf-8", "backslashreplace"), self._spec.output_chars)
        return text, cut + size - len(data)

    def _fork(self, twin_fd: int) -> None:
        """Fork a twin twice over, so that it is the server's child and not the code's to wait for."""
        threads = threading.active_count() - 1
        dice = random.getstate()  # Python seeds the generator afresh in every forked child
        try:
            middle = os.fork()
        except OSError as exc:
            os.close(twin_fd)
            self.send({"failed": str(exc)})
            return
        if middle == 0:
            self._fork_again(twin_fd, threads)
            random.setstate(dice)
            return
        os.close(twin_fd)
        _, status = os.waitpid(middle, 0)
        self.send({"forked": True} if status == 0 else {"failed": "the process limit is reached"})

    def _fork_again(self, twin_fd: int, threads: int) -> None:
        try:
            child = os.fork()
        except OSError:
            os._exit(1)
        if child:
            os._exit(0)
        self._become_twin(socket.socket(fileno=twin_fd))
        if threads:
            self._stream.write(f"[{threads} background threads are not carried into this copy]\n")

    def _become_twin(self, sock: socket.socket) -> None:
        os.setsid()
        self._sock.close()
        os.close(self._console)
        self._sock, self._pid = sock, os.getpid()
        self._console = _capture_descriptors()
        self._copy_scratch()
        self.send({"ready": self._pid})

    def _copy_scratch(self) -> None:
        """A scratch folder of its own with the same files, and the same place in it."""
        twin = os.path.join(self._spec.family, str(self._pid))
        place = os.path.relpath(os.getcwd(), self._scratch)
        _copy_files(self._scratch, twin)
        self._scratch = twin
        _enter_scratch(twin)
        inside = os.path.join(twin, place)
        if not place.startswith("..") and os.path.isdir(inside):
            os.chdir(inside)


def _copy_files(source: str, target: str) -> None:
    """Copy folders, files and links; modes and times are not kept, and sockets and pipes have no copy."""
    os.mkdir(target)
    for entry in os.scandir(source):
        copy = os.path.join(target, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), copy)
        elif entry.is_dir():
            _copy_files(entry.path, copy)
        elif entry.is_file():
            shutil.copyfile(entry.path, copy)
