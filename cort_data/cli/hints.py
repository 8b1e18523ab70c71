"""`cort hints`: the hints there are, whether their files hold, and where they would fire."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cort_data.cli.options import Recipe, Sets

if TYPE_CHECKING:
    from cort_data.hints.policy import HintPolicy
    from cort_data.hints.preview import Spot

app = typer.Typer(help="Write, check, preview, score and compare hints.", no_args_is_help=True)

Folders = Annotated[
    list[Path] | None,
    typer.Option("--hints", metavar="DIR", help="A folder of your own hints; it comes before ./hints and the shipped."),
]
_COLUMNS = "{name:<20} {trigger:<18} {place:<14} {priority:>3} {max_uses:>2}× {wordings:>2}  {file}"
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("list")
def list_command(folders: Folders = None, as_json: AsJson = False) -> None:
    """List hints: name, trigger, place, priority, uses a trace, wordings, file.

    Examples: `cort hints list` · `cort hints list --hints my-hints --json`
    """
    from cort_data.hints.library import load_library

    for hint in sorted(load_library(folders or ()).values(), key=lambda hint: hint.name):
        row = {"name": hint.name, "trigger": hint.trigger.name, "place": hint.place.value, "priority": hint.priority,
               "max_uses": hint.max_uses, "wordings": len(hint.wordings), "file": str(hint.path)}  # fmt: skip
        if as_json:
            typer.echo(json.dumps(row))
        else:
            typer.echo(_COLUMNS.format(**row))


@app.command("new")
def new_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower case with underscores, as long_division.")],
    trigger: Annotated[
        str,
        typer.Option(
            metavar="T",
            help="Its detector: think_open, no_code_yet, manual_arithmetic, symbolic_algebra, brute_force_search, "
            "case_enumeration, approximation, result_distrust, unused_output, code_error, repeated_error, loop, "
            "budget_low, box_missing, regex, judge, or one that another distribution brings.",
        ),
    ] = "manual_arithmetic",
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where the file goes.")] = Path("hints"),
) -> None:
    """Write a hint file to begin with: valid, commented, with all parameters of its trigger. Prints its path.

    Examples: `cort hints new long_division` · `cort hints new stop_guessing --trigger approximation --dir my-hints`
    """
    from cort_data.hints.authoring import new_hint

    path = new_hint(name, trigger, folder)
    typer.echo(str(path))
    typer.echo(f"edit it, then: cort hints check {path}", err=True)


@app.command("check")
def check_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]…", help="Files or folders; default: all that are found.")
    ] = None,
) -> None:
    """Load hint files and name what is wrong with them, by file and line. Exit 1 if one cannot be used.

    Examples: `cort hints check` · `cort hints check my-hints/new.md`
    """
    from cort_data.hints.library import check_paths, hint_dirs

    groups = [paths] if paths else [[folder] for folder in hint_dirs()]
    checks = [check_paths(group) for group in groups]
    errors = [error for _, found in checks for error in found]
    for error in errors:
        typer.echo(error)
    typer.echo(f"{sum(len(hints) for hints, _ in checks)} hints hold, {len(errors)} do not", err=True)
    if errors:
        raise typer.Exit(1)


@app.command("preview")
def preview_command(
    traces: Annotated[Path, typer.Option("--traces", metavar="FILE", help="Traces, foreign lines, or a run.")],
    hint: Annotated[str | None, typer.Option("--hint", metavar="NAME", help="This hint alone.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Look at the first N traces alone.")] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="Model profile of foreign lines.")] = None,
    folders: Folders = None,
    as_json: AsJson = False,
) -> None:
    """Show where hints would fire in written traces, and the words that they would say.

    What is dim comes after a first firing, or after the hint: the model would no longer have written it. What is
    struck out would be taken back.

    Examples: `cort hints preview --traces kept.jsonl --limit 5` ·
    `cort hints preview --traces cot.jsonl --profile r1_distill --hint delayed_computation`
    """
    from rich.console import Console
    from rich.rule import Rule

    from cort_data.find_traces import find_all
    from cort_data.hints.preview import preview, render_spot

    policy = _policy(hint, folders or [])
    console = Console()
    seen = found = 0
    for trace in islice(find_all(traces, profile), limit):
        spots = list(preview(trace, policy))
        seen, found = seen + 1, found + len(spots)
        if not as_json and spots:
            console.print(Rule(trace.id, align="left"))
        for spot in spots:
            typer.echo(json.dumps(_row(spot))) if as_json else console.print(render_spot(spot), soft_wrap=True)
    typer.echo(f"{found} firings in {seen} traces", err=True)


@app.command("explain")
def explain_command(
    trace: Annotated[str, typer.Argument(metavar="TRACE", help="RUN:ID or FILE:LINE.")],
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="Model profile of a foreign line.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what each detector saw in a trace, with its score, and why a hint went in or did not.

    Outcomes: fired, below (the best near miss of a run of text), blocked, declined; and of branch search's candidates
    win, loss or tie, with what both arms gave. Positions are of the completion as it was then.

    Examples: `cort hints explain runs/nano:4f2a…` · `cort hints explain out/kept.jsonl:3 --json`
    """
    from cort_data.errors import TraceError
    from cort_data.find_traces import find_one
    from cort_data.hints.explain import explain, explain_table
    from cort_data.tables import out

    found = find_one(trace, profile)
    if found is None:
        raise TraceError(f"{trace}: expected one trace, as RUN:ID or FILE:LINE; cort show lists those of a run or file")
    rows = explain(found)
    if as_json:
        for row in rows:
            fields = row.event.model_dump(mode="json", exclude={"count", "tokens"}, exclude_none=True)
            typer.echo(json.dumps({**fields, "text": row.text, "tokens_saved": row.tokens_saved}))
    elif rows:
        out().print(explain_table(rows))
    if not rows:
        typer.echo("no hint events in this trace; cort hints preview shows where hints would fire", err=True)


