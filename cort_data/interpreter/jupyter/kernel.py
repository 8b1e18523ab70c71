"""What runs inside a kernel of the `jupyter` backend: ipykernel's sockets around the cells of every other backend.

An `execute_request` carries a cell as JSON; its reply carries the answer of `runner.CellRunner` among the user
expressions. There is no IPython shell: no magics, no history, no display messages. The main thread leaves the kernel's
event loop while a cell runs, so that a cell may run a loop of its own, as it may elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel
from tornado.ioloop import IOLoop

from cort_data.interpreter.jupyter.process import ANSWER, PRINTED, KernelSettings, remove_tree
from cort_data.interpreter.memory import RESERVE_MB
from cort_data.interpreter.runner import SEEDED, CellLimits, CellRunner, seed_library
from cort_data.interpreter.wire import Frame

PARENT_POLL_S = 1.0


class CellKernel(Kernel):
    """Hands each cell to the main thread and waits, in the event loop, for its answer."""

    implementation = "cort"
    implementation_version = "1"
    language_info = {"name": "python", "mimetype": "text/x-python", "file_extension": ".py"}  # noqa: RUF012
    banner = ""

    cell: dict[str, Any]
    """The arguments of the cell that is to run."""
    answer: asyncio.Future[Frame]

    async def do_execute(self, code: str, *_positional: object, **_options: object) -> dict[str, Any]:
        """Stop the loop, so that `CellKernelApp.start` runs the cell; answer when it has."""
        self.cell = json.loads(code)
        self.answer = asyncio.get_running_loop().create_future()
        IOLoop.current().stop()
        frame = await self.answer
        return {"status": "ok", "execution_count": 0, "payload": [], "user_expressions": {ANSWER: frame}}

    def pre_handler_hook(self) -> None:
        """Leave SIGINT to the runner."""

    def post_handler_hook(self) -> None:
        """Leave SIGINT to the runner."""


class CellKernelApp(IPKernelApp):
    """The kernel's process: ipykernel's, without what changes the python that the code finds."""

    def __init__(self, settings: KernelSettings) -> None:
        super().__init__(kernel_class=CellKernel, outstream_class=None)
        self._settings = settings

    def init_pdb(self) -> None:
        """Python's own debugger stays."""

    def init_crash_handler(self) -> None:
        """Python's own excepthook stays."""

    def init_poller(self) -> None:
        """End with the client."""
        if sys.platform == "win32":
            super().init_poller()
        else:  # a thread with a name, so that those of the code are numbered from 1
            arguments = (self._settings.folder, self.parent_handle)
            threading.Thread(target=_end_with, args=arguments, name="Parent", daemon=True).start()

    def start(self) -> NoReturn:
        """Run cells until the process is killed; whatever breaks the kernel ends it."""
        self.reset_io()
        if self.poller is not None:
            self.poller.start()
        self.kernel.start()
        loop, pid = IOLoop.current(), os.getpid()
        asyncio.set_event_loop(asyncio.new_event_loop())  # what the code finds; the kernel keeps its own
        try:
            runner = _runner(self._settings)
            while True:
                loop.start()  # returns when there is a cell
                frame = runner.run(**self.kernel.cell)
                if os.getpid() != pid:  # a child that the code forked must not answer
                    os._exit(0)
                self.kernel.answer.set_result(frame)
        finally:
            os._exit(1)


def _end_with(folder: str, parent: int) -> None:
    """End this process group, and remove the kernel's folder, when the client is gone."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    remove_tree(Path(folder))
    os.killpg(0, signal.SIGKILL)


def _runner(settings: KernelSettings) -> CellRunner:
    """Made after everything of the kernel's own is loaded, which the limits then do not count."""
    partial = None
    if sys.platform != "win32":  # which cannot write at a place of a file without moving there
        partial = os.open(Path(settings.folder, PRINTED), os.O_WRONLY)
    if sys.platform == "linux":
        _limit_memory(settings.memory_mb)
    runner = CellRunner(settings.cell, settings.seed, partial)
    sys.meta_path.insert(0, _SeedingFinder(settings.seed))
    return runner


def _limit_memory(memory_mb: int) -> None:
    import resource

    from cort_data.interpreter.isolation.procs import address_space

    soft = address_space() + (memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (soft, soft + (RESERVE_MB << 20)))


class _SeedingFinder(MetaPathFinder):
    """Seeds the libraries that have random generators when the code first imports them.

    Loading them at the start, as the local backend's server does once, would cost each kernel seconds.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The usual spec with a loader that seeds; None for all other modules."""
        spec = PathFinder.find_spec(name, path, target) if name in SEEDED else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _SeedingLoader(spec.loader.name, spec.loader.path, self._seed)
        return spec


class _SeedingLoader(SourceFileLoader):
    def __init__(self, name: str, path: str, seed: int) -> None:
        super().__init__(name, path)
        self._seed = seed

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        seed_library(module, self._seed)


def main(arguments: list[str]) -> None:
    """Be a kernel; the last argument is its settings as JSON, those before it are an ipykernel's."""
    *options, text = arguments
    fields = json.loads(text)
    app = CellKernelApp(KernelSettings(**{**fields, "cell": CellLimits(**fields["cell"])}))
    app.initialize(options)
    app.start()


if __name__ == "__main__":
    main(sys.argv[1:])
