"""How a cell ended, by an answer or with its process: the result, in the same words for every backend."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from cort_data.interpreter.base import Limits, Result, Status
from cort_data.interpreter.wire import Frame


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """The process is gone instead of having answered."""

    status: Status
    reason: str
    seconds: float
    """Wall time of the cell."""
    text: str = ""
    """The start of what the cell had printed, where it is known."""

    @property
    def result(self) -> Result:
        """What the cell gave."""
        return Result(self.status, self.text, f"{self.reason}; all variables are lost", self.seconds, state_lost=True)


def result_of(answer: Frame, lost: bool) -> Result:
    """What a cell gave that has answered; `lost`: it is the first one after its variables were lost."""
    get = answer.__getitem__
    return Result(Status(get("status")), get("text"), get("error"), get("seconds"), get("truncated"), lost)


def describe_exit(code: int) -> tuple[Status, str]:
    """What the exit code of a process that nobody killed says; negative for a signal, as `subprocess` has it."""
    if code >= 0:
        return Status.DIED, f"the process ended itself with exit code {code}"
    if -code == signal.SIGKILL:
        return Status.MEMORY, "MemoryError: the process was killed, most likely for the memory it used"
    return Status.DIED, f"the process crashed: {signal.strsignal(-code)}"


def describe_memory(held_mb: float, limits: Limits) -> tuple[Status, str]:
    """Why the client killed a process whose cell had started others."""
    reason = f"MemoryError: the processes of the block held {held_mb:.0f} MB, allowed are {limits.memory_mb}"
    return Status.MEMORY, reason


def describe_kill(limits: Limits) -> tuple[Status, str]:
    """Why the client killed a process whose cell did not stop."""
    allowed = f"{limits.timeout_s:g} s of CPU time, {limits.wall_s:g} s in all"
    return Status.TIMEOUT, f"TimeoutError: the block did not stop within its limits ({allowed}) and was killed"
