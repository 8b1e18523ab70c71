"""`cort doctor`: a table of what this machine has and how to get what it lacks, or of what a model server can do."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from cort_data.doctor import Check, State, examine
from cort_data.errors import RecipeError
from cort_data.tables import out

STYLES = {State.OK: "green", State.MISSING: "bold red", State.OPTIONAL: "yellow"}


def doctor(
    engine: Annotated[
        str | None, typer.Option(metavar="URL", help="Probe this model server, as http://localhost:8000/v1.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model to probe, as the server names it.")] = None,
    profile: Annotated[str, typer.Option(help="The model's profile, which names its think tags.")] = "plain",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a check; of a server, one in all.")] = False,
) -> None:
    """Say what this machine can do, what is missing and how to get it.

    Exit code 1 if something is missing that the shipped recipes need. Tokens and keys are never printed.

    With --engine, some forty short requests find out what a server does with a half-written text, how tokens are
    counted, and what it honours. Exit code 1 if nothing can be written with it.

    Examples: `cort doctor` · `cort doctor --json` ·
    `cort doctor --engine http://localhost:8000/v1 --model Qwen/QwQ-32B --profile qwq`
    """
    if (engine is None) != (model is None):
        raise RecipeError("--engine URL and --model M go together: which server to probe, and which of its models")
    checks = examine(Path()) if engine is None or model is None else _probe(engine, model, profile, as_json=as_json)
    if as_json and engine is None:
        for check in checks:
            print(json.dumps(asdict(check), ensure_ascii=False))
    elif not as_json:
        out().print(_table(checks))
    if any(check.state is State.MISSING for check in checks):
        raise typer.Exit(1)


def _probe(url: str, model: str, profile: str, *, as_json: bool) -> list[Check]:
    from cort_data.doctor_server import checks_of
    from cort_data.engines.openai import examine_server
    from cort_data.engines.settings import EngineKind, EngineSettings

    settings = EngineSettings(kind=EngineKind.OPENAI, model=model, url=url, profile=profile)
    found = asyncio.run(examine_server(settings))
    if as_json:
        print(found.model_dump_json())
    return checks_of(found)


def _table(checks: list[Check]) -> Table:
    table = Table("check", "state", "found, or how to get it", box=SIMPLE)
    for check in checks:
        table.add_row(check.name, f"[{STYLES[check.state]}]{check.state}[/]", escape(check.detail))
    return table
