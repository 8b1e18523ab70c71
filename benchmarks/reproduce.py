"""The miniature of the papers' tables on the nano world, on a CPU: `make reproduce`.

    python benchmarks/reproduce.py DIR [--trainings 3] [--samples 4] [--problems 300] [--results FOLDER]

Runs `cort` for every step, two at a time, and goes on where it was stopped; DIR holds the runs. Tables are on the
split `test`, without hints; hyperparameters were chosen on `dev` (docs/results/reproduce_dev.json). Writes
docs/results/reproduce_*.json, which `cort report --results` renders. The nano world tests the mechanism.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interpreter_results import machine
from reproduce_plan import DIFFICULTY_SAMPLES, FEW_SEEDS, HINT_TOKENS, SIZES, WITHOUT_CODE, Plan
from reproduce_steps import Steps, minutes_worked
from reproduce_tables import (
    FAILURES,
    GROUNDS,
    Case,
    Group,
    Row,
    by_problem,
    case_rows,
    echoes,
    family_rows,
    merged,
    misled_row,
    pass_rows,
    rows,
    share_row,
    wordings_of,
)
from rich.box import SIMPLE
from rich.table import Table

from cort_data.behaviour import observe
from cort_data.evaluation.scores import Score, read_scores
from cort_data.hints.library import load_library
from cort_data.profiles import load_profile
from cort_data.shards import written_traces
from cort_data.tables import out
from cort_data.trace import Trace

ROOT = Path(__file__).resolve().parents[1]
WORKERS = 2
NOTE = "The nano world tests the mechanism; its numbers say nothing about models of useful size. "
MAIN = {
    "SFT on the 30 nano seeds alone": "seeds",
    "Prompt-Hint SFT": "ph",
    "Hint-Engineering SFT": "he",
    "RFT": "rft",
}
KS = (1, 2, 4)
NUMBERS = {"tokens_generated": 1, "tokens_per_correct": 1, "calls": 2}
"""Measures that are no shares, and their digits on the terminal."""


class Evaluations:
    """The graded traces of the plan's models."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._think_close = load_profile("nano").think_close

    def scores(self, name: str, policy: str = "none") -> list[Score]:
        """Of one model under one policy."""
        return [score for score in read_scores(self._plan.eval(name)) if score.policy == policy]

    def group(self, name: str, *evals: str, policy: str = "none") -> Group:
        """A row of these models."""
        return Group(name, [self.scores(own, policy) for own in evals])

    def main(self) -> list[Group]:
        """The trained rows of the main table, over all training seeds."""
        return [self.group(row, *(f"{name}-{seed}" for seed in self._plan.seeds())) for row, name in MAIN.items()]

    def traces(self, name: str) -> Iterator[tuple[Score, Trace]]:
        """The traces without hints, with their scores."""
        scores = {score.id: score for score in self.scores(name)}
        for trace in written_traces(self._plan.eval(name) / "eval"):
            if trace.id in scores and trace.policy == "none":
                yield scores[trace.id], trace

    def cases(self, *names: str) -> list[Case]:
        """What these models' traces do with code."""
        return [Case(s, observe(trace, self._think_close)) for name in names for s, trace in self.traces(name)]

    def echo(self, name: str) -> dict[str, list[bool]]:
        """Problem → whether its traces hold a hint's wording that the model wrote itself."""
        wordings = wordings_of(load_library().values())
        return by_problem((score.problem, echoes(trace, wordings)) for score, trace in self.traces(name))


def main_table(found: Evaluations) -> dict[str, Any]:
    base, trained = found.group("base", "base"), found.main()
    sft = trained[list(MAIN.values()).index("he")]
    return {
        "what": "the miniature of the papers' main table: nano-student before and after each training, without hints; "
        "Δ is to the base, in the second table to Hint-Engineering SFT",
        "note": "The rows of reinforcement learning are missing: that stage does not exist yet. Lowest and highest: "
        "accuracy of single trainings.",
        "rows": rows([base, *trained], base),
        "against Hint-Engineering SFT": rows([sft, *(group for group in trained if group is not sft)], sft),
    }


