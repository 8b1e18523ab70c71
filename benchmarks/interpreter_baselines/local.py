"""The interpreter that is measured."""

from __future__ import annotations

from interpreter_work import Task

from cort_data.interpreter import Interpreter, open_interpreter
from interpreter_baselines.base import check, side_by_side


class Local:
    """`local` at a level of isolation, in this process's event loop."""

    widths = (4, 6, 8)

    def __init__(self, isolation: str) -> None:
        self.name = f"local ({isolation})"
        self._isolation = isolation
        self.interpreter: Interpreter

    async def start(self) -> None:
        """Start the server."""
        self.interpreter = open_interpreter(isolation=self._isolation)
        await self.interpreter.__aenter__()

    async def run(self, tasks: list[Task], width: int) -> None:
        """A session a task."""
        await side_by_side(tasks, width, self._one)

    async def _one(self, task: Task) -> None:
        session = await self.interpreter.session(0)
        for block in task.blocks:
            result = await session.run(block)
        await session.close()
        check(result.feedback, task)

    async def stop(self) -> None:
        """Stop the server."""
        await self.interpreter.close()
