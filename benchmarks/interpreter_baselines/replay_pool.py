"""The published approach: a pool of unsandboxed workers without state, which replay the session's history.

For every block of a session, the client sends it together with all blocks before it to any free worker, which runs
them from scratch and answers with the output of the last. The workers have the libraries loaded, keep whatever
caches the libraries fill, and live as long as the pool; nothing bounds or isolates what they run.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import tempfile

from interpreter_work import Task

from cort_data.interpreter import new_namespace, run_cell
from cort_data.interpreter.local import preload
from interpreter_baselines.base import Child, answer_lines, check, side_by_side


class ReplayPool:
    """The client: hands a block and its history to the next free worker."""

    name = "replaying pool, unsandboxed"
    widths = (2, 4, 8)

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory()
        self._workers: list[Child] = []
        self._free: asyncio.Queue[Child]

    async def start(self) -> None:
        """A worker a core, libraries loaded."""
        self._free = asyncio.Queue()
        for _ in os.sched_getaffinity(0):
            self._workers.append(await Child.start("replay_pool", self._home.name))
        for worker in self._workers:
            await worker.ask(["0"])
            self._free.put_nowait(worker)

    async def run(self, tasks: list[Task], width: int) -> None:
        """Blocks of one session follow each other, on whichever worker is free."""
        await side_by_side(tasks, width, self._one)

    async def _one(self, task: Task) -> None:
        for number in range(1, len(task.blocks) + 1):
            worker = await self._free.get()
            answer = await worker.ask(task.blocks[:number])
            self._free.put_nowait(worker)
        check(str(answer), task)

    async def stop(self) -> None:
        """End the workers."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        self._home.cleanup()


def main() -> None:
    """A worker."""
    preload.load()
    answer_lines(_replay)


def _replay(blocks: list[str]) -> str:
    """The history by plain `exec`, its output thrown away; the last block with its echo."""
    namespace = new_namespace()
    with contextlib.redirect_stdout(io.StringIO()):
        for block in blocks[:-1]:
            exec(block, namespace)
    return run_cell(blocks[-1], namespace, len(blocks)).text


if __name__ == "__main__":
    main()
