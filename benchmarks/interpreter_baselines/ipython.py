"""An IPython process a session: a fresh python with IPython's shell, which runs cells as they come."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from interpreter_work import Task

from interpreter_baselines.base import Child, check, side_by_side

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class IPythonProcess:
    """Starts one process a session and ends it."""

    name = "IPython process a session"
    widths = (2, 3)

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory()

    async def start(self) -> None:
        """Nothing outlives a session."""

    async def run(self, tasks: list[Task], width: int) -> None:
        """A process a task."""
        await side_by_side(tasks, width, self._one)

    async def _one(self, task: Task) -> None:
        python = await Child.start("ipython", self._home.name)
        for block in task.blocks:
            answer = await python.ask(block)
        await python.stop()
        check(str(answer), task)

    async def stop(self) -> None:
        """Remove what IPython wrote."""
        self._home.cleanup()


def main() -> None:
    """The session's process; without history on disk, which nobody reads."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from interpreter_baselines.base import answer_lines

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config, colors="nocolor")
    answer_lines(lambda block: _run(shell, block))


def _run(shell: InteractiveShell, block: str) -> str:
    from IPython.utils.capture import capture_output

    with capture_output():
        return repr(shell.run_cell(block).result)


if __name__ == "__main__":
    main()
