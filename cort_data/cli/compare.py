"""`cort compare`: two evaluations on the same problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="A run with a finished evaluation.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another one, or the same for two of its policies.")],
    model_a: Annotated[str | None, typer.Option(metavar="M", help="Model of A, where it has several.")] = None,
    model_b: Annotated[str | None, typer.Option(metavar="M", help="Model of B, where it has several.")] = None,
    policy_a: Annotated[str | None, typer.Option(metavar="P", help="Policy of A; none: those that both have.")] = None,
    policy_b: Annotated[str | None, typer.Option(metavar="P", help="Policy of B; none: those that both have.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a pair.")] = False,
) -> None:
    """Say whether two runs can be told apart, on the problems that both have, and how many samples it would take.

    Differences are B - A, paired by problem, with 95% intervals: a difference is separable if its interval excludes 0.

    Examples: `cort compare runs/base runs/tuned` ·
    `cort compare runs/base runs/base --policy-a none --policy-b hint_engineering`
    """
    from cort_data.evaluation.comparison import Side, compare_runs
    from cort_data.evaluation.tables import comparison_table
    from cort_data.tables import out

    console = out()
    for found in compare_runs(Side(run_a, model_a, policy_a), Side(run_b, model_b, policy_b)):
        if as_json:
            typer.echo(json.dumps(found.as_dict()))
            continue
        console.print(comparison_table(found))
        for line in found.verdicts():
            print(line)
        if any(found.only):
            print(f"not compared: {found.only[0]} problems that only A has, {found.only[1]} that only B has")
