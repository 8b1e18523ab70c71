"""`cort doctor`: a table of what this machine has and how to get what it lacks."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from cort_data.doctor import Check, State, examine
from cort_data.tables import out

STYLES = {State.OK: "green", State.MISSING: "bold red", State.OPTIONAL: "yellow"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="One JSON object a check.")] = False) -> None:
    """Say what this machine can do, what is missing and how to get it.

    Exit code 1 if something is missing that the shipped recipes need. Tokens and keys are never printed.

    Examples: `cort doctor` · `cort doctor --json`
    """
    checks = examine(Path())
    if as_json:
        for check in checks:
            print(json.dumps(asdict(check), ensure_ascii=False))
    else:
        out().print(_table(checks))
    if any(check.state is State.MISSING for check in checks):
        raise typer.Exit(1)


def _table(checks: list[Check]) -> Table:
    table = Table("check", "state", "found, or how to get it", box=SIMPLE)
    for check in checks:
        table.add_row(check.name, f"[{STYLES[check.state]}]{check.state}[/]", check.detail)
    return table
