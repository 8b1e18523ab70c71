"""What the attacks aim at: files, a process and listeners that the tests made themselves, so that no attack harms."""

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

CANARY = f"canary-{secrets.token_hex(8)}"
"""Must never be seen by a session."""


class Outside:
    """A home with credentials, a sleeping process and silent listeners; `untouched` says whether they still are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        for name in (".ssh/id_rsa", ".netrc", ".aws/credentials", ".cache/huggingface/token", "secret"):
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(CANARY)
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(3600)"], env={"CANARY": CANARY, "PATH": os.defpath}
        )
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = _bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self._path = _bound(socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "listener"))
        self._path_datagrams = _bound(socket.AF_UNIX, socket.SOCK_DGRAM, str(folder / "datagrams"))
        abstract = f"\0{CANARY}-{secrets.token_hex(4)}"
        self._abstract = _bound(socket.AF_UNIX, socket.SOCK_STREAM, abstract)
        self._abstract_datagrams = _bound(socket.AF_UNIX, socket.SOCK_DGRAM, abstract + "-datagrams")
        self._before = self._snapshot()
        self._process_before = self._process_state()

    def names(self) -> dict[str, object]:
        """Constants that an attack's code may use."""
        return {
            "HOME": str(self.home),
            "SECRET": str(self.home / "secret"),
            "CANARY_PID": self.process.pid,
            "TCP": self._tcp.getsockname(),
            "UDP": self._udp.getsockname(),
            "UNIX": str(self.folder / "listener"),
            "UNIX_DATAGRAMS": str(self.folder / "datagrams"),
            "ABSTRACT": self._abstract.getsockname(),
            "ABSTRACT_DATAGRAMS": self._abstract_datagrams.getsockname(),
        }

    def check(self) -> None:
        """Fails when an attack has reached anything."""
        assert self._snapshot() == self._before
        assert self.process.poll() is None
        assert self._process_state() == self._process_before
        assert not [str(heard) for heard in self._listeners() if _heard(heard)]

    def _listeners(self) -> list[socket.socket]:
        return [
            self._tcp,
            self._udp,
            self._path,
            self._path_datagrams,
            self._abstract,
            self._abstract_datagrams,
        ]

    def _process_state(self) -> tuple[object, ...]:
        """What the process may use, where and how urgently it runs, and that it is not stopped."""
        pid = self.process.pid
        limits = Path(f"/proc/{pid}/limits").read_text()
        stopped = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
        return (
            limits,
            os.sched_getaffinity(pid),
            os.sched_getscheduler(pid),
            os.getpriority(os.PRIO_PROCESS, pid),
            stopped,
        )

    def _snapshot(self) -> dict[str, tuple[object, ...]]:
        """Every file's mode, owner, time of change and content."""
        found: dict[str, tuple[object, ...]] = {}
        for path in [self.folder, *self.folder.rglob("*")]:
            about = path.lstat()
            content = path.read_text() if path.is_file() else None
            found[str(path)] = (about.st_mode, about.st_uid, about.st_ctime_ns, content)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self._listeners():
            listener.close()
        self.process.kill()
        self.process.wait()


def _bound(family: int, kind: int, address: str | tuple[str, int]) -> socket.socket:
    listener = socket.socket(family, kind)
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def _heard(listener: socket.socket) -> bool:
    """Whether anything came; takes it all, so that the next look is at what came since."""
    listener.setblocking(False)
    heard = False
    while True:
        try:
            if listener.type == socket.SOCK_STREAM:
                listener.accept()[0].close()
            else:
                listener.recv(1)
        except BlockingIOError:
            return heard
        heard = True
