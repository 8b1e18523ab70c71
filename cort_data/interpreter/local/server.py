"""The interpreter's server: begins sessions, ends them, and keeps account of their processes.

    keeper ──namespaces──► server ──requests──► zygote
                             │ parent of           │ forks
                             └───────► sessions ◄──┘

`link.py` runs it as `python -m cort_data.interpreter.local.server CONTROL_FD CONFIG_JSON`. Requests come over the
control socket, one JSON object a packet; a session's cells do not pass through here but go straight to its process.
The server is the parent of every session: it kills, reaps and reports. When the control socket closes it ends them all
and itself.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cort_data.interpreter.isolation import confine, procs
from cort_data.interpreter.local.family import Families, Family, remove_tree
from cort_data.interpreter.local.zygote import Birth, Zygote

PACKET_BYTES = 1 << 16
CLEAR_UP_S = 10.0
SWEEPS = 100
"""A fork bomb can outrun a sweep where processes are not limited; the next end of a process sweeps again."""
SWEEP_S = 0.001
_WALL = 0x40000000  # children of any kind, whatever flags the code forked them with
Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What the client starts a server with."""

    isolation: str
    scratch: str
    """An empty folder of the server's own, for the scratch folders of its sessions."""
    open_files: int
    file_mb: int
    processes: int


def main() -> None:
    """Entry point of the server's process."""
    control = socket.socket(fileno=int(sys.argv[1]))
    config = ServerConfig(**json.loads(sys.argv[2]))
    try:
        root, keeper = confine.enter_server(config.isolation, config.scratch)
    except OSError as exc:
        control.send(json.dumps({"refused": str(exc)}).encode())
        raise SystemExit(1) from exc
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # a family takes a descriptor
    limits = confine.ProcessLimits(config.open_files, config.file_mb, config.processes)
    zygote = Zygote.start(config.isolation, limits)
    server = _Server(control, Families(root, keeper), zygote)
    server.reply({"ready": True, "missing": zygote.missing()})
    server.serve()
    if not keeper:  # with one, everything ends with this process, and the folder is in memory
        server.kill_all()
        remove_tree(config.scratch)