def control_table(found: Evaluations) -> dict[str, Any]:
    hinted, plain, size = "SFT on hinted traces", "SFT on traces without hints", SIZES[-1]
    null = {
        "base": found.group("base", "null"),
        plain: found.group(plain, "null-plain-1"),
        hinted: found.group(hinted, "null-he-1"),
        "RFT": found.group("RFT", "null-rft-1"),
    }
    student = {
        "base": found.group("base", "base"),
        plain: found.group(plain, "plain-1"),
        "few": found.group(f"SFT on {size} hinted traces", f"first-{size}-1"),
        hinted: found.group(hinted, "he-1"),
    }
    return {
        "what": "the control: nano-null, which hints cannot help (easy problems alone, which it does by hand as well "
        "and as briefly as with code), as the student of the same trainings, on easy problems; beside it nano-student",
        "note": "Traces without hints: the same teacher, problems and filters, policy none; fewer of them are kept. Δ "
        "is to the base, and under `hinted against not hinted` to the model that was trained on traces without hints, "
        "so that it shows what hints add to training on a teacher's filtered traces. One training seed.",
        "nano-null on easy problems": rows(list(null.values()), null["base"]),
        "nano-student on normal problems": rows(list(student.values()), student["base"]),
        "hinted against not hinted, nano-null": rows([null[plain], null[hinted]], null[plain]),
        "hinted against not hinted, nano-student": rows([g for n, g in student.items() if n != "base"], student[plain]),
    }


def hint_table(found: Evaluations) -> dict[str, Any]:
    trained = found.group("train", "he-1")
    names = {"base": "base", "train": "he-1"} | {what: f"{what}-1" for what in HINT_TOKENS}
    groups = [trained if name == "train" else found.group(name, own) for name, own in names.items()]
    first = found.echo("he-1")
    echo = [share_row("hint_echo", found.echo(own), None if own == "he-1" else first) for own in names.values()]
    measured = rows(groups, trained, ("accuracy", "code_use_rate", "tokens_generated", "tokens_per_correct"))
    return {
        "what": "what becomes of the hints' words in training (sft.hint_tokens); hint echo: traces in which the model, "
        "without hints, writes a hint's wording itself; Δ is to train, the default",
        "note": "One training seed.",
        "rows": [merged(row, more) for row, more in zip(measured, echo, strict=True)],
    }


def data_table(found: Evaluations, plan: Plan) -> dict[str, Any]:
    base = found.group("base", "base")
    few, *first, easy, hard = plan.part_names()
    parts = {
        f"{FEW_SEEDS} nano seeds": few,
        "30 nano seeds": "seeds-1",
        **{f"{size} traces": name for size, name in zip(SIZES, first, strict=True)},
        f"all {count_lines(plan.kept('he'))} traces": "he-1",
        f"{count_lines(plan.part('easy'))} traces of easy problems": easy,
        f"{count_lines(plan.part('hard'))} traces of hard problems": hard,
    }
    groups = [found.group(row, name) for row, name in parts.items()]
    return {
        "what": "how much data, and how hard: SFT on parts of the Hint-Engineering traces, and of the seeds; Δ is to "
        "the base",
        "note": f"One training seed. Easy: the base solves the problem in all of {DIFFICULTY_SAMPLES} samples; hard: "
        "in none.",
        "rows": rows([base, *groups], base),
    }


def count_lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def pass_table(found: Evaluations) -> dict[str, Any]:
    rows_of = {f"{name}-1": row for row, name in MAIN.items()}
    names = {rows_of.get(name, name): name for name in WITHOUT_CODE}
    sides = {
        policy: [found.group(row, own, policy=policy) for row, own in names.items()] for policy in ("none", "text")
    }
    pairs = zip(*sides.values(), strict=True)
    return {
        "what": "pass@k with code and without (policy text: no code is run); Δ is to the base in the same mode, in the "
        "last table to the same model without code",
        "note": "First training seed.",
        "with code": pass_rows(sides["none"], KS, sides["none"][0]),
        "without code": pass_rows(sides["text"], KS, sides["text"][0]),
        "with code against without": [pass_rows([code], KS, text)[0] for code, text in pairs],
    }


