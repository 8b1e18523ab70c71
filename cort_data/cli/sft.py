"""`cort sft`: supervised fine-tuning alone."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cort_data.cli.options import Recipe, Sets

if TYPE_CHECKING:
    from cort_data.recipe import Recipe as LoadedRecipe

SAMPLED = 200  # traces that a plan measures the mean length on


def sft(
    recipe: Recipe,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run's folder; the model goes to DIR/sft/model.")],
    source: Annotated[
        Path | None, typer.Option("--in", metavar="RUN|FILE", help="Whose kept traces; default: those of DIR.")
    ] = None,
    sets: Sets = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print memory and time for this model, and train nothing.")
    ] = False,
    gpu: Annotated[
        str, typer.Option(help="Card of the plan: rtx4090, l40s, a100-40, a100, h100, h200, b200.")
    ] = "h100",
    launch: Annotated[
        Literal["ddp", "fsdp", "deepspeed"] | None,
        typer.Option(help="Print the line that starts the training on --gpus, the model copied (ddp) or shared."),
    ] = None,
    gpus: Annotated[int, typer.Option(min=1, help="GPUs of the line.")] = 8,
) -> None:
    """Fine-tune a model on traces; masks come from the trace, never from text.

    Started again, it goes on from its last checkpoint. Data, base model and hyperparameters are the recipe's section
    `sft`; a batch is counted in traces.

    Examples: `cort sft --recipe nano --out runs/nano` ·
    `cort sft --recipe nano --out runs/seeds --set 'sft.data=[seeds/nano]'` ·
    `cort sft --recipe prompt_hint --in runs/prompt_hint --out runs/ph32b --plan --gpu h100` ·
    `cort sft --recipe prompt_hint --in runs/prompt_hint --out runs/ph32b --launch fsdp --gpus 16`
    """
    from cort_data.recipe import load_recipe

    loaded = load_recipe(recipe, sets)
    if launch is not None:
        typer.echo(_line(launch, gpus))
    elif plan:
        _plan(loaded, source or out, gpu)
    else:
        _train(loaded, source, out)


def _train(recipe: LoadedRecipe, source: Path | None, out: Path) -> None:
    from cort_data.runs import RunDirectory
    from cort_data.stages.sft import run_sft
    from cort_data.training import processes

    run = RunDirectory(out)
    with run if processes.is_first() else nullcontext():
        if processes.is_first():
            run.save_recipe(recipe)
            _suggest_launch()
        checkpoint, fresh = run_sft(run, recipe, source)
    if processes.is_first():
        if not fresh:
            print("sft: complete, reused", file=sys.stderr)
        held_out = "" if checkpoint.eval_loss is None else f", eval loss {checkpoint.eval_loss:.4f}"
        typer.echo(
            f"model: {checkpoint.path} (run {checkpoint.run_id}, {checkpoint.updates} updates, "
            f"{checkpoint.trained_tokens:,} trained tokens, loss {checkpoint.loss:.4f}{held_out})"
        )


def _plan(recipe: LoadedRecipe, kept: Path, gpu: str) -> None:
    from cort_data.errors import TrainingError
    from cort_data.stages.sft import base_of
    from cort_data.tables import out
    from cort_data.training.plan import GPUS, needs, plan_table, shape_of

    if gpu not in GPUS:
        raise TrainingError(f"--gpu {gpu}: expected one of {', '.join(GPUS)}")
    model, section = base_of(recipe), recipe.sft
    shape = shape_of(model)
    traces, mean = _amount(recipe, kept)
    lengths = sorted({max(1, section.row // part) for part in (4, 2, 1)})
    found = [n for length in lengths for n in needs(shape, section, GPUS[gpu], round(traces * mean), length)]
    out().print(plan_table(model, shape, gpu, sorted(found, key=lambda n: (n.method, n.length, n.gpus))))
    amount = f"{traces:,} traces of {mean:,.0f} tokens on average"
    typer.echo(f"{amount}, {section.epochs:g} epochs, {section.batch} traces an update")
    typer.echo(f"start it with: {_line('fsdp', 8)}")


def _amount(recipe: LoadedRecipe, kept: Path) -> tuple[int, float]:
    """Traces, and their mean length in tokens; where there are none yet, a guess that is named."""
    from cort_data.errors import CortError
    from cort_data.training.sources import read_sources

    try:
        lengths = [sum(s.tokens for s in t.segments) or len(t.text) / 3 for t in read_sources(
            recipe.sft.data, kept, recipe.engine.profile)]  # fmt: skip
        return len(lengths), sum(lengths) / len(lengths)
    except (CortError, ZeroDivisionError) as error:
        print(f"sft: no traces to measure ({error}); 800 of half the longest length are assumed", file=sys.stderr)
        return 800, recipe.sft.max_tokens / 2


def _line(sharding: Literal["ddp", "fsdp", "deepspeed"], gpus: int) -> str:
    from cort_data.training.launch import launch_line, without

    own = sys.argv[sys.argv.index("sft") + 1 :] if "sft" in sys.argv else []
    return launch_line(sharding, gpus, without(own, ("--launch", "--gpus", "--gpu"), ("--plan",)))


def _suggest_launch() -> None:
    """One process uses one GPU: where there are more, say how to use them."""
    import torch

    gpus = torch.cuda.device_count()
    if gpus > 1 and "WORLD_SIZE" not in os.environ:
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
        print(f"sft: one GPU of {gpus} is used; all of them: {_line('fsdp', gpus)}", file=sys.stderr)