@app.command("compare")
def compare_command(
    first: Annotated[str, typer.Argument(metavar="A", help="A hint policy: none, hint_engineering+loop, …")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    recipe: Recipe,
    n: Annotated[int | None, typer.Option("--n", min=1, metavar="N", help="The first N problems alone.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Traces a problem.")] = 1,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Run two policies on the same prefixes: each trace is one until only one of them puts in a hint, then two.

    Prints paired differences, B minus A, with 95% intervals over problems.

    Examples: `cort hints compare none none+my_hint --recipe nano --n 100` ·
    `cort hints compare prompt_hint hint_engineering --recipe nano --set problems.test.split=dev --n 200 --samples 2`
    """
    import asyncio
    from dataclasses import asdict

    from cort_data.recipe import load_recipe
    from cort_data.stages.compare import compare, problems_of
    from cort_data.tables import out, prefix_table

    loaded = load_recipe(recipe, sets)
    outcome = asyncio.run(compare(loaded, first, second, problems_of(loaded, n), samples))
    if as_json:
        typer.echo(json.dumps(asdict(outcome)))
    else:
        out().print(prefix_table(outcome))


@app.command("score")
def score_command(
    traces: Annotated[
        list[Path], typer.Option("--traces", metavar="FILE", help="Traces or foreign lines; may be given again.")
    ],
    annotated: Annotated[Path, typer.Option("--annotated", metavar="FILE", help="Marked spans, one a line.")],
    trigger: Annotated[str | None, typer.Option("--trigger", metavar="NAME", help="This trigger alone.")] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="Model profile of foreign lines.")] = None,
    misses: Annotated[bool, typer.Option("--misses", help="Also list what was missed and what fired falsely.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score triggers against spans that were marked by reading: precision, recall, F1, tokens wasted, false firings.

    A marked span is a line `{trace_id, sha256, label, start, end}`; the label is a trigger's name, or `none` for a
    trace that was read and holds no span. The text grows while the trigger reads. Figures come with their 95%
    interval over traces; fewer than 40 marked spans establish nothing.

    Examples: `cort hints score --traces cot.jsonl --annotated marks.jsonl` ·
    `cort hints score --traces cot.jsonl --annotated marks.jsonl --trigger loop --misses`
    """
    from cort_data.hints.annotations import read_marked
    from cort_data.hints.score_report import find_labels, report, rows
    from cort_data.hints.scoring import outcome
    from cort_data.hints.triggers.registry import make_trigger
    from cort_data.profiles import load_profile

    close = load_profile(profile).think_close if profile else None
    marked = read_marked(traces, annotated, (lambda _: close) if close else None)
    labels = [trigger] if trigger else find_labels(marked)
    for name in labels:
        outcomes = [outcome(one, make_trigger({"name": name})) for one in marked]
        if as_json:
            for row in rows(name, outcomes, misses):
                typer.echo(json.dumps(row))
        else:
            typer.echo(report(name, outcomes, misses))


def _policy(name: str | None, folders: list[Path]) -> HintPolicy:
    """All hints of the library, or one."""
    from cort_data.hints.library import load_library
    from cort_data.hints.policy import HintPolicy, by_priority, load_policy

    if name is not None:
        return load_policy(f"none+{name}", folders)
    return HintPolicy("all", by_priority(list(load_library(folders).values())))


def _row(spot: Spot) -> dict[str, object]:
    firing = spot.firing
    return {
        "trace": spot.trace.id, "hint": firing.hint.name, "trigger": firing.hint.trigger.name,
        "start": firing.span.start, "end": firing.span.end, "score": firing.span.score,
        "threshold": firing.span.threshold, "reason": firing.span.reason, "cut": firing.cut,
        "text": firing.text, "wording": firing.wording, "first": spot.first,
    }  # fmt: skip
