"""How near estimates and limits come to what the nano recipe uses.

    python benchmarks/cost.py

Runs the recipe's synthesis and filters, an estimate from a pilot of 20 problems and one as wide as the run, and the
synthesis under token limits, each then gone on with to the end. Writes docs/results/cost.json.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from interpreter_results import machine

from cort_data import pipeline
from cort_data.budget import Budget, sessions
from cort_data.errors import BudgetError
from cort_data.prices import HOUR_S, tokens_of
from cort_data.recipe import Recipe, StageName, load_recipe
from cort_data.runs import RunDirectory
from cort_data.shards import written_traces
from cort_data.stages.estimate import estimate

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "cost.json"
PILOTS = (20, 96)  # the default, and as many as the recipe has in flight
LIMITS = (10_000, 20_000, 30_000)
STAGES = (StageName.SYNTH, StageName.FILTER)


def used(run: RunDirectory) -> dict[str, float]:
    """What a whole run has used, in the words of an estimate."""
    traces = list(written_traces(run.path))
    sums = {
        f"{name}_tokens": sum(asdict(tokens_of(trace))[name] for trace in traces)
        for name in ("output", "fresh", "cached")
    }
    kept = (run.stage(StageName.FILTER).manifest() or {})["kept"]
    return sums | {"kept_traces": kept, "hours": sum(session["seconds"] for session in sessions(run)) / HOUR_S}


def against(folder: Path, recipe: Recipe, problems: int, whole: dict[str, float]) -> list[dict[str, Any]]:
    """One row a measure: the estimate, what was used, and how far it was off."""
    with RunDirectory(folder / f"pilot-{problems}") as run:
        found = estimate(run, recipe, problems)
    rows = []
    for name, value in whole.items():
        each, kept = found.kept_trace.get(name), whole["kept_traces"]
        pairs = [("whole run", found.run[name], value)]
        if name != "kept_traces":
            pairs.append(("kept trace", each, value / kept))
        for of, guess, truth in pairs:
            row = {"pilot": f"{problems} problems", "measure": name, "of": of, "estimate": guess and asdict(guess)}
            off = round(100 * (guess.value / truth - 1), 1) if guess else None
            rows.append(row | {"used": truth, "off_percent": off})
    return rows


def limited(folder: Path, recipe: Recipe, limit: int, ids: set[str]) -> dict[str, Any]:
    """Where a limit stops, and whether the run then ends with the traces of an unlimited one."""
    with RunDirectory(folder / f"limit-{limit}") as run:
        with contextlib.suppress(BudgetError):
            pipeline.run_stages(run, recipe, (StageName.SYNTH,), Budget(tokens=limit))
        spent = [tokens_of(trace).output for trace in written_traces(run.path)]
        pipeline.run_stages(run, recipe, (StageName.SYNTH,))
        same = {trace.id for trace in written_traces(run.path)} == ids
    return {"limit": limit, "spent": sum(spent), "traces": len(spent), "mean": round(sum(spent) / len(spent), 1),
            "dearest": max(spent), "same_traces_in_the_end": same}  # fmt: skip


def main() -> None:
    recipe = load_recipe("nano")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with RunDirectory(folder / "whole") as run:
            pipeline.run_stages(run, recipe, STAGES)
            whole = used(run)
            ids = {trace.id for trace in written_traces(run.path)}
        result = {
            "what": "estimates of the nano recipe against what its run used, and what token limits let it spend",
            "command": "python benchmarks/cost.py",
            "machine": machine(),
            "estimates": [row for problems in PILOTS for row in against(folder, recipe, problems, whole)],
            "limits": [limited(folder, recipe, limit, ids) for limit in LIMITS],
        }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
