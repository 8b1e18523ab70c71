"""The client's side of one kernel: starts its process, sends it cells, waits within the limits, ends it.

jupyter_client starts the process and speaks its protocol over one socket (`shell`); its other channels are not used.
Where the system can, the sockets lie in the kernel's private folder; elsewhere they are loopback ports, and messages
are signed with a key that only the user can read.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import site
import subprocess
import sys
import tempfile
from asyncio import Future
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client import kernelspec
from jupyter_client.manager import AsyncKernelManager

from cort_data.errors import InterpreterError
from cort_data.interpreter import partial
from cort_data.interpreter.base import Limits, Status
from cort_data.interpreter.ending import ProcessEnd, describe_exit, describe_kill
from cort_data.interpreter.runner import CellLimits
from cort_data.interpreter.wire import Frame

ANSWER = "cell"
"""The user expression of a reply whose value is the answer."""
GRACE_S = 1.0
"""How long a cell may go on after its interrupt before it is killed."""
POLL_S = 0.05
"""How often the end of the process is looked for; an answer is noticed at once."""
EXIT_POLL_S = 0.005
START_S = 60.0
NUMBER_CHARS = 2
"""What jupyter_client adds to the path of a socket: `-1` to `-5`."""
WORK, STDERR, PRINTED = "work", "stderr", "printed"
"""What is in a kernel's private folder: where its code works, what it says while it starts, and the start of what the
running cell has printed, for the case that it never answers."""
_MODULE = "cort_data.interpreter.jupyter.kernel"
_ANSWER: dict[str, type | tuple[type, ...]] = {
    "number": int,
    "status": str,
    "text": str,
    "error": (str, type(None)),
    "seconds": float,
    "truncated": int,
}


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """What a kernel is told at its start."""

    seed: int
    cell: CellLimits
    memory_mb: int
    folder: str
    """Its private folder; it works in a folder inside it."""


class KernelProcess:
    """One live kernel. `run_cell` is called again when it has returned."""

    def __init__(self, context: zmq.asyncio.Context, limits: Limits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._folder = Path(tempfile.mkdtemp(prefix="cort-"))
        self._stderr, self._printed = ((self._folder / name).open("w+b") for name in (STDERR, PRINTED))
        self._manager = _new_manager(context, self._folder)
        self._client: Any = None  # typed by traitlets at run time only

    @classmethod
    async def start(cls, context: zmq.asyncio.Context, limits: Limits, seed: int) -> KernelProcess:
        """A fresh kernel, ready for its first cell."""
        kernel = cls(context, limits)
        try:
            await kernel._launch(context, seed)
        except BaseException as exc:
            await kernel.kill()
            if isinstance(exc, (OSError, RuntimeError, zmq.ZMQError)):
                raise InterpreterError(f"a kernel could not start: {exc}") from exc
            raise
        return kernel

    async def exit_code(self) -> int | None:
        """None while the process lives."""
        provisioner = self._manager.provisioner
        return await provisioner.poll() if provisioner else None

    async def run_cell(self, code: str, number: int) -> Frame | ProcessEnd:
        """Run a cell and wait for its answer or its end, whichever the limits lead to."""
        started = self._loop.time()
        request = json.dumps({"code": code, "number": number})
        reply = self._ask("execute", request, silent=True, store_history=False, allow_stdin=False)
        try:
            in_time = await self._in_time(reply)
            frame = _answer(reply, number)
        finally:
            reply.cancel()
        if frame:
            return frame
        status, reason = await self._describe_end() if in_time else describe_kill(self._limits)
        return ProcessEnd(status, reason, self._loop.time() - started, partial.read(self._printed.fileno()))

    async def stop(self) -> None:
        """Kill the process and its group; a cell that runs notices."""
        provisioner = self._manager.provisioner
        if provisioner and provisioner.has_process:
            await provisioner.kill()

    async def kill(self) -> None:
        """End the process and what it started, and remove its folder; returns when nothing of it is left."""
        await self.stop()
        provisioner = self._manager.provisioner
        if provisioner and provisioner.has_process:
            while await provisioner.poll() is None:
                await asyncio.sleep(EXIT_POLL_S)
            await provisioner.wait()
        if self._client:
            self._client.shell_channel.stop()
        await self._manager.cleanup_resources()
        self._stderr.close()
        self._printed.close()
        await asyncio.to_thread(remove_tree, self._folder)

    async def _launch(self, context: zmq.asyncio.Context, seed: int) -> None:
        work = self._folder / WORK
        work.mkdir()
        limits = self._limits
        cell = CellLimits(limits.timeout_s, limits.wall_s, limits.output_chars)
        settings = KernelSettings(seed, cell, limits.memory_mb, str(self._folder))
        await self._manager.start_kernel(
            extra_arguments=[json.dumps(asdict(settings))],
            env=_environment(self._folder),
            cwd=str(work),
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
        )
        self._client = self._manager.client(context=context)
        ready = self._ask("comm_info")  # the usual kernel_info would load a debugger
        try:
            answered = await self._settled(ready, START_S) and ready.done()
        finally:
            ready.cancel()
        if not answered:
            raise InterpreterError(f"a kernel could not start: {await self._last_words()}")

    async def _last_words(self) -> str:
        self._stderr.seek(0)
        said = self._stderr.read().decode("utf-8", "replace").splitlines()[-1:]
        code = await self.exit_code()
        ended = f"it did not answer within {START_S:g} s" if code is None else describe_exit(code)[1]
        return ": ".join([ended, *said])

    def _ask(self, what: str, *arguments: object, **options: object) -> Future[dict[str, Any]]:
        """Send a request; its reply, once it is here."""
        reply: Coroutine[Any, Any, dict[str, Any]] = getattr(self._client, what)(*arguments, reply=True, **options)
        return asyncio.ensure_future(reply)

    async def _in_time(self, reply: Future[dict[str, Any]]) -> bool:
        """Wait for an answer or the end; False when the wall time is used up and the interrupt did not help."""
        if await self._settled(reply, self._limits.wall_s):
            return True
        await self._manager.interrupt_kernel()
        return await self._settled(reply, GRACE_S)

    async def _settled(self, reply: Future[dict[str, Any]], seconds: float) -> bool:
        """Whether the reply or the end of the process comes within `seconds`."""
        deadline = self._loop.time() + seconds
        while (left := deadline - self._loop.time()) > 0:
            await asyncio.wait([reply], timeout=min(POLL_S, left))
            if reply.done() or await self.exit_code() is not None:
                return True
        return False

    async def _describe_end(self) -> tuple[Status, str]:
        code = await self.exit_code()
        return (Status.DIED, "the process broke its connection") if code is None else describe_exit(code)


def remove_tree(folder: Path) -> None:
    """Remove a folder, however deep it is."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        subprocess.run(["rm", "-rf", "--", str(folder)], stderr=subprocess.DEVNULL, check=False)


