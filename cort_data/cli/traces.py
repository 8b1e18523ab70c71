"""`cort traces`: bring traces from elsewhere into cort's form."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from cort_data.stages.traces import TraceReport

SHOWN_BAD = 20

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def traces() -> None:
    """Import traces that were written elsewhere."""


@app.command("import")
def import_command(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SRC", help="jsonl, json or parquet; or owner/name[:config][@split] on the Hub."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the traces go.")],
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="Model family whose prompt and think tags the traces get.")
    ] = "plain",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Rows that give no trace are no failure.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as one object.")] = False,
) -> None:
    """Write the traces of SRC to a file that all commands with --traces take.

    Rows are chats with tool calls (messages), problems with a completion that has fences or tags around its code, or
    plain chains of thought. What had to be mended is counted by kind, and kept in each trace's events. A row that gives
    no trace is named and skipped; the exit code is then 1 unless --skip-bad. Traces of cort itself are converted to the
    profile.

    Examples: `cort traces import tir.jsonl --out traces.jsonl --profile r1_distill` ·
    `cort traces import AI-MO/NuminaMath-TIR@train --out numina.jsonl` ·
    `cort traces import kept.jsonl --out for-gpt-oss.jsonl --profile gpt_oss`
    """
    from rich.console import Console

    from cort_data.errors import RecipeError
    from cort_data.profiles import load_profile
    from cort_data.stages.traces import import_traces

    if any(Path(source).resolve() == out.resolve() for source in sources):
        raise RecipeError(f"--out {out} would overwrite a file that is read; choose another file")
    report = import_traces(sources, out, load_profile(profile))
    for line in report.bad[:SHOWN_BAD]:
        print(f"cort: {line}", file=sys.stderr)
    if len(report.bad) > SHOWN_BAD:
        print(f"cort: … and {len(report.bad) - SHOWN_BAD:,} more rows that give no trace", file=sys.stderr)
    if as_json:
        typer.echo(json.dumps(report.as_dict()))
    Console(stderr=True).print(_table(report))
    print(f"traces: {out}", file=sys.stderr)
    if report.bad and not skip_bad:
        raise typer.Exit(1)


def _table(report: TraceReport) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table("", "rows or traces", "times", box=SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("read", f"{report.read:,}")
    for kind, n in report.refused.most_common():
        table.add_row(f"refused: {kind}", f"{n:,}")
    for kind, n in report.odd.most_common():
        table.add_row(kind, f"{report.odd_traces[kind]:,}", f"{n:,}")
    table.add_row("answered", f"{report.answered:,}")
    table.add_row("traces", f"{report.traces:,}", end_section=True)
    return table
