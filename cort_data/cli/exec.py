"""`cort exec`: run files as the cells of one session, as the model's code blocks are run."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cort_data.errors import RecipeError
from cort_data.interpreter import Interpreter, Limits, Result, open_interpreter

DEFAULTS = Limits()
SEED = 0


def exec_command(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="One cell each, in order; - is stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a cell.")] = False,
    timeout: Annotated[float, typer.Option(help="CPU seconds a cell.")] = DEFAULTS.timeout_s,
    memory: Annotated[int, typer.Option(help="Megabytes of the session.")] = DEFAULTS.memory_mb,
    isolation: Annotated[str, typer.Option(help="full, reduced or none.")] = "full",
    backend: Annotated[str, typer.Option(help="local, jupyter or remote.")] = "local",
    url: Annotated[str, typer.Option(help="Address of cort interpreter serve (remote only).")] = "",
) -> None:
    """Run each FILE as one cell of one session and print what a model would see.

    A failing cell is a result: the exit code stays 0.

    Examples: `cort exec a.py b.py` · `echo "2**10" | cort exec --json -`
    · `cort exec --backend remote --url http://127.0.0.1:8400 a.py`
    """
    cells = [_read(name) for name in files]
    opened = open_interpreter(backend, Limits(timeout_s=timeout, memory_mb=memory), isolation, url)
    asyncio.run(_print_results(cells, opened, as_json))


async def _print_results(cells: Sequence[str], opened: Interpreter, as_json: bool) -> None:
    async for result in _results(cells, opened):
        typer.echo(json.dumps(asdict(result)) if as_json else result.feedback)


async def _results(cells: Sequence[str], opened: Interpreter) -> AsyncIterator[Result]:
    async with opened as interpreter:
        session = await interpreter.session(SEED)
        for cell in cells:
            yield await session.run(cell)


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as exc:
        raise RecipeError(f"cannot read {name}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise RecipeError(f"cannot read {name}: it is not UTF-8 text (byte {exc.start})") from exc
