"""`cort synth`: the synthesis alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cort_data.cli.options import MaxCost, MaxHours, MaxTokens, Recipe, Sets


def synth(
    recipe: Recipe,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run's folder; traces go to DIR/synth.")],
    source: Annotated[
        Path | None, typer.Option("--in", metavar="FILE", help="Problems, in place of the recipe's.")
    ] = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_hours: MaxHours = None,
    sets: Sets = None,
) -> None:
    """Write traces for a recipe's problems, and nothing more.

    Started again, it goes on where it was stopped. A limit (--max-…) ends the command with 1 once the traces that were
    begun are finished. Tokens and cost count over the whole run, hours from the start of the command.

    Examples: `cort synth --recipe nano --out runs/mine` ·
    `cort synth --recipe nano --out runs/mine --max-tokens 20000` ·
    `cort synth --recipe hint_engineering --in problems.jsonl --out runs/mine --set engine.url=http://host:8000/v1`
    """
    from cort_data import pipeline
    from cort_data.budget import Budget
    from cort_data.cli.summary import print_results
    from cort_data.recipe import StageName, load_recipe
    from cort_data.runs import RunDirectory

    own = [f"problems.synth={{source: {str(source)!r}}}"] if source else []
    loaded = load_recipe(recipe, [*own, *(sets or [])])
    with RunDirectory(out) as run:
        pipeline.run_stages(run, loaded, [StageName.SYNTH], Budget(max_tokens, max_cost, max_hours))
        print_results(run, loaded, [StageName.SYNTH])
