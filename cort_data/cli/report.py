"""`cort report`: the page of a run, or the tables of all measurements."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="A run directory, finished or not.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The page; default: RUN/report.html, with --results docs/RESULTS.md."),
    ] = None,
    results: Annotated[
        bool, typer.Option("--results", help="Write the tables of docs/results/*.json as Markdown instead.")
    ] = False,
    source: Annotated[
        Path, typer.Option("--from", metavar="DIR", help="Where the results files are (with --results).")
    ] = Path("docs/results"),
) -> None:
    """Write the report of a run: one HTML page that needs nothing else, and its figures as SVG files beside it.

    The page of a run that is not finished says what is missing. The verdicts of a finished evaluation are its own;
    other traces are graded for the page.

    Examples: `cort report runs/nano` · `cort report runs/nano --out nano.html` · `cort report --results`
    """
    from cort_data.errors import RecipeError

    if results == (run is not None):
        raise RecipeError("cort report: name one RUN, or give --results alone; see cort report --help")
    if run is not None:
        from cort_data.report.page import write_report

        written = write_report(run, out or run / "report.html", _tell)
    else:
        from cort_data.report.results import write_results

        written = write_results(source, out or Path("docs/RESULTS.md"))
    typer.echo(written)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
