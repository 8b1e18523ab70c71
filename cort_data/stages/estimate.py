"""What a recipe will cost: a pilot of a few of its problems through the real synthesis and filters, scaled up.

The pilot's problems are spread over source, topic and length of the problems, so that few of them stand for all. The
pilot is a run of its own, which the whole run can go on from, so that nothing is paid twice.

All figures have a 95% interval by bootstrap over problems. What the intervals do not hold: filters that compare traces
with each other drop more of many traces than of few; and hours are those of an engine that writes no more traces at
once than the pilot has, which takes longer for each than a full one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cort_data import pipeline
from cort_data.errors import RecipeError, RunError
from cort_data.prices import HOUR_S, Tokens, tokens_of
from cort_data.recipe import ProblemSource, Recipe, StageName, SynthFrom
from cort_data.runs import RunDirectory, write_atomically
from cort_data.spending import Spending
from cort_data.stages import synth
from cort_data.stages.filter import DROPPED_FILE, KEPT_FILE
from cort_data.statistics import Array, Interval, Ratios, intervals
from cort_data.trace import Problem
from cort_data.traces_io import read_traces

PILOT_FILE = "pilot.jsonl"
INCLUDED = (StageName.SYNTH, StageName.FILTER, StageName.DATASET)


@dataclass(frozen=True)
class Estimate:
    """What a kept trace costs, and all traces of the plan; measure → interval, None where no trace was kept."""

    recipe: Recipe
    problems: tuple[int, int]
    """In the pilot, in the run."""
    spending: Spending
    """Of the pilot."""
    kept_trace: dict[str, Interval | None]
    run: dict[str, Interval | None]

    @property
    def in_flight(self) -> tuple[int, int]:
        """Most traces at once in the pilot, in the run."""
        most = self.recipe.engine.in_flight
        return tuple(min(most, n * self.recipe.rollout.samples) for n in self.problems)  # type: ignore[return-value]

    @property
    def left_out(self) -> list[str]:
        """Stages of the recipe that are not in the figures."""
        return [stage for stage in self.recipe.stages if stage not in INCLUDED]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "recipe": self.recipe.name,
            "digest": self.recipe.digest(),
            "problems": dict(zip(("pilot", "run"), self.problems, strict=True)),
            "in_flight": dict(zip(("pilot", "run"), self.in_flight, strict=True)),
            "currency": self.recipe.prices.currency if self.recipe.prices.known else None,
            "kept_trace": {name: found and asdict(found) for name, found in self.kept_trace.items()},
            "run": {name: found and asdict(found) for name, found in self.run.items()},
            "left_out": self.left_out,
            "spending": self.spending.as_dict(),
        }


def estimate(run: RunDirectory, recipe: Recipe, problems: int) -> Estimate:
    """Carry out the pilot in a run directory (entered), and scale it up. Raises CortError."""
    if recipe.synth.from_ is SynthFrom.TRACES:
        raise RecipeError("synth.from: traces cannot be estimated; a run with problems.synth.n of 20 is its own pilot")
    everything = list(synth.plan(recipe).problems())
    chosen = spread(everything, problems)
    pilot = pilot_recipe(run, recipe, chosen)
    pipeline.run_stages(run, pilot, (StageName.SYNTH, StageName.FILTER))
    spending, sums = _sums(run, chosen)
    values = _values(recipe, sums, _seconds_a_token(run))
    return Estimate(
        recipe=recipe,
        problems=(len(chosen), len(everything)),
        spending=spending,
        kept_trace=_a_kept_trace(values, sums),
        run=_whole_run(
            values | {"kept_traces": np.array([kept for kept, _ in sums], dtype=np.float64)}, len(everything)
        ),
    )


def spread(problems: Sequence[Problem], n: int) -> list[Problem]:
    """`n` problems at equal steps through all of them in the order of source, topic and length."""
    n = min(n, len(problems))
    if not n:
        raise RecipeError("problems.synth: no problems, so there is nothing to estimate")
    order = sorted(problems, key=lambda p: (p.source, p.topic, len(p.text)))
    return [order[(2 * i + 1) * len(order) // (2 * n)] for i in range(n)]


def pilot_recipe(run: RunDirectory, recipe: Recipe, problems: Sequence[Problem]) -> Recipe:
    """The recipe over these problems alone, which are written into the run."""
    path = run.path / PILOT_FILE
    write_atomically(path, "".join(f"{problem.model_dump_json()}\n" for problem in problems))
    source = recipe.problems.model_copy(update={"synth": ProblemSource(source=str(path))})
    return recipe.model_copy(update={"problems": source})


def _sums(run: RunDirectory, problems: Sequence[Problem]) -> tuple[Spending, list[tuple[int, Tokens]]]:
    """The split of all, and kept traces and tokens of each problem."""
    spending = Spending()
    kept: dict[str, int] = defaultdict(int)
    tokens: dict[str, Tokens] = defaultdict(Tokens)
    folder = run.stage(StageName.FILTER).path
    for name in (KEPT_FILE, DROPPED_FILE):
        for trace in read_traces(folder / name):
            spending.add(trace)
            kept[trace.problem.id] += name == KEPT_FILE
            tokens[trace.problem.id] += tokens_of(trace)
    return spending, [(kept[problem.id], tokens[problem.id]) for problem in problems]


def _seconds_a_token(run: RunDirectory) -> float:
    """Of the engine in the pilot."""
    manifest = run.stage(StageName.SYNTH).manifest() or {}
    rate = manifest["last_session"]["model_tokens_per_s"]
    if not rate:
        raise RunError(f"{run.path}: the pilot wrote no model token, so nothing can be said about its cost")
    return 1 / float(rate)


def _values(recipe: Recipe, sums: Sequence[tuple[int, Tokens]], seconds_a_token: float) -> dict[str, Array]:
    """Measure → its sum over the traces of each problem, `(P,)`. Time is shared out by written tokens."""
    prices = recipe.prices
    tokens = [t for _, t in sums]
    hours = np.array([t.output * seconds_a_token / HOUR_S for t in tokens])
    values = {f"{name}_tokens": np.array([getattr(t, name) for t in tokens]) for name in ("fresh", "cached", "output")}
    if prices.known:
        values["cost"] = np.array([prices.money(t) for t in tokens]) + prices.a_second * HOUR_S * hours
    values["hours"] = hours
    if prices.gpus:
        values["gpu_hours"] = hours * prices.gpus
    return {name: column.astype(np.float64) for name, column in values.items()}


def _a_kept_trace(values: dict[str, Array], sums: Sequence[tuple[int, Tokens]]) -> dict[str, Interval | None]:
    kept = np.array([n for n, _ in sums], dtype=np.float64)
    table = np.stack(list(values.values()))
    return dict(zip(values, intervals(Ratios(table, np.broadcast_to(kept, table.shape))), strict=True))


def _whole_run(values: dict[str, Array], problems: int) -> dict[str, Interval | None]:
    """Sums over all problems; those of the pilot are known, the others are like them."""
    table = np.stack(list(values.values()))
    means = intervals(Ratios(table, np.ones_like(table)))
    others = problems - table.shape[1]
    return {
        name: mean and Interval(*(float(column.sum()) + others * v for v in (mean.value, mean.low, mean.high)))
        for (name, column), mean in zip(values.items(), means, strict=True)
    }