def family_table(found: Evaluations) -> dict[str, Any]:
    base = found.group("base", "base")
    return {
        "what": "accuracy by family of problems; Δ is to the base",
        "note": "",
        "families": family_rows(found.main(), base),
    }


def failure_table(found: Evaluations, plan: Plan) -> dict[str, Any]:
    names = {"base": ("base",)} | {row: tuple(f"{n}-{seed}" for seed in plan.seeds()) for row, n in MAIN.items()}
    cases = {row: found.cases(*own) for row, own in names.items()}
    return {
        "what": "the effect of code that fails, and of code that runs and misleads",
        "note": "By the behaviour instrument. Accuracy is over the problems that have such traces: the rows differ in "
        "their problems, so this is no effect of the failure alone.",
        "code that failed": [row for name, own in cases.items() for row in case_rows(name, own, FAILURES)],
        "code that worked": [row for name, own in cases.items() for row in case_rows(name, own, GROUNDS)],
        "wrong answers": [misled_row(name, own) for name, own in cases.items()],
    }


def results(plan: Plan, head: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name of the file → what goes into it."""
    found = Evaluations(plan)
    tables = {
        "main": main_table(found),
        "control": control_table(found),
        "hint_tokens": hint_table(found),
        "data": data_table(found, plan),
        "pass_at_k": pass_table(found),
        "families": family_table(found),
        "failures": failure_table(found, plan),
    }
    return {
        f"reproduce_{name}": {
            "name": f"reproduce_{name}",
            "what": tree["what"],
            "note": (NOTE + tree["note"]).strip(),
            **head,
            **{key: value for key, value in tree.items() if key not in ("what", "note")},
        }
        for name, tree in tables.items()
    }


def shown(title: str, found: Sequence[Row]) -> Table:
    """A list of rows on the terminal; Δ with its interval below a value, * beyond the interval."""
    table = Table(box=SIMPLE, title=title.replace("_", " "), title_justify="left")
    columns = [c for c in dict.fromkeys(c for row in found for c in row) if c != "difference"]
    for i, column in enumerate(columns):
        table.add_column(column.replace("_", " "), justify="right" if i else "left", overflow="fold")
    for row in found:
        apart = row.get("difference", {})
        table.add_row(*(_cell(column, row.get(column), apart.get(column)) for column in columns))
    return table


def _cell(column: str, value: Any, apart: Mapping[str, Any] | None) -> str:  # noqa: ANN401 - a leaf of a results file
    level = value["value"] if isinstance(value, dict) else value
    if not isinstance(level, float):
        return "–" if level is None else str(level)
    scale, digits = (1, NUMBERS[column]) if column in NUMBERS else (100, 1)
    text = f"{scale * level:.{digits}f}"
    if not apart:
        return text
    low, mid, high = (scale * apart[key] for key in ("low", "value", "high"))
    return f"{text}\nΔ {mid:+.{digits}f}{'*' if apart['beyond_interval'] else ''}\n{low:.{digits}f} … {high:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--trainings", type=int, default=3, help="training seeds of the main table")
    parser.add_argument("--samples", type=int, default=4, help="traces a problem")
    parser.add_argument("--problems", type=int, default=300, help="test problems")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results", help="folder of the results files")
    args = parser.parse_args()
    plan = Plan(args.folder.absolute(), args.trainings, args.samples, args.problems)
    Steps(plan.steps(), plan.folder, WORKERS).run()
    minutes, cpu = minutes_worked(plan.folder)
    head = {
        "command": " ".join(["python benchmarks/reproduce.py DIR", *sys.argv[2:]]),
        "machine": machine(),
        "taken": f"{datetime.now(UTC):%Y-%m-%d}, all tables in {minutes:.0f} minutes, {cpu:.0f} of CPU",
        "problems": args.problems,
        "samples": args.samples,
        "training_seeds": list(plan.seeds()),
        "interval": "95%, over problems; differences paired by problem",
    }
    args.results.mkdir(parents=True, exist_ok=True)
    for name, tree in results(plan, head).items():
        (args.results / f"{name}.json").write_text(json.dumps(tree, indent=1) + "\n", "utf-8")
        for title, value in tree.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                out().print(shown(f"{name}: {title}", value))


if __name__ == "__main__":
    main()
