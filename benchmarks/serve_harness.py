"""`cort serve` under an independent harness: is the score that inspect_ai gives the one that `cort eval` gives?

    python -m venv DIR/inspect && DIR/inspect/bin/pip install -r benchmarks/inspect_requirements.txt
    python benchmarks/serve_harness.py DIR --inspect DIR/inspect/bin/python --models nano-student CHECKPOINT [--save]

For each model, `cort eval` (mode code, the settings of the recipe `nano`) and inspect_ai against `cort serve` answer
the same nano `test` problems with different seeds; each side grades with its own rule. Accuracies with intervals over
the problems, the difference paired by problem. With --save it writes docs/results/serve.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from cort_data.evaluation.scores import read_scores
from cort_data.grading import Verdict
from cort_data.recipe import load_recipe
from cort_data.sources import read_source
from cort_data.statistics import Interval, Ratios, paired_differences, share_interval
from cort_data.tables import out

RECIPE = "nano"
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "serve.json"
TASK = Path(__file__).parent / "inspect_task.py"
CORT = (sys.executable, "-m", "cort_data")
SERVED = "served"
Means = dict[str, float]
"""Problem → share of right samples."""


@dataclass(frozen=True)
class Side:
    """What one harness found of a model."""

    means: Means
    traces: int
    seconds: float


def by_cort(folder: Path, model: str, problems: int, samples: int) -> Side:
    began = time.monotonic()
    sets = ("--set", f"problems.test.n={problems}", "--set", f"eval.models=[{model}]")
    options = ("--recipe", RECIPE, "--mode", "code", "-n", str(samples), "--out", str(folder))
    subprocess.run([*CORT, "eval", *options, *sets], check=True, stdout=subprocess.DEVNULL)
    scores = read_scores(folder)
    right: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        right[score.problem].append(score.verdict is Verdict.EQUAL)
    return Side({name: fmean(values) for name, values in right.items()}, len(scores), time.monotonic() - began)


def by_inspect(args: argparse.Namespace, folder: Path, model: str, problems: Path) -> Side:
    found = folder / "inspect.jsonl"
    with serving(model) as url:
        began = time.monotonic()
        environment = os.environ | {"CORT_BASE_URL": url, "CORT_API_KEY": "none"}
        options = ("--samples", str(args.samples), "--connections", str(args.connections), "--out", str(found))
        task = [str(args.inspect), str(TASK), "--model", SERVED, "--problems", str(problems), *options]
        subprocess.run(task, check=True, env=environment)
        seconds = time.monotonic() - began
    rows = [json.loads(line) for line in found.read_text("utf-8").splitlines()]
    right: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        right[row["id"]].append(row["right"])
    return Side({name: fmean(values) for name, values in right.items()}, len(rows), seconds)


@contextmanager
def serving(model: str) -> Iterator[str]:
    """The model behind `cort serve`; gives its base address."""
    command = [*CORT, "serve", model, "--recipe", RECIPE, "--port", "0", "--name", SERVED]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        said = ""
        while (line := server.stderr.readline()) and not (url := re.search(r"http://[\w.:]+/v1", said := said + line)):
            pass
        if url is None:
            sys.exit(f"cort serve did not start: {said}")
        try:
            yield url[0]
        finally:
            server.send_signal(signal.SIGTERM)


def compare(model: str, cort: Side, inspect: Side) -> dict[str, Any]:
    """A row of the table. The two sides have the same problems."""
    assert cort.means.keys() == inspect.means.keys()
    values = [np.array([[side.means[name] for name in cort.means]]) for side in (cort, inspect)]
    [difference] = paired_differences(*(Ratios(v, np.ones_like(v)) for v in values))
    accuracies = [share_interval(v[0]) for v in values]
    assert difference is not None
    return {
        "model": model,
        "cort_eval": as_json(accuracies[0]),
        "inspect_ai": as_json(accuracies[1]),
        "inspect_ai_minus_cort_eval": as_json(difference),
        "agree": not difference.beyond,
        "answers": [cort.traces, inspect.traces],
        "seconds": [round(cort.seconds), round(inspect.seconds)],
    }


def as_json(found: Interval | None) -> dict[str, Any] | None:
    return found and {"value": found.value, "low": found.low, "high": found.high}


def show(rows: list[dict[str, Any]]) -> None:
    table = Table("model", "cort eval", "inspect_ai", "difference", "agree", box=SIMPLE)
    for row in rows:
        cells = [
            "{:.1f} ({:.1f} … {:.1f})".format(*(100 * row[key][part] for part in ("value", "low", "high")))
            for key in ("cort_eval", "inspect_ai", "inspect_ai_minus_cort_eval")
        ]
        table.add_row(row["model"], *cells, "yes" if row["agree"] else "NO")
    out().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--inspect", type=Path, required=True, help="a python that has inspect_ai")
    parser.add_argument("--models", nargs="+", required=True, metavar="MODEL[=NAME]", help="NAME: in the table")
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    recipe = load_recipe(RECIPE, [f"problems.test.n={args.problems}"])
    assert recipe.problems.test is not None
    args.folder.mkdir(parents=True, exist_ok=True)
    problems = args.folder / "problems.jsonl"
    lines = (problem.model_dump_json() + "\n" for problem in read_source(recipe.problems.test, "test", recipe.seed))
    problems.write_text("".join(lines), "utf-8")
    rows = []
    for number, given in enumerate(args.models):
        model, _, name = given.partition("=")
        folder = args.folder / f"model-{number}"
        cort = by_cort(folder, model, args.problems, args.samples)
        rows.append(compare(name or model, cort, by_inspect(args, folder, model, problems)))
    show(rows)
    if args.save:
        models = (re.sub(r"^.*=", "CHECKPOINT=", given) for given in args.models)
        tree = {
            "name": "serve",
            "what": "the score that an independent harness (inspect_ai, its scorer `math`) finds behind `cort serve`, "
            "and that of `cort eval`, on the same nano test problems with different seeds",
            "note": "The nano world tests the mechanism; its numbers say nothing about models of useful size. "
            "Seconds are those of whole commands, and of the machine as it was",
            "command": f"python benchmarks/serve_harness.py DIR --inspect PYTHON --models {' '.join(models)} --save",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "taken": f"{datetime.now(UTC):%Y-%m-%d}",
            "problems": args.problems,
            "samples": args.samples,
            "interval": "95%, over problems: Wilson's for accuracies, bootstrap for the paired difference",
            "rows": rows,
        }
        RESULTS.write_text(json.dumps(tree, indent=1) + "\n", "utf-8")
    sys.exit(0 if all(row["agree"] for row in rows) else 1)


if __name__ == "__main__":
    main()
