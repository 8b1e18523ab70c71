"""`cort rft` and `cort distill`: training on what models wrote themselves, or what a stronger one wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cort_data.cli.options import Recipe, Sets


def rft(
    recipe: Recipe,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run's folder; rounds go to DIR/rft.")],
    sets: Sets = None,
) -> None:
    """Rejection fine-tuning: sample from the model, keep what the filters keep, train on the chosen; in rounds.

    The first samples come from the model of the run's stage `sft`, or from the base where the recipe has none. Started
    again, it goes on where it was stopped.

    Examples: `cort rft --recipe nano --out runs/nano` ·
    `cort rft --recipe nano --out runs/nano --set rft.rounds=3 --set rft.choice=diverse --set rft.most=2`
    """
    from cort_data import pipeline
    from cort_data.cli.summary import print_results
    from cort_data.recipe import StageName, load_recipe
    from cort_data.runs import RunDirectory

    loaded = load_recipe(recipe, sets)
    with RunDirectory(out) as run:
        pipeline.run_stages(run, loaded, [StageName.RFT])
        print_results(run, loaded, [StageName.RFT])


def distill(
    recipe: Recipe,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run's folder; the model goes to DIR/distill/model.")],
    source: Annotated[
        Path | None, typer.Option("--in", metavar="RUN|FILE", help="Whose kept traces; default: those of DIR.")
    ] = None,
    sets: Sets = None,
) -> None:
    """Strong-to-weak distillation: train a weaker model on what a strong one wrote. The section is `distill`.

    `cort problems import --suitable --level 5` selects problems as the paper did.

    Examples: `cort distill --recipe distill_1_5b --in runs/strong --out runs/weak` ·
    `cort distill --recipe nano --in runs/nano --out runs/weak --set distill.model=nano-student`
    """
    from cort_data.recipe import load_recipe
    from cort_data.runs import RunDirectory
    from cort_data.stages.sft import run_distill

    loaded = load_recipe(recipe, sets)
    with RunDirectory(out) as run:
        run.save_recipe(loaded)
        checkpoint, _ = run_distill(run, loaded, source)
    typer.echo(f"model: {checkpoint.path} ({checkpoint.updates} updates, loss {checkpoint.loss:.4f})")
