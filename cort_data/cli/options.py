"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, as rollout.samples=4."),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        min=1, help="Begin no trace that might take the run's model tokens, rewound ones included, over this number."
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(min=0, help="Begin no trace that might take the cost of the run, by the recipe's prices, over this."),
]
MaxHours = Annotated[
    float | None, typer.Option(min=0, help="Begin no trace that would probably end later after the start than this.")
]
Recipe = Annotated[str, typer.Option("--recipe", metavar="RECIPE", help="A recipe file, or the name of a shipped one.")]
