"""`cort filter`: decide which traces enter the data set, and ask what other settings would do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cort_data.funnel import Funnel
    from cort_data.recipe import Recipe
    from cort_data.stages.what_if import Question, Variant


def filter_command(
    traces: Annotated[Path, typer.Option(metavar="F", help="A file of traces, or a folder that a stage wrote.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the results go; not for --what-if.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe with the filters; none: all, but over_length.")] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", metavar="K=V", help="Change the recipe.")] = None,
    what_if: Annotated[str | None, typer.Option(metavar="KEY=A,B", help="Try values; write nothing.")] = None,
    profile: Annotated[str | None, typer.Option(help="Model profile of foreign lines.")] = None,
    isolation: Annotated[str | None, typer.Option(help="Of the replay: full, reduced or none.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Write kept.jsonl, dropped.jsonl with every filter's decision, and funnel.json into DIR.

    Stopped and started again, it goes on where it was.

    Examples: `cort filter --traces runs/nano/synth --recipe nano --out filtered` ·
    `cort filter --traces t.jsonl --recipe nano --what-if over_length.tokens=500,1000,2000`
    """
    from cort_data.errors import RecipeError
    from cort_data.stages.what_if import what_if_table
    from cort_data.tables import out as console

    settings = _Settings(traces, profile, recipe, sets or [], isolation)
    if what_if is not None:
        question, variants = asyncio.run(settings.ask(what_if))
        if as_json:
            for variant in variants:
                typer.echo(json.dumps(variant.as_dict()))
        else:
            console().print(what_if_table(question, variants))
        return
    if out is None:
        raise RecipeError("cort filter: --out DIR is required (or ask with --what-if KEY=A,B, which writes nothing)")
    funnel = asyncio.run(settings.filter(out))
    if as_json:
        typer.echo(json.dumps(funnel.as_dict()))
    else:
        console().print(funnel.table())


class _Settings:
    """What both uses of the command share."""

    def __init__(
        self, traces: Path, profile: str | None, recipe: str | None, sets: list[str], isolation: str | None
    ) -> None:
        from cort_data.errors import RecipeError, TraceError
        from cort_data.filters import default_filters
        from cort_data.grading.rules import DEFAULT as GRADERS
        from cort_data.recipe import InterpreterSettings, load_recipe

        if not traces.exists():
            raise TraceError(f"--traces {traces}: no such file or folder")
        if sets and recipe is None:
            raise RecipeError("--set changes a recipe: name one with --recipe")
        self.traces, self.profile = traces, profile
        self.recipe: Recipe | None = load_recipe(recipe, sets) if recipe is not None else None
        self.specs = self.recipe.filter_specs() if self.recipe else default_filters()
        self.interpreter = self.recipe.interpreter if self.recipe else InterpreterSettings()
        self.graders = self.recipe.graders if self.recipe else GRADERS
        if isolation is not None:
            values = self.interpreter.model_dump() | {"isolation": isolation}
            self.interpreter = InterpreterSettings.model_validate(values)

    async def filter(self, out: Path) -> Funnel:
        """Run the stage."""
        from cort_data.errors import RunError
        from cort_data.filters import build_filters
        from cort_data.find_traces import find_all
        from cort_data.progress import Meter
        from cort_data.runs import StageFolder
        from cort_data.stages.filter import filter_traces, open_resources

        if out.is_dir() and any(out.iterdir()) and not (out / "key.json").is_file():
            raise RunError(f"--out {out}: not empty and not written by cort filter; name a new folder")
        StageFolder(out).enter({"stage": "filter", "traces": str(self.traces.resolve()), "filters": self.entries()})
        async with open_resources(self.interpreter, self.evaluation(), self.graders) as resources:
            with Meter("filter", 0, read=True) as meter:
                filters = build_filters(self.specs, resources)
                found = find_all(self.traces, self.profile)
                return await filter_traces(found, filters, out, on_trace=meter.add)

    async def ask(self, text: str) -> tuple[Question, list[Variant]]:
        """Try values."""
        from cort_data.find_traces import find_all
        from cort_data.stages.filter import open_resources
        from cort_data.stages.what_if import parse_question, what_if

        question = parse_question(text)
        async with open_resources(self.interpreter, self.evaluation(), self.graders) as resources:
            found = find_all(self.traces, self.profile)
            return question, await what_if(found, self.entries(), question, resources)

    def entries(self) -> list[dict[str, Any]]:
        """The filter list with all parameters written out."""
        return [{"name": spec.cls.name, **spec.params.model_dump(mode="json")} for spec in self.specs]

    def evaluation(self) -> list[Any]:
        """The recipe's test problems."""
        from cort_data.sources import read_source

        source = self.recipe.problems.test if self.recipe else None
        return list(read_source(source, "test", self.recipe.seed)) if self.recipe and source else []
