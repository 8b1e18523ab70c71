"""`cort problems`: bring problem sets into cort's form."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from cort_data.errors import RecipeError
from cort_data.stages.problems import Dropped, ImportOptions, ImportReport, dropped_file, import_problems

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

_DEFAULTS = ImportOptions()
_ALWAYS = (Dropped.EXACT_DUPLICATE, Dropped.NEAR_DUPLICATE, Dropped.CONTAMINATED)


@app.callback()
def problems() -> None:
    """Import problems, without duplicates and test problems."""


@app.command("import")
def import_command(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SRC", help="jsonl, json or parquet; or owner/name[:config][@split] on the Hub."),
    ],
    out: Annotated[Path, typer.Option(help="Where the problems go; the dropped ones go beside it.")],
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Evaluation problems that must not be imported; repeatable."),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Rows that cannot be used are no failure.")] = False,
    near: Annotated[
        float,
        typer.Option(min=0.01, max=1, help="Similarity from which problems with the same numerals and answer are one."),
    ] = _DEFAULTS.near_threshold,
    ngram: Annotated[
        int, typer.Option(min=1, help="Words in a row, with a numeral, that are a leak.")
    ] = _DEFAULTS.ngram,
    suitable: Annotated[
        bool,
        typer.Option("--suitable", help="Leave out figures, proofs, multiple choice and answers in the statement."),
    ] = False,
    levels: Annotated[
        list[str] | None, typer.Option("--level", metavar="L", help="Only rows of this level; repeatable.")
    ] = None,
) -> None:
    """Write the problems of SRC to a file that recipes take: each problem once, none of the evaluation problems.

    Fields: problem, question, prompt or text; answer, gold, or a solution that states it. A row that cannot be used
    is named and skipped; the exit code is then 1 unless --skip-bad.

    Examples: `cort problems import train.jsonl --out problems.jsonl --against math500.jsonl` ·
    `cort problems import openai/gsm8k:main@train --out gsm8k.jsonl` ·
    `cort problems import math.jsonl --suitable --level 5 --out distill.jsonl`
    """
    _refuse_overwriting(out, [*sources, *(against or [])])
    options = ImportOptions(near, ngram, suitable, tuple(levels or ()))
    report = import_problems(sources, out, against or [], options)
    _list_bad(report)
    Console(stderr=True).print(_table(report))
    print(f"problems: {out} · dropped, with reasons: {dropped_file(out)}", file=sys.stderr)
    if report.bad and not skip_bad:
        raise typer.Exit(1)


def _refuse_overwriting(out: Path, inputs: list[str]) -> None:
    for name in inputs:
        if Path(name).resolve() in (out.resolve(), dropped_file(out).resolve()):
            raise RecipeError(f"--out {out} would overwrite {name}, which is read; choose another file")


def _list_bad(report: ImportReport) -> None:
    for line in report.bad:
        print(f"cort: {line}", file=sys.stderr)


def _table(report: ImportReport) -> Table:
    table = Table("rows", "", box=SIMPLE, show_header=False)
    table.add_row("read", f"{report.read:,}")
    table.add_row("bad", f"{len(report.bad):,}")
    for reason in (r for r in Dropped if report.dropped[r] or r in _ALWAYS):
        table.add_row(reason.replace("_", " "), f"{report.dropped[reason]:,}")
    table.add_row("kept", f"{report.kept:,}")
    return table
