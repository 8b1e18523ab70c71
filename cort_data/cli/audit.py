"""`cort audit`: a reader's verdicts on a run's traces."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cort_data.audit import Answer, Audit
    from cort_data.trace import Trace


def audit(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run whose filter stage is done.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Traces to read, half of them kept ones.")] = 50,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", metavar="FILE", help='Take these in place of keys: {"trace_id", "answer"} a line.'),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the traces that are not read yet, one a line, and ask nothing.")
    ] = False,
) -> None:
    """Read traces with the filters' verdicts hidden and say what is wrong with each; goes on where it was stopped.

    When all are read, each filter's precision is printed; it also stands in `cort report`. The gold answer is shown.

    Examples: `cort audit runs/nano --n 20` · `cort audit runs/nano --json > to_read.jsonl` ·
    `cort audit runs/nano --answers read.jsonl`
    """
    from cort_data.audit import Audit, read_answers

    found = Audit(run)
    if answers is not None:
        typer.echo(f"{found.record(read_answers(answers))} answers recorded", err=True)
    drawn = found.draw(n)
    known = found.answers()
    unread = [trace for trace in drawn if trace.id not in known]
    if as_json:
        for trace in unread:
            typer.echo(json.dumps(_row(trace), ensure_ascii=False))
        return
    if answers is None and unread and not _ask(found, unread, len(drawn)):
        return
    left = len({trace.id for trace in drawn} - found.answers().keys())
    if left:
        typer.echo(f"{left} of {len(drawn)} traces are not read yet", err=True)
    else:
        _print_precision(found)


def _ask(found: Audit, unread: list[Trace], total: int) -> bool:
    """Show trace after trace; False if the reader left."""
    from rich.console import Console

    from cort_data.audit import CHOICES
    from cort_data.errors import TraceError
    from cort_data.show import render_trace

    if not _at_terminal():
        raise TraceError("cort audit asks at a terminal, and there is none; give the answers with --answers FILE")
    console = Console()
    for number, trace in enumerate(unread, total - len(unread) + 1):
        console.clear()
        console.print(render_trace(trace))
        for choice in CHOICES:
            console.print(f"  [bold]{choice.key}[/]  {choice.text}")
        console.print(f"trace {number} of {total} · q leaves, and keeps what was said")
        answer = _key()
        if answer is None:
            return False
        found.record([(trace.id, answer)])
    return True


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _key() -> Answer | None:
    """The next answer; None to leave."""
    from cort_data.audit import answer_of

    while True:
        key = typer.getchar()
        if key == "q":
            return None
        try:
            return answer_of(key)
        except ValueError:
            typer.echo("press one of the keys above, or q", err=True)


def _row(trace: Trace) -> dict[str, str]:
    return {
        "trace_id": trace.id,
        "problem": trace.problem.text,
        "gold_answer": trace.problem.answer,
        "completion": trace.text,
    }


def _print_precision(found: Audit) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from cort_data.tables import out

    table = Table(title="The reader and the filters", box=SIMPLE, title_justify="left")
    for heading in ("verdict", "read", "reader agrees", "95% interval", "same fault"):
        table.add_column(heading, justify="left" if heading == "verdict" else "right")
    for row in found.precision():
        same = "–" if row.same_fault is None else str(row.same_fault)
        share = f"{row.share.low:.0%} … {row.share.high:.0%}"
        table.add_row(row.filter, str(row.read), f"{row.agreed} ({row.share.value:.0%})", share, same)
    out().print(table)
