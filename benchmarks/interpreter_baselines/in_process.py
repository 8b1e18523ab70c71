"""Sessions inside one python a core, without any process a session: bare `exec`, and smolagents' own evaluator.

Nothing isolates them: what a session breaks stays broken, and an endless loop ends the interpreter.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable

from interpreter_work import Task

from cort_data.interpreter import new_namespace, run_cell
from cort_data.interpreter.local import preload
from interpreter_baselines.base import Child, WrongAnswer, answer_lines


class InProcess:
    """Speaks with one python a core."""

    widths = (len(os.sched_getaffinity(0)),)

    def __init__(self, name: str, evaluator: str) -> None:
        self.name = name
        self._evaluator = evaluator
        self._home = tempfile.TemporaryDirectory()
        self._pythons: list[Child] = []

    async def start(self) -> None:
        """Start the processes and wait until they have loaded the libraries."""
        for _ in range(self.widths[0]):
            self._pythons.append(await Child.start("in_process", self._home.name, self._evaluator))
        await asyncio.gather(*(python.ask([]) for python in self._pythons))

    async def run(self, tasks: list[Task], width: int) -> None:
        """Each process gets its share at one request."""
        shares = [[[task.blocks, task.answer] for task in tasks[start::width]] for start in range(width)]
        asked = (python.ask(share) for python, share in zip(self._pythons, shares, strict=True))
        if any(await asyncio.gather(*asked)):
            raise WrongAnswer(f"of {self.name}")

    async def stop(self) -> None:
        """End the processes."""
        await asyncio.gather(*(python.stop() for python in self._pythons))
        self._home.cleanup()


def main() -> None:
    """One of the processes."""
    preload.load()
    session = _EVALUATORS[sys.argv[1]]()
    answer_lines(lambda tasks: sum([session(blocks).strip() != answer for blocks, answer in tasks]))


def _bare(blocks: list[str]) -> str:
    namespace = new_namespace()
    for number, block in enumerate(blocks, 1):
        output = run_cell(block, namespace, number)
    return output.text


def _smolagents() -> Callable[[list[str]], str]:
    from smolagents.local_python_executor import LocalPythonExecutor

    def session(blocks: list[str]) -> str:
        executor = LocalPythonExecutor(additional_authorized_imports=["sympy"])
        executor.send_tools({})
        for block in blocks:
            result = executor(block)
        return str(result.output)

    return session


_EVALUATORS = {"exec": lambda: _bare, "smolagents": _smolagents}

if __name__ == "__main__":
    main()
