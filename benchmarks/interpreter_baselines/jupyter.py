"""A Jupyter kernel a session: jupyter_client starts an ipykernel, runs the blocks in it and kills it."""

from __future__ import annotations

import os
import subprocess
import tempfile

from interpreter_work import Task

from interpreter_baselines.base import check, environment, side_by_side

READY_S = 60.0


class JupyterKernel:
    """One kernel a session; it is not asked to end in order, which would take it longer."""

    name = "Jupyter kernel a session"
    widths = (2, 3)

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory()

    async def start(self) -> None:
        """Connection files go to our folder."""
        os.environ["JUPYTER_RUNTIME_DIR"] = self._home.name

    async def run(self, tasks: list[Task], width: int) -> None:
        """A kernel a task."""
        await side_by_side(tasks, width, self._one)

    async def _one(self, task: Task) -> None:
        from jupyter_client.manager import AsyncKernelManager

        manager = AsyncKernelManager(kernel_name="python3")
        await manager.start_kernel(env=environment(self._home.name), cwd=self._home.name, stderr=subprocess.DEVNULL)
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=READY_S)
            for block in task.blocks:
                shown: list[str] = []
                await client.execute_interactive(block, output_hook=lambda message, to=shown: _keep(message, to))
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
        check("".join(shown), task)

    async def stop(self) -> None:
        """Remove the folder."""
        del os.environ["JUPYTER_RUNTIME_DIR"]
        self._home.cleanup()


def _keep(message: dict[str, object], shown: list[str]) -> None:
    content = message["content"]
    if message["msg_type"] == "execute_result" and isinstance(content, dict):
        shown.append(content["data"]["text/plain"])
