"""The machine's own limit: a process in the server's state forks a child a session, which runs the blocks and ends.

No isolation, no protocol, no output to anybody. The parent is a fresh process with the server's environment and
libraries and nothing else.
"""

from __future__ import annotations

import os
import tempfile
from typing import NoReturn

from interpreter_work import Task

from cort_data.interpreter import new_namespace, run_cell
from cort_data.interpreter.local import preload
from interpreter_baselines.base import Child, WrongAnswer, answer_lines


class ForkLimit:
    """Speaks with the parent process."""

    name = "fork limit of the machine"
    widths = (2, 3, 4, 8)

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory()
        self._parent: Child

    async def start(self) -> None:
        """Start the parent and wait until it has loaded the libraries."""
        self._parent = await Child.start("fork_limit", self._home.name)
        await self._parent.ask({"width": 1, "tasks": []})

    async def run(self, tasks: list[Task], width: int) -> None:
        """All sessions at one request."""
        wrong = await self._parent.ask({"width": width, "tasks": [[task.blocks, task.answer] for task in tasks]})
        if wrong:
            raise WrongAnswer(f"{wrong} of {len(tasks)} children")

    async def stop(self) -> None:
        """End the parent."""
        await self._parent.stop()
        self._home.cleanup()


def main() -> None:
    """The parent."""
    preload.load()
    answer_lines(lambda job: _run(job["tasks"], job["width"]))


def _run(tasks: list[tuple[list[str], str]], width: int) -> int:
    """How many children gave a wrong answer."""
    wrong = live = 0
    for blocks, answer in tasks:
        if live == width:
            wrong += _wait()
            live -= 1
        if os.fork() == 0:
            _child(blocks, answer)
        live += 1
    return wrong + sum(_wait() for _ in range(live))


def _wait() -> bool:
    return os.wait()[1] != 0


def _child(blocks: list[str], answer: str) -> NoReturn:
    namespace = new_namespace()
    for number, block in enumerate(blocks, 1):
        output = run_cell(block, namespace, number)
    os._exit(output.text.strip() != answer)


if __name__ == "__main__":
    main()
