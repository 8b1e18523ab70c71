"""What training gives the nano student: base, 30 nano seeds alone, SFT, RFT; each trained model over several seeds.

    python benchmarks/nano_chain.py DIR [--seeds 3] [--samples 4] [--problems 300] [--results FILE]

Runs `cort` for every step and goes on where it was stopped; DIR holds the runs. The data set is written once; training
seeds change the order of the traces, and so every model. All samples of all seeds of a row stand side by side: a
problem's value is their mean. Differences are to the base, paired by problem, with 95% intervals over the problems.
Hyperparameters were chosen on the split `dev`; the table is on `test`. Writes docs/results/nano_chain.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from cort_data.evaluation.measures import Measured, measure
from cort_data.evaluation.scores import FILE, Score
from cort_data.statistics import Interval

RECIPE = "nano_full"
SEED_EPOCHS = 30
BASE = "nano-student"
SHOWN = ("accuracy", "code_use_rate", "tokens_generated", "tokens_per_correct", "calls")
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "nano_chain.json"


def cort(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "cort_data", *map(str, arguments)], check=True)


def train(folder: Path, seeds: int) -> dict[str, list[Path]]:
    """The checkpoints of each row."""
    rows: dict[str, list[Path]] = {"30 nano seeds alone": [], "SFT": [], "RFT": []}
    for seed in range(1, seeds + 1):
        run = folder / f"r{seed}"
        fork = () if seed == 1 else ("--from", folder / "r1", "--at", "sft")
        fork = () if (run / "recipe.yaml").exists() else fork
        training = () if seed == 1 else ("--set", f"sft.seed={seed}")
        cort("run", RECIPE, "--run-dir", run, "--until", "rft", *fork, *training)
        alone = folder / f"seeds{seed}"
        sets = ("sft.data=[seeds/nano]", f"sft.seed={seed}", f"sft.epochs={SEED_EPOCHS}")
        cort("sft", "--recipe", RECIPE, "--out", alone, *(part for text in sets for part in ("--set", text)))
        rows["30 nano seeds alone"].append(alone / "sft" / "model")
        rows["SFT"].append(run / "sft" / "model")
        rows["RFT"].append(run / "rft" / "round-1" / "sft" / "model")
    return rows


def evaluate(folder: Path, models: Sequence[str], samples: int, problems: int) -> list[Score]:
    sets = (f"eval.models=[{', '.join(models)}]", f"eval.samples={samples}", f"problems.test.n={problems}")
    cort("eval", "--recipe", RECIPE, "--out", folder, *(part for text in sets for part in ("--set", text)))
    return [Score.model_validate_json(line) for line in (folder / "eval" / FILE).read_text("utf-8").splitlines()]


def as_json(found: Interval | None) -> dict[str, Any] | None:
    return found and {"value": found.value, "low": found.low, "high": found.high, "beyond_interval": found.beyond}


def table(measured: dict[str, Measured], base: Measured) -> Table:
    shown = Table(box=SIMPLE, title="nano student, no hints; Δ to the base, 95%, * beyond the interval")
    for heading in ("", *SHOWN):
        shown.add_column(heading, justify="right" if heading else "left")
    for name, own in measured.items():
        values, differences = own.intervals(), own.minus(base)
        cells = [_cell(key, values[key], None if own is base else differences[key]) for key in SHOWN]
        shown.add_row(name, *cells)
    return shown


def _cell(key: str, value: Interval | None, difference: Interval | None) -> str:
    scale = 100 if key in ("accuracy", "code_use_rate") else 1
    if value is None:
        return "–"
    text = f"{scale * value.value:.1f}"
    if difference is None:
        return text
    low, mid, high = (scale * x for x in (difference.low, difference.value, difference.high))
    return f"{text}\nΔ {mid:+.1f}{'*' if difference.beyond else ''}\n{low:.1f} … {high:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    folder = args.folder.absolute()
    rows = {"base": [BASE], **{name: list(map(str, paths)) for name, paths in train(folder, args.seeds).items()}}
    models = [model for found in rows.values() for model in found]
    scores = evaluate(folder / "eval", models, args.samples, args.problems)
    problems = list(dict.fromkeys(score.problem for score in scores))
    measured = {name: measure([s for s in scores if s.model in found], problems, ()) for name, found in rows.items()}
    Console(width=124).print(table(measured, measured["base"]))
    result = {
        "name": "nano_chain",
        "command": f"python benchmarks/nano_chain.py DIR --seeds {args.seeds} --samples {args.samples}",
        "note": "The nano world tests the mechanism; its numbers say nothing about models of useful size.",
        "problems": len(problems),
        "samples": args.samples,
        "training_seeds": args.seeds,
        "interval": "95%, over problems; differences to the base, paired by problem",
        "rows": [
            {
                "row": name,
                "models": len(rows[name]),
                **{key: as_json(value) for key, value in own.intervals().items()},
                "difference": {key: as_json(value) for key, value in own.minus(measured["base"]).items()},
            }
            for name, own in measured.items()
        ],
    }
    args.results.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
