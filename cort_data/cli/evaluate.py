"""`cort eval`: the policy comparison alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from cort_data.cli.options import Recipe, Sets


def evaluate(
    recipe: Recipe,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run's folder; traces and results go to DIR/eval.")],
    source: Annotated[
        Path | None, typer.Option("--in", metavar="FILE", help="Test problems, in place of the recipe's.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results here too, as docs/results/NAME.json.")
    ] = None,
    sets: Sets = None,
) -> None:
    """Compare the recipe's hint policies on its test problems.

    Started again, it goes on where it was stopped; more samples, policies or models extend it.

    Examples: `cort eval --recipe nano --out runs/nano` ·
    `cort eval --recipe nano --out runs/four --set eval.samples=4 --results docs/results/nano.json`
    """
    from cort_data import pipeline
    from cort_data.cli.summary import print_results
    from cort_data.recipe import StageName, load_recipe
    from cort_data.runs import RunDirectory
    from cort_data.stages.evaluate import results_file

    own = [f"problems.test={{source: {str(source)!r}}}"] if source else []
    loaded = load_recipe(recipe, [*own, *(sets or [])])
    with RunDirectory(out) as run:
        pipeline.run_stages(run, loaded, [StageName.EVAL])
        print_results(run, loaded, [StageName.EVAL])
        if results:
            results.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(results_file(run), results)
