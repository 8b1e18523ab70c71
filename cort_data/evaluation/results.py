"""What an evaluation leaves in its folder beside the traces: scores, what could not be judged, and `results.json`.

The files are there only while they are complete: more traces to write, and they are gone until those are written.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cort_data.evaluation.rows import Average, Intervals, Line, Row, averages, problems_of, tabulate
from cort_data.evaluation.scores import FILE as SCORES
from cort_data.evaluation.scores import write_scores
from cort_data.evaluation.settings import EvalSettings
from cort_data.grading import Verdict
from cort_data.recipe import Recipe
from cort_data.runs import write_atomically
from cort_data.statistics import Interval

RESULTS = "results.json"
UNSCORED = "unscored.jsonl"
NANO_NOTE = "The nano world tests the mechanism; its numbers say nothing about models of useful size."
_DOUBT = {"model", "set", "policy", "id", "problem", "gold", "answer", "reason"}


def folder_name(model: str) -> str:
    """The name of a model's folder in that of the evaluation."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", model).strip("-")


def write(folder: Path, recipe: Recipe, rows: Sequence[Row]) -> None:
    """Write all files; the results last. Raises RunError."""
    scores = [score for row in rows if row.whole for score in row.scores]
    write_scores(folder / SCORES, scores)
    doubts = (score for score in scores if score.verdict is Verdict.UNSCORED)
    write_atomically(folder / UNSCORED, "".join(s.model_dump_json(include=_DOUBT) + "\n" for s in doubts))
    text = json.dumps(_results(recipe, rows), indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / RESULTS, text)


def withdraw(folder: Path) -> None:
    """They are not complete any more."""
    for name in (RESULTS, UNSCORED, SCORES):
        (folder / name).unlink(missing_ok=True)


def _results(recipe: Recipe, rows: Sequence[Row]) -> dict[str, Any]:
    lines = tabulate(rows, recipe.eval)
    source = recipe.problems.test
    nano = not recipe.eval.sets and source is not None and source.source == "nano"
    counts = {row.set: len(problems_of(row, rows)) for row in rows if row.whole}
    return {
        "name": recipe.name,
        "what": "each model, problem set and policy on the same problems; differences are to the model's first policy, "
        "or, with one policy, to the first model",
        "note": NANO_NOTE if nano else "",
        "recipe": recipe.digest(),
        "problems": sum(counts.values()),
        "samples": recipe.eval.samples,
        "sets": [
            {"name": name, "problems": count, "samples": _samples(recipe.eval, name)} for name, count in counts.items()
        ],
        "teacher_tokens": recipe.eval.teacher_tokens,
        "interval": "95%, over problems: Wilson's for shares, bootstrap elsewhere; differences paired by problem",
        "rows": [_line(line) for line in lines],
        "averages": [_average(average) for average in averages(lines)],
    }


def _samples(settings: EvalSettings, name: str) -> int:
    return settings.samples_of(next((part for part in settings.sets if part.name == name), None))


def _line(line: Line) -> dict[str, Any]:
    row, found = line.row, line.intervals
    verdicts = Counter(score.verdict for score in row.scores)
    return {
        "model": row.model,
        "set": row.set,
        "policy": row.policy,
        "wordings": row.wordings,
        "released": row.released,
        "traces": len(row.scores),
        "unscored": verdicts[Verdict.UNSCORED],
        "stop_reasons": dict(Counter(score.stop for score in row.scores).most_common()),
        **{name: interval and interval.value for name, interval in found.items()},
        "intervals": {name: interval and [interval.low, interval.high] for name, interval in found.items()},
        "difference": None if line.differences is None else _intervals(line.differences),
    }


def _average(average: Average) -> dict[str, Any]:
    return {"model": average.model, "policy": average.policy, "sets": average.sets, **_intervals(average.values)}


def _intervals(found: Intervals) -> dict[str, Any]:
    return {name: _interval(interval) for name, interval in found.items()}


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "beyond_interval": interval.beyond,
    }
