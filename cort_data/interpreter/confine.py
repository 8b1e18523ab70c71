"""The levels of isolation: what the server gives up at its start, and what each session gives up before it runs code."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from cort_data.interpreter import kernel, procs

MB = 1 << 20


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """Kernel limits of one process of a session."""

    memory_mb: int
    """Address space beyond what the server has mapped."""
    open_files: int
    file_mb: int
    """Size of one file it writes."""
    processes: int


def enter_server(isolation: str, scratch: str) -> str:
    """Prepare the server; returns where its scratch folders go. OSError: the kernel refuses what the level needs."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    return scratch


def enter_session(isolation: str, limits: ProcessLimits, family: str) -> None:
    """Give up, for good, what a session must not have."""
    _set_limits(limits)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)


def _set_limits(limits: ProcessLimits) -> None:
    memory = procs.address_space() + limits.memory_mb * MB
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.file_mb * MB),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
