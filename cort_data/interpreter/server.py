"""The fork server: loads the libraries once and forks a fresh process for every session.

Run as `python -m cort_data.interpreter.server CONTROL_FD CONFIG_JSON` by `link.py`. Requests come over the control
socket, one JSON object a packet; a session's cells do not pass through here but go straight to its process. The server
is the parent of every session and of every process that a session leaves behind: it kills, reaps and reports.
When the control socket closes it kills them all and ends.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any, NoReturn

from cort_data.interpreter import confine, preload, procs, worker
from cort_data.interpreter.runner import CellLimits
from cort_data.interpreter.scratch import ScratchSpace, remove_tree

PACKET_BYTES = 1 << 16
CLEAR_UP_S = 10.0
SWEEPS = 100
"""A fork bomb can outrun a sweep where processes are not limited; the next end of a process sweeps again."""
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
    warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)  # the libraries' threads hold no lock of ours
    try:
        scratch = confine.enter_server(config.isolation, config.scratch)
    except OSError as exc:
        control.send(json.dumps({"refused": str(exc)}).encode())
        raise SystemExit(1) from exc
    missing = preload.load()
    server = _Server(control, config, ScratchSpace(scratch, mounted=config.isolation == "full"))
    server.reply({"ready": True, "missing": missing})
    server.serve()
    if config.isolation != "full":  # there, the folder is in memory and goes with us
        remove_tree(config.scratch)


class _Server:
    def __init__(self, control: socket.socket, config: ServerConfig, scratch: ScratchSpace) -> None:
        self._control = control
        self._config = config
        self._scratch = scratch
        self._pids: dict[int, int] = {}  # session -> process
        self._sessions: dict[int, int] = {}  # process -> session
        self._forking = 0  # twins on their way: their processes are not known yet, so nothing is swept
        self._wake_read, wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)

    def reply(self, message: Request) -> None:
        self._control.send(json.dumps(message).encode())

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._wake_read in ready:
                os.read(self._wake_read, PACKET_BYTES)
                self._reap()
            if self._control.fileno() in ready and not self._serve_request():
                self._kill_all()
                return

    def _serve_request(self) -> bool:
        """Answer one request; False when the client is gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self._control, PACKET_BYTES, 1)
        except ConnectionError:
            return False
        if not data:
            return False
        request = json.loads(data)
        answer = getattr(self, f"_on_{request['op']}")(request, *fds)
        if answer is not None:
            self.reply({"id": request["id"], **answer})
        return True

    def _on_open(self, request: Request, fd: int) -> Request:
        """Fork a session; it reports on its own socket when it is ready."""
        session = request["session"]
        cell = CellLimits(**request["cell"])
        family = self._scratch.add(session)
        spec = worker.SessionSpec(request["seed"], cell, request["memory_mb"], family)
        try:
            pid = os.fork()
        except OSError as exc:
            self._scratch.leave(session)
            os.close(fd)
            return {"error": f"cannot start a process: {exc}"}
        if pid == 0:
            self._become_session(fd, spec)
        os.close(fd)
        self._register(session, pid)
        return {"error": None}

    def _become_session(self, fd: int, spec: worker.SessionSpec) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.closerange(3, fd)
            os.closerange(fd + 1, 1 << 20)
            limits = confine.ProcessLimits(
                memory_mb=spec.memory_mb,
                open_files=self._config.open_files,
                file_mb=self._config.file_mb,
                processes=self._config.processes,
            )
            sock = socket.socket(fileno=fd)
            worker.main(sock, spec, lambda: confine.enter_session(self._config.isolation, limits, spec.family))
        finally:
            os._exit(70)  # whatever went wrong, a second server must never run on from here

    def _on_adopt(self, request: Request) -> Request:
        """Take a twin in: the process must be our child and nobody's session, whatever it says of itself."""
        pid = request["pid"]
        if request["origin"] not in self._pids or pid in self._sessions or pid not in procs.children():
            return {"error": "its process is gone"}
        self._register(request["session"], pid)
        self._scratch.join(request["session"], request["origin"])
        return {"error": None}

    def _on_fork_begin(self, _request: Request) -> Request:
        self._forking += 1
        return {}

    def _on_fork_end(self, _request: Request) -> None:
        self._forking -= 1
        self._sweep()

    def _on_interrupt(self, request: Request) -> Request:
        self._signal(request["session"], signal.SIGINT)
        return {}

    def _on_kill(self, request: Request) -> None:
        self._signal(request["session"], signal.SIGKILL)

    def _on_cpu(self, request: Request) -> Request:
        """CPU seconds that a session's process has used; 0 when it is gone."""
        pid = self._pids.get(request["session"])
        return {"cpu": procs.cpu_seconds(pid) if pid else 0.0}

    def _signal(self, session: int, number: int) -> None:
        if pid := self._pids.get(session):  # not reaped yet, so the number is still this process's
            os.kill(pid, number)

    def _register(self, session: int, pid: int) -> None:
        self._pids[session] = pid
        self._sessions[pid] = session

    def _reap(self) -> None:
        """Collect the dead; of a session, kill what is left of it before its end is reported."""
        ended = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self._scratch.cleaners.discard(pid)
            if pid in self._sessions:
                ended.append((pid, status))
        for pid, status in ended:
            self._end(pid, status)

    def _end(self, pid: int, status: int) -> None:
        session = self._sessions.pop(pid)
        del self._pids[session]
        procs.kill_group(pid)
        self._sweep()
        self._scratch.leave(session)
        self.reply({"exit": session, "status": status})

    def _sweep(self) -> None:
        """Kill children that are no session: what a session started and left behind when it ended.

        Killing one hands its own children to us, so look again until none is left.
        """
        if self._forking:
            return
        for _ in range(SWEEPS):
            strays = procs.children() - self._sessions.keys() - self._scratch.cleaners
            if not strays:
                return
            for pid in strays:
                os.kill(pid, signal.SIGKILL)
            for pid in strays:
                os.waitpid(pid, 0)

    def _kill_all(self) -> None:
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
