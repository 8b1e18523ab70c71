"""The interpreter's contract: what every backend gives, whatever runs the code.

A failing cell is a `Result`; only a broken interpreter raises (`InterpreterError`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from cort_data.errors import InterpreterError
from cort_data.interpreter.cell import feedback_text
from cort_data.interpreter.output import DEFAULT_OUTPUT_CHARS


class Status(StrEnum):
    """How a cell ended."""

    OK = "ok"
    ERROR = "error"
    """It raised; the state is kept."""
    TIMEOUT = "timeout"
    """It was interrupted (state kept) or killed (state lost)."""
    MEMORY = "memory"
    """It ran out of memory: an uncaught MemoryError (state kept) or killed by the system (state lost)."""
    DIED = "died"
    """The process ended by itself: `os._exit`, a crash in C code."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one cell gave."""

    status: Status
    text: str
    """stdout, stderr and the echo of a trailing expression, in order."""
    error: str | None
    """The short traceback, or what stopped the cell; None when it ran to its end."""
    seconds: float
    """Wall time of the cell."""
    truncated: int = 0
    """Characters cut from text and error; 0 when nothing was."""
    state_lost: bool = False
    """Variables are gone: this cell's process was killed or died, or this is the first cell after that."""

    @property
    def feedback(self) -> str:
        """What stands in the output block: the text, then the error; `(no output)` when there is neither."""
        return feedback_text(self.text, self.error)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may use."""

    timeout_s: float = 10.0
    """CPU seconds a cell; the wall backstop is `wall_s`."""
    memory_mb: int = 1024
    """Address space a session may add to that of the loaded libraries."""
    output_chars: int = DEFAULT_OUTPUT_CHARS
    """Characters of output kept, half from each end."""

    def __post_init__(self) -> None:
        for name in ("timeout_s", "memory_mb", "output_chars"):
            value = getattr(self, name)
            if not value > 0:
                raise InterpreterError(f"interpreter.{name} must be greater than 0, got {value!r}")

    @property
    def wall_s(self) -> float:
        """Wall seconds after which a cell is stopped although it used little CPU (it sleeps or waits)."""
        return 2 * self.timeout_s + 1


class Session(Protocol):
    """One notebook: its cells share their variables."""

    async def run(self, code: str) -> Result:
        """Run one cell. Calls on one session follow each other; sessions run beside each other.

        Cancelling the call kills the cell; the state is then lost. Raises InterpreterError if the interpreter is
        closed or broken.
        """
        ...

    async def fork(self) -> Session:
        """A twin with the same live state, seeds and files; from here on both go their own ways.

        Raises InterpreterError if the backend cannot (`Interpreter.forks`) or the twin's process cannot be made.
        """
        ...

    async def close(self) -> None:
        """End the session and everything it started. Closing twice is fine."""
        ...


class Interpreter(Protocol):
    """Gives sessions; an asynchronous context manager that closes what is left."""

    @property
    def forks(self) -> bool:
        """Whether `Session.fork` works here."""
        ...

    async def session(self, seed: int, limits: Limits | None = None) -> Session:
        """A fresh session whose random generators start from `seed`; `limits` None means the interpreter's own."""
        ...

    async def close(self) -> None:
        """Close all sessions and release everything. Closing twice is fine."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