class _Server:
    def __init__(self, control: socket.socket, families: Families, zygote: Zygote) -> None:
        self._control = control
        self._families = families
        self._zygote = zygote
        self._pids: dict[int, int] = {}  # session -> process
        self._sessions: dict[int, int] = {}  # process -> session
        self._ending: dict[int, tuple[Family, Request]] = {}  # pidfd of a killed namespace -> what to report then
        self._forking = 0  # twins on their way: their processes are not known yet, so nothing is swept
        self._wake_read, wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(zygote.sock, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    def reply(self, message: Request) -> None:
        self._control.send(json.dumps(message).encode())

    def serve(self) -> None:
        """Answer until the client is gone, or the zygote is."""
        while True:
            ready = {fd for fd, _ in self._poll.poll()}
            if self._zygote.sock.fileno() in ready:
                raise SystemExit("the process that has the libraries loaded has ended")
            if self._wake_read in ready:
                os.read(self._wake_read, PACKET_BYTES)
                self._reap()
            for fd in ready & self._ending.keys():
                self._finish(fd)
            if self._control.fileno() in ready and not self._serve_request():
                return

    def _serve_request(self) -> bool:
        """Answer one request; False when the client is gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self._control, PACKET_BYTES, 2)
        except ConnectionError:
            return False
        if not data:
            return False
        request = json.loads(data)
        answer = getattr(self, f"_on_{request['op']}")(request, *fds)
        if answer is not None:
            self.reply({"id": request["id"], **answer})
        return True

    def _on_open(self, request: Request, sock: int, partial: int) -> None:
        """Fork a process for a session to come; it reports on its own socket when it is ready."""
        session = request["session"]
        try:
            family = self._families.begin(session)
        except OSError as exc:
            self.reply({"failed": session, "error": f"cannot make its namespace: {exc}"})
        else:
            self._start(session, family, sock, partial)
        os.close(sock)
        os.close(partial)

    def _start(self, session: int, family: Family, sock: int, partial: int) -> None:
        namespace = family.init.fd if family.init else None
        try:
            self._register(session, self._zygote.fork(Birth(family.folder, sock, partial, namespace)))
        except OSError as exc:
            message = {"failed": session, "error": f"cannot start its process: {exc}"}
            self._end_family(self._families.leave(session), message)

    def _on_adopt(self, request: Request) -> Request:
        """Take a twin in: a child of ours, in its origin's kernel session, with the number that it says it has."""
        origin = self._pids.get(request["origin"])
        for pid in procs.children() - self._sessions.keys() if origin else ():
            same = procs.kernel_session(pid) == procs.kernel_session(origin or 0)
            if same and procs.number_in_namespace(pid) == request["number"]:
                self._register(request["session"], pid)
                self._families.join(request["session"], request["origin"])
                return {"error": None}
        return {"error": "its process is gone"}

    def _on_fork_begin(self, _request: Request) -> Request:
        self._forking += 1
        return {}

    def _on_fork_end(self, request: Request) -> None:
        self._forking -= 1
        if request["origin"] in self._pids:
            self._sweep(self._families[request["origin"]])

    def _on_interrupt(self, request: Request) -> Request:
        """SIGPROF says that the CPU time is used up, SIGINT that the wall time is."""
        self._signal(request["session"], request["signal"])
        return {}

    def _on_clear(self, request: Request) -> Request:
        """End what a session has started, but not the session."""
        session = request["session"]
        if main := self._pids.get(session):
            self._kill_until_none(lambda: self._below(session) - {main})
        return {}

    def _on_kill(self, request: Request) -> None:
        session = request["session"]
        if session in self._pids and self._families[session].sessions == {session}:
            self._families[session].kill()
        self._signal(session, signal.SIGKILL)

    def _on_usage(self, request: Request) -> Request:
        """CPU seconds of a session's processes, and the MB that they added together to what all share.

        A shared page that they changed is not counted. Memory is 0 for a single process: the kernel bounds it.
        """
        session = request["session"]
        if session not in self._pids:
            return {"cpu": 0.0, "memory": 0.0}
        pids = self._below(session)
        shared = procs.memory_mb(self._zygote.pid)
        memory = sum(max(0.0, procs.memory_mb(pid) - shared) for pid in pids) if len(pids) > 1 else 0.0
        return {"cpu": sum(map(procs.cpu_seconds, pids)), "memory": memory}

    def _below(self, session: int) -> set[int]:
        """A session's processes; orphans count as those of a family's only session."""
        family = self._families[session]
        orphans = family.orphans() if len(family.sessions) == 1 else set()
        return procs.tree({self._pids[session]} | orphans)

    def _signal(self, session: int, number: int) -> None:
        if pid := self._pids.get(session):  # not reaped yet, so the number is still this process's
            os.kill(pid, number)

    def _register(self, session: int, pid: int) -> None:
        self._pids[session] = pid
        self._sessions[pid] = session

    def _reap(self) -> None:
        """Collect the dead, then see to what each session leaves."""
        ended = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | _WALL)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self._families.cleaners.discard(pid)
            if pid in self._sessions:
                ended.append((pid, status))
        for pid, status in ended:
            self._end(pid, status)

    def _end(self, pid: int, status: int) -> None:
        """Report the end of a session, after everything that it started has ended."""
        session = self._sessions.pop(pid)
        del self._pids[session]
        family = self._families.leave(session)
        message = {"exit": session, "status": status}
        if family.sessions:
            self._sweep(family)
            self.reply(message)
        else:
            procs.kill_group(pid)
            self._end_family(family, message)

    def _end_family(self, family: Family, message: Request) -> None:
        if family.init:
            family.kill()
            self._ending[family.init.fd] = family, message
            self._poll.register(family.init.fd, select.POLLIN)
            return
        self._sweep(family)
        self._families.remove(family)
        self.reply(message)

    def _finish(self, init_fd: int) -> None:
        """Nothing is left in a namespace."""
        family, message = self._ending.pop(init_fd)
        self._poll.unregister(init_fd)
        self._families.remove(family)
        self.reply(message)

    def _sweep(self, family: Family) -> None:
        """Kill what sessions that ended have left behind."""
        if family.init:
            self._kill_until_none(family.orphans)
        elif not self._forking:
            ours = self._families.cleaners | {self._zygote.pid}
            self._kill_until_none(lambda: procs.children() - self._sessions.keys() - ours)

    def _kill_until_none(self, find: Callable[[], set[int]]) -> None:
        """Kill processes until none is found: the death of one turns its own children into more."""
        for _ in range(SWEEPS):
            living = set(filter(procs.lives, find()))
            if not living:
                return
            for pid in living:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(SWEEP_S)

    def kill_all(self) -> None:
        """End everything. Killing a process hands its children to us, so look again until none is left."""
        self._sessions.clear()
        deadline = time.monotonic() + CLEAR_UP_S
        while (left := procs.children()) and time.monotonic() < deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            self._reap()
            time.sleep(0.001)


if __name__ == "__main__":
    main()
