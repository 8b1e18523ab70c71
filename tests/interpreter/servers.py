"""Servers of sessions: `cort interpreter serve` in a process of its own, and a proxy that cuts connections."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cort_data.interpreter import Limits
from cort_data.interpreter.remote.http import Patience
from cort_data.interpreter.remote.session import RemoteInterpreter

TOKEN = "a-token-of-the-tests-0123456789"
QUICK = Patience(connect_s=5, attempts=6, longest_pause_s=0.3, full_s=1)


class Server:
    """A running server."""

    def __init__(self, *options: str, port: int = 0, isolation: str = "none", token: str | None = TOKEN) -> None:
        command = [sys.executable, "-m", "cort_data", "interpreter", "serve", "--port", str(port)]
        environment = {k: v for k, v in os.environ.items() if k != "CORT_INTERPRETER_TOKEN"}
        if token:
            environment["CORT_INTERPRETER_TOKEN"] = token
        self.process = subprocess.Popen(
            [*command, "--isolation", isolation, *options], stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stderr is not None
        self.said = "".join(self.process.stderr.readline() for _ in range(4))
        found = re.search(r"http://[\w.]+:(\d+)", self.said)
        assert found, self.said + self.process.stderr.read()
        self.url, self.port = found[0], int(found[1])

    def stop(self, signum: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and what it wrote to stderr after its start."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def client(self, limits: Limits, isolation: str = "none", patience: Patience = QUICK) -> RemoteInterpreter:
        return RemoteInterpreter(self.url, limits, isolation, TOKEN, patience)


@contextmanager
def serving(*options: str, **settings: object) -> Iterator[Server]:
    server = Server(*options, **settings)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()


class OwnServer(RemoteInterpreter):
    """An interpreter whose server lives as long as itself."""

    def __init__(self, limits: Limits, isolation: str) -> None:
        options = ("--max-sessions", "100", "--timeout", f"{limits.timeout_s}", "--memory", f"{limits.memory_mb}")
        self._own = Server(*options, isolation=isolation)
        super().__init__(self._own.url, limits, isolation, TOKEN)

    async def close(self) -> None:
        await super().close()
        code, errors = self._own.stop()
        assert (code, errors) == (0, "")


class CuttingProxy:
    """Passes bytes on to a server; an answer that `cut` says yes to is lost together with its connection."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self.cut: Callable[[bytes], bool] = lambda _: False
        self.cuts = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "CuttingProxy":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self.hang_up()

    async def hang_up(self) -> None:
        """Break all connections."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        requests = asyncio.create_task(_pump(reader, server_writer))
        try:
            while (data := await server_reader.read(1 << 16)) and not self._cuts(data):
                writer.write(data)
        finally:
            requests.cancel()
            for end in (server_writer, writer):
                end.close()
            await asyncio.gather(requests, server_writer.wait_closed(), writer.wait_closed(), return_exceptions=True)

    def _cuts(self, data: bytes) -> bool:
        yes = self.cut(data)
        self.cuts += yes
        return yes


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()
