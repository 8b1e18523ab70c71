"""`cort seeds`: the hand-written traces, listed, checked and shown."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cort_data.seeds import Complaint, Seed

app = typer.Typer(help="The hand-written seed traces.", no_args_is_help=True)

Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[PATH]…", help="Files or folders; default: those in ./seeds, or else the shipped."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("list")
def list_command(paths: Paths = None, as_json: AsJson = False) -> None:
    """List seeds: id, topic, executed blocks, hints, file.

    Example: `cort seeds list`
    """
    for seed in _read(paths):
        hints = [s.hint.name for s in seed.trace.segments if s.hint is not None]
        row = {"id": seed.head.id, "topic": seed.head.topic, "blocks": seed.trace.calls,
               "hints": sorted(set(hints)), "file": str(seed.path)}  # fmt: skip
        if as_json:
            typer.echo(json.dumps(row))
        else:
            typer.echo(f"{row['id']:<28} {row['topic']:<16} {row['blocks']} blocks  {seed.path}")


@app.command("check")
def check_command(
    paths: Paths = None,
    isolation: Annotated[str, typer.Option(help="full, reduced or none.")] = "full",
) -> None:
    """Run every block, compare every output, grade every answer. Exit 1 if a seed does not hold.

    Examples: `cort seeds check` · `cort seeds check my-seeds/new.md`
    """
    complaints, n = asyncio.run(_check(paths, isolation))
    for complaint in complaints:
        typer.echo(str(complaint))
    typer.echo(f"{n} seeds checked, {len({c.path for c in complaints})} with complaints", err=True)
    if complaints:
        raise typer.Exit(1)


@app.command("show")
def show_command(
    seed: Annotated[str, typer.Argument(metavar="ID", help="A seed's id, or its file.")], as_json: AsJson = False
) -> None:
    """Show a seed as a trace.

    Example: `cort seeds show two-red-balls`
    """
    from rich.console import Console

    from cort_data.errors import SeedError
    from cort_data.show import render_trace

    named = _read([Path(seed)]) if Path(seed).is_file() else [s for s in _read(_everywhere()) if s.head.id == seed]
    if not named:
        raise SeedError(f"no seed has the id {seed!r}; see cort seeds list")
    for found in named:
        if as_json:
            typer.echo(found.trace.to_json())
        else:
            Console().print(render_trace(found.trace))


def _read(paths: Sequence[Path] | None) -> list[Seed]:
    from cort_data.seeds import find_seeds, read_seed

    return [read_seed(path) for path in find_seeds(_places(paths))]


async def _check(paths: Sequence[Path] | None, isolation: str) -> tuple[list[Complaint], int]:
    """All complaints about all seeds, unreadable ones included."""
    from cort_data.grading import Grader
    from cort_data.interpreter import open_interpreter
    from cort_data.seed_checks import check_paths
    from cort_data.seeds import find_seeds

    files = find_seeds(_places(paths))
    with Grader() as grader:
        async with open_interpreter(isolation=isolation) as interpreter:
            return await check_paths(files, interpreter, grader), len(files)


def _places(paths: Sequence[Path] | None) -> list[Path]:
    """What is named, or the seeds of the place where the command runs, or the shipped ones."""
    from cort_data.data import data_dir

    own = Path("seeds")
    return list(paths) if paths else _with_nano(own if own.is_dir() else data_dir("seeds"))


def _everywhere() -> list[Path]:
    """Seeds of this place and the shipped ones; in a checkout they are the same."""
    from cort_data.data import data_dir

    own, shipped = Path("seeds"), data_dir("seeds")
    here = _with_nano(own) if own.is_dir() and not own.samefile(shipped) else []
    return [*here, *_with_nano(shipped)]


def _with_nano(folder: Path) -> list[Path]:
    return [path for path in (folder, folder / "nano") if path.is_dir()]
