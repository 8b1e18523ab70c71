"""The levels of isolation: what the server gives up at its start, and each session before it runs any code.

`none`: a process, a scratch folder and an environment of its own; limits on memory, open files and file size; none of
the client's descriptors. It does NOT protect: the code reads and writes every file of the user, uses the network,
starts programs and signals processes.

`reduced`: also, only Python's installation can be read and only the scratch folder written (Landlock); no file's mode,
owner or times can be changed; no sockets, no programs, no ptrace, no signals but to itself, no leaving of its kernel
session, no mounts, no namespaces (seccomp). Not limited: the number of processes, the size of the scratch folder.

`full`: also, namespaces (user, network, process, mount, IPC, host name) with a tree that holds nothing but Python and
the scratch folders. Each family (a session and its twins) has a process namespace of its own, a scratch folder with a
size limit, and a user namespace that counts its processes. The kernel ends every process with its family, and all with
the server.

Not protected at any level: a session reads and writes the scratch folders of its own twins; files mapped into memory
are shared with twins; side channels (timing, load). Memory and CPU time of a block that starts processes are summed
and stopped by the client, which looks four times a second.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
from dataclasses import dataclass
from itertools import pairwise

from cort_data.interpreter import memory
from cort_data.interpreter.isolation import kernel, landlock, namespaces, places, procs, seccomp

MB = 1 << 20
MAX_DESCRIPTOR = 1 << 20


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """Kernel limits of one process of a session, the same for all sessions of a server."""

    open_files: int
    file_mb: int
    """Size of one file it writes."""
    processes: int
    """Processes and threads of a family; enforced by `full` alone, where they are counted by family."""


class Confinement:
    """What a session's process has given up, and what is left to do when it takes up a session or becomes a twin."""

    def __init__(self, isolation: str, address_space: int) -> None:
        """`address_space` is what the libraries have mapped, in bytes."""
        self._isolation = isolation
        self._address_space = address_space

    def limit_memory(self, memory_mb: int) -> None:
        """Bound the address space, from the libraries' on."""
        most = self._address_space + memory_mb * MB
        resource.setrlimit(resource.RLIMIT_AS, (most, most + memory.RESERVE_MB * MB))

    def enter_twin(self) -> None:
        """What a forked process does not inherit, and what its original may do but it may not."""
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if self._isolation != "none":
            seccomp.refuse_signals()


class Confiner:
    """Confines the sessions of one server; made once, so that a session prepares nothing itself."""

    def __init__(self, isolation: str, limits: ProcessLimits) -> None:
        self._isolation = isolation
        self._limits = limits
        self._address_space = procs.address_space()
        if isolation != "none":
            self._files = landlock.Rules(places.without_links(), places.DEVICES)
            seccomp.prepare(attributes=isolation == "reduced")
        self._other_user = isolation == "full" and namespaces.has_session_user()

    def enter_session(self, family: str, keep: list[int]) -> Confinement:
        """Give up, for good, what a session must not have; of the descriptors over 2, only those of `keep` stay."""
        procs.prefer_for_killing()
        if self._isolation == "full":
            namespaces.enter_session(other=self._other_user)
            _limit(resource.RLIMIT_NPROC, self._limits.processes)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        _limit(resource.RLIMIT_FSIZE, self._limits.file_mb * MB)
        _limit(resource.RLIMIT_CORE, 0)
        if self._isolation != "none":
            self._files.restrict(family)
            kernel.drop_capabilities()
            seccomp.restrict(attributes=self._isolation == "reduced")
        for first, last in pairwise([2, *sorted(keep), MAX_DESCRIPTOR]):
            os.closerange(first + 1, last)
        _limit(resource.RLIMIT_NOFILE, self._limits.open_files)
        return Confinement(self._isolation, self._address_space)


def enter_server(isolation: str, scratch: str) -> tuple[str, socket.socket | None]:
    """Prepare the server; returns where its scratch folders go, and who gives it process namespaces (`full` alone).

    OSError: the kernel refuses what the level needs.
    """
    if isolation != "none":
        _require_reduced()
        places.readable()
    if isolation == "full":
        return namespaces.enter(scratch)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    return scratch, None


def _require_reduced() -> None:
    if not landlock.version():
        raise OSError("the kernel offers no Landlock")
    if not seccomp.supported():
        raise OSError("the system calls of this machine are not known")


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))
