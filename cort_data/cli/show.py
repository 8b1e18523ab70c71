"""`cort show`: read traces."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cort_data.recipe import Recipe
    from cort_data.trace import Trace

SAMPLE_SEED = 0
T = TypeVar("T")


def show(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help="RUN:ID or FILE:LINE; or all of a RUN or FILE.")],
    where: Annotated[list[str] | None, typer.Option(help="KEY=VALUE, as reason=wrong; several must all hold.")] = None,
    sample: Annotated[int, typer.Option(min=0, help="Most traces shown, drawn at random; 0 shows all.")] = 5,
    tokens: Annotated[bool, typer.Option("--tokens", help="Head each segment with its tokens and mask.")] = False,
    recipe: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="With --tokens: the row that cort sft trains on, by token.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One trace a line, as it is stored.")] = False,
    profile: Annotated[str | None, typer.Option(help="Model profile of foreign lines.")] = None,
) -> None:
    """Print traces, coloured by who wrote what, with events and the decisions of the filters.

    Examples: `cort show runs/nano:4f2a…` · `cort show out/dropped.jsonl:3 --tokens` ·
    `cort show runs/nano:4f2a… --tokens --recipe nano` ·
    `cort show runs/nano --where reason=output_differs --sample 3`
    """
    from rich.console import Console

    from cort_data.find_traces import find_all, find_one, parse_condition
    from cort_data.recipe import load_recipe
    from cort_data.show import render_trace

    conditions = [parse_condition(text) for text in where or []]
    one = find_one(trace, profile)
    found = [one] if one is not None else find_all(Path(trace), profile)
    console = Console()
    rows_of = load_recipe(recipe) if recipe and tokens else None
    fitting = (t for t in found if all(c.holds(t) for c in conditions))
    n = 0
    for n, shown in enumerate(draw(fitting, sample) if sample else fitting, 1):  # noqa: B007 - counted for below
        if as_json:
            typer.echo(shown.to_json())
        elif rows_of is not None:
            console.print(_row(shown, rows_of))
        else:
            console.print(render_trace(shown, tokens=tokens))
    if not n:
        typer.echo("no trace fits", err=True)


def _row(trace: Trace, recipe: Recipe) -> RenderableType:
    from cort_data.training.view import render_training_row

    return render_training_row(trace, recipe)


def draw(items: Iterable[T], n: int) -> list[T]:
    """At most `n` of a stream in its order, each as likely as any other, always the same ones."""
    rng = random.Random(SAMPLE_SEED)
    chosen: list[tuple[int, T]] = []
    for i, item in enumerate(items):
        if len(chosen) < n:
            chosen.append((i, item))
        elif (j := rng.randrange(i + 1)) < n:
            chosen[j] = (i, item)
    return [item for _, item in sorted(chosen, key=lambda pair: pair[0])]
