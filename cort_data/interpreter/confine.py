"""The levels of isolation: what the server gives up at its start, and each session before it runs any code.

`none`: a process, a scratch folder and an environment of its own; limits on memory, open files and file size; none of
the client's descriptors. It does NOT protect: the code reads and writes every file of the user, uses the network,
starts programs and signals processes.

`reduced`: also, only Python's installation can be read and only the scratch folder written (Landlock); no file's mode,
owner or times can be changed; no sockets, no programs, no ptrace, no signals to others (Landlock's scope or seccomp),
no mounts, no namespaces (seccomp). Not limited: the number of processes, the size of the scratch folder as a whole.

`full`: also, namespaces (user, network, process, mount, IPC, host name), shared by all sessions of a server, with a
tree that holds nothing but Python and the scratch folders. Each family's scratch folder has a size limit, each family
its own user namespace and count of processes. The kernel ends every process with the server.

Not protected yet at any level: the processes of a session may each use the memory limit, and all CPUs until the wall
limit; sessions of one server share its process namespace, so numbers of other processes can be guessed, though they
can be neither seen nor signalled; a twin and its original can signal each other, and share the offsets of files
that were open at the fork.
"""

from __future__ import annotations

import resource
import signal
from dataclasses import dataclass

from cort_data.interpreter import kernel, landlock, namespaces, places, procs, seccomp

MB = 1 << 20
RESERVE_MB = 48
"""What a session's process may use beyond its limit, for `memory.MemoryGuard`."""


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """Kernel limits of one process of a session."""

    memory_mb: int
    """Address space beyond what the server has mapped."""
    open_files: int
    file_mb: int
    """Size of one file it writes."""
    processes: int
    """Processes and threads of a family; enforced by `full` alone, where they are counted by family."""


def enter_server(isolation: str, scratch: str) -> str:
    """Prepare the server; returns where its scratch folders go. OSError: the kernel refuses what the level needs."""
    if isolation != "none":
        _require_reduced()
        places.readable()
    if isolation == "full":
        return namespaces.enter(scratch)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    return scratch


def enter_session(isolation: str, limits: ProcessLimits, family: str) -> None:
    """Give up, for good, what a session must not have."""
    memory = procs.address_space() + limits.memory_mb * MB
    if isolation == "full":
        namespaces.own_user(family)
        _limit(resource.RLIMIT_NPROC, limits.processes)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    _limit(resource.RLIMIT_NOFILE, limits.open_files)
    _limit(resource.RLIMIT_FSIZE, limits.file_mb * MB)
    _limit(resource.RLIMIT_CORE, 0)
    if isolation != "none":
        landlock.restrict(places.readable(), [family, *places.DEVICES])
        kernel.drop_capabilities()
        seccomp.restrict(signals=landlock.version() < landlock.VERSION_SIGNALS, attributes=isolation == "reduced")
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory + RESERVE_MB * MB))


def _require_reduced() -> None:
    if not landlock.version():
        raise OSError("the kernel offers no Landlock")
    if not seccomp.supported():
        raise OSError("the system calls of this machine are not known")


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))
