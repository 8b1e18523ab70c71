"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, as rollout.samples=4."),
]
Recipe = Annotated[str, typer.Option("--recipe", metavar="RECIPE", help="A recipe file, or the name of a shipped one.")]
