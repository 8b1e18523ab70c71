"""`cort estimate`: what a recipe will cost."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cort_data.cli.options import Sets


def estimate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one.")],
    problems: Annotated[int, typer.Option(min=2, help="Problems of the pilot, spread over all of the recipe's.")] = 20,
    run_dir: Annotated[
        Path | None, typer.Option(help="The pilot's folder; default: runs/, the recipe's name and -pilot.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    sets: Sets = None,
) -> None:
    """Say what a recipe will cost: tokens, money and hours for each kept trace and for the whole data set.

    Writes and filters the traces of a few problems, really, and scales them up, with 95% intervals. Money is shown
    where the recipe has prices, GPU-hours where prices.gpus says how many GPUs the engine runs on. The pilot's traces
    are not lost: a run from problems goes on from them in the pilot's folder.

    Examples: `cort estimate nano` · `cort estimate hint_engineering --problems 50` ·
    `cort estimate nano --set prices.input_per_million=0.5 --set prices.output_per_million=2 --json`
    """
    from cort_data.recipe import load_recipe
    from cort_data.runs import RunDirectory
    from cort_data.stages.estimate import estimate as carry_out
    from cort_data.tables import estimate_table, out, spending_table

    loaded = load_recipe(recipe, sets)
    folder = run_dir or Path("runs") / f"{loaded.name}-pilot"
    with RunDirectory(folder) as run:
        print(f"pilot: {folder}", file=sys.stderr)
        found = carry_out(run, loaded, problems)
    if as_json:
        print(json.dumps(found.as_dict()))
        return
    console = out()
    console.print(estimate_table(found))
    console.print(spending_table(found.spending, loaded.prices))
    if found.extends:
        options = [part for text in sets or [] for part in ("--set", text)]
        again = shlex.join(["cort", "run", recipe, "--run-dir", str(folder), *options])
        print(f"to go on from the pilot's traces: {again}", file=sys.stderr)