class _Specs(kernelspec.KernelSpecManager):
    """Knows one kernel, which need not be installed in the user's Jupyter."""

    def get_kernel_spec(self, _name: str) -> kernelspec.KernelSpec:
        """Ours, whatever the name."""
        command = [sys.executable, "-P", "-B", "-m", _MODULE, "-f", "{connection_file}"]
        return kernelspec.KernelSpec(argv=command, display_name="cort", language="python")


def _new_manager(context: zmq.asyncio.Context, folder: Path) -> AsyncKernelManager:
    """Speaks over sockets in the kernel's folder; where their paths cannot be that long, or be at all, over TCP."""
    manager = AsyncKernelManager(
        context=context, kernel_spec_manager=_Specs(), connection_file=str(folder / "connection.json")
    )
    path = str(folder / "s")
    if len(os.fsencode(path)) + NUMBER_CHARS <= zmq.IPC_PATH_MAX_LEN:  # 0 on Windows
        manager.transport, manager.ip = "ipc", path
    return manager


def _environment(folder: Path) -> dict[str, str]:
    """A fixed hash seed, one thread a library, nothing of the user's but what starts a python."""
    work = str(folder / WORK)
    needed = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return needed | {
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PYTHONUSERBASE": site.getuserbase(),  # the packages of an installation with `pip install --user`
        **dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), work),
        **dict.fromkeys(("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"), str(folder / "jupyter")),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "MALLOC_ARENA_MAX": "2",
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    }


def _answer(reply: Future[dict[str, Any]], number: int) -> Frame | None:
    """The answer to cell `number`; None for anything else, which the code may have sent."""
    try:
        frame = reply.result()["content"]["user_expressions"][ANSWER]
        typed = all(isinstance(frame[name], kind) for name, kind in _ANSWER.items())
        return frame if typed and frame["number"] == number else None
    except (asyncio.InvalidStateError, asyncio.CancelledError, ValueError, LookupError, TypeError):
        return None
