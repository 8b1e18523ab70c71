"""`cort new`: lay out a user's own project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is new or empty.")]) -> None:
    """Lay out a project to edit: a recipe for the nano models, a hint, a seed, problems. Prints the files.

    Examples: `cort new my-project` · `cd my-project && cort hints check && cort run recipe.yaml --until synth`
    """
    from cort_data.project import new_project

    for path in new_project(folder):
        typer.echo(str(path))
    typer.echo(f"{folder / 'README.md'} says what to do next", err=True)
