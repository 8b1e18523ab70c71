"""`cort serve-command`: how to serve a recipe's model."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from cort_data.cli.options import Sets


def serve_command(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one.")],
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to spread the model over; 0: on the CPU.")] = 1,
    sets: Sets = None,
) -> None:
    """Print the command line that serves a recipe's model with vLLM; run it where vLLM is installed.

    Context, number type, requests at once, prefix cache and address are those of the recipe. The command goes to
    stdout, what else there is to know to stderr.

    Examples: `cort serve-command hint_engineering --gpus 4` ·
    `cort serve-command nano --gpus 0 --set engine.url=http://localhost:8010/v1`
    """
    from cort_data import serving
    from cort_data.recipe import load_recipe

    loaded = load_recipe(recipe, sets)
    for note in serving.notes(loaded, gpus):
        print(f"cort: note: {note}", file=sys.stderr)
    print(shlex.join(serving.server_command(loaded, gpus)))
