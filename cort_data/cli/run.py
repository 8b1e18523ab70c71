"""`cort run`: a recipe, all stages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cort_data.cli.options import MaxCost, MaxHours, MaxTokens, Sets
from cort_data.errors import RecipeError

if TYPE_CHECKING:
    from cort_data.recipe import StageName


def run(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one.")],
    run_dir: Annotated[Path | None, typer.Option(help="The run's folder; default: runs/ and its name.")] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    sets: Sets = None,
    origin: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Fork this run: take its stages before --at.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="STAGE", help="First stage of the fork's own.")] = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_hours: MaxHours = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and the first prompt.")] = False,
) -> None:
    """Run a recipe from problems to data set and tables; goes on where it was stopped.

    What is complete is reused. More problems or samples extend the traces that are there; another filter does the
    filter stage again; what would mix two settings is refused.

    A limit (--max-…) ends the command with 1 once the traces that were begun are finished. Tokens and cost count over
    the whole run, hours from the start of the command. Started again with a higher limit, it goes on.

    Examples: `cort run nano` · `cort run nano --set rollout.samples=2 --until filter` ·
    `cort run hint_engineering --max-tokens 5000000` ·
    `cort run nano --from runs/nano --at filter --run-dir runs/strict --set filters='[answer]'`
    """
    from cort_data import pipeline
    from cort_data.budget import Budget
    from cort_data.cli import summary
    from cort_data.recipe import load_recipe
    from cort_data.runs import RunDirectory

    loaded = load_recipe(recipe, sets)
    stages = pipeline.selected(loaded, _stage("--until", until))
    folder = run_dir or Path("runs") / loaded.name
    if (origin is None) != (at is None):
        raise RecipeError("--from RUN and --at STAGE go together: which run to fork, and where")
    if dry_run:
        summary.print_plan(folder, loaded, stages)
        return
    with RunDirectory(folder) as run:
        first = _stage("--at", at)
        if origin is not None and first is not None:
            run.fork_from(origin, before=first)
        print(f"run directory: {folder}", file=sys.stderr)
        pipeline.run_stages(run, loaded, stages, Budget(max_tokens, max_cost, max_hours))
        summary.print_results(run, loaded, stages)


def _stage(option: str, value: str | None) -> StageName | None:
    from cort_data.recipe import StageName

    if value is not None and value not in list(StageName):
        raise RecipeError(f"{option} {value}: the stages are {', '.join(StageName)}")
    return None if value is None else StageName(value)
