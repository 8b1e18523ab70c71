"""What a recipe will cost: a pilot of a few of its problems through the real synthesis and filters, scaled up.

The pilot's problems are spread over the sources, topics and ids of all problems, so that few stand for many. The
pilot is a run of its own, which the whole run can go on from, so that nothing is paid twice.

All figures have a 95% interval over problems: by bootstrap, and Wilson's for the share of kept traces. What the
intervals do not hold: filters that compare traces with each other drop more of many traces than of few; and hours are
those of an engine that writes no more traces at once than the pilot has, which takes longer for each than a full one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np

from cort_data import pipeline
from cort_data.errors import RecipeError, RunError
from cort_data.prices import HOUR_S, Tokens, tokens_of
from cort_data.recipe import ProblemSource, Recipe, StageName, SynthFrom
from cort_data.runs import RunDirectory, write_atomically
from cort_data.spending import Spending
from cort_data.stages import synth
from cort_data.stages.filter import DROPPED_FILE, KEPT_FILE
from cort_data.statistics import Array, Interval, Ratios, intervals, share_interval
from cort_data.trace import Problem, Trace
from cort_data.traces_io import read_traces

Start = Problem | Trace
"""What a trace is written from: a problem, or with `synth: {from: traces}` a trace that it goes on with."""
S = TypeVar("S", Problem, Trace, Problem | Trace)
PILOT_FILE = "pilot.jsonl"
NOTHING = Tokens()
INCLUDED = (StageName.SYNTH, StageName.FILTER, StageName.DATASET)


@dataclass(frozen=True)
class Estimate:
    """What a kept trace costs, and all traces of the plan; measure → interval, None where no trace was kept."""

    recipe: Recipe
    problems: tuple[int, int]
    """In the pilot, in the run; or given traces."""
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
    def extends(self) -> bool:
        """Can the whole run go on in the pilot's place? Another file of given traces is another setting."""
        return self.recipe.synth.from_ is SynthFrom.PROBLEMS

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
    plan = synth.plan(recipe)
    everything: Sequence[Start] = list(plan.given() if isinstance(plan, synth.Continuations) else plan.problems())
    chosen = spread(everything, problems)
    pipeline.run_stages(run, pilot_recipe(run, recipe, chosen), (StageName.SYNTH, StageName.FILTER))
    spending, sums = _sums(run, chosen)
    values = _values(recipe, sums, _seconds_a_token(run))
    starts, samples = np.array([s.starts for s in sums], np.float64), recipe.rollout.samples
    share = _share_kept(values, starts * samples)
    kept_trace = _a_kept_trace(values, share)
    whole = _whole_run(values, starts, len(everything), share, samples)
    return Estimate(recipe, (len(chosen), len(everything)), spending, kept_trace, whole)


def spread(starts: Sequence[S], n: int) -> list[S]:
    """`n` of them at equal steps through all, in the order of the problems' source, topic and id.

    An id often begins with the set or the kind of the problem; on the nano world this order foretells costs best.
    """
    n = min(n, len(starts))
    if not n:
        raise RecipeError("problems.synth: no problems, so there is nothing to estimate")
    order = sorted(starts, key=lambda start: _place(_problem(start)))
    return [order[(2 * i + 1) * len(order) // (2 * n)] for i in range(n)]


def _place(problem: Problem) -> tuple[str, str, str]:
    return problem.source, problem.topic, problem.id


def _problem(start: Start) -> Problem:
    return start if isinstance(start, Problem) else start.problem


def pilot_recipe(run: RunDirectory, recipe: Recipe, chosen: Sequence[Start]) -> Recipe:
    """The recipe over these alone, which are written into the run."""
    path = run.path / PILOT_FILE
    write_atomically(path, "".join(f"{start.model_dump_json()}\n" for start in chosen))
    source = recipe.problems.model_copy(update={"synth": ProblemSource(source=str(path))})
    return recipe.model_copy(update={"problems": source})


@dataclass
class _Sums:
    """Over the traces of one problem."""

    starts: int = 0
    kept: int = 0
    tokens: Tokens = NOTHING


def _sums(run: RunDirectory, chosen: Sequence[Start]) -> tuple[Spending, list[_Sums]]:
    """The split of all, and the sums of each problem."""
    spending = Spending()
    sums: dict[str, _Sums] = defaultdict(_Sums)
    for start in chosen:
        sums[_problem(start).id].starts += 1
    folder = run.stage(StageName.FILTER).path
    for name in (KEPT_FILE, DROPPED_FILE):
        for trace in read_traces(folder / name) if (folder / name).stat().st_size else ():
            spending.add(trace)
            mine = sums[trace.problem.id]
            mine.kept += name == KEPT_FILE
            mine.tokens += tokens_of(trace)
    return spending, list(sums.values())


def _seconds_a_token(run: RunDirectory) -> float:
    """Of the engine in the pilot."""
    manifest = run.stage(StageName.SYNTH).manifest() or {}
    rate = manifest["last_session"]["model_tokens_per_s"]
    if not rate:
        raise RunError(f"{run.path}: the pilot wrote no model token, so nothing can be said about its cost")
    return 1 / float(rate)


def _values(recipe: Recipe, sums: Sequence[_Sums], seconds_a_token: float) -> dict[str, Array]:
    """Measure → its sum over the traces of each problem, `(P,)`. Time is shared out by written tokens."""
    prices = recipe.prices
    tokens = [s.tokens for s in sums]
    hours = np.array([t.output * seconds_a_token / HOUR_S for t in tokens])
    values = {"kept_traces": np.array([s.kept for s in sums])}
    values |= {f"{name}_tokens": np.array([getattr(t, name) for t in tokens]) for name in ("fresh", "cached", "output")}
    if prices.known:
        values["cost"] = np.array([prices.money(t) for t in tokens]) + prices.a_second * HOUR_S * hours
    values["hours"] = hours
    if prices.gpus:
        values["gpu_hours"] = hours * prices.gpus
    return {name: column.astype(np.float64) for name, column in values.items()}


def _share_kept(values: dict[str, Array], traces: Array) -> Interval:
    """Share of the traces that is kept. It has a width where the pilot kept all or none. `traces` `(P,)`."""
    found = share_interval(values["kept_traces"] / traces)
    assert found is not None
    return found


def _a_kept_trace(values: dict[str, Array], share: Interval) -> dict[str, Interval | None]:
    table = np.stack(list(values.values()))
    found = intervals(Ratios(table, np.broadcast_to(values["kept_traces"], table.shape)))
    known = {name: each and _all_kept(each, share) for name, each in zip(values, found, strict=True)}
    return {name: each for name, each in known.items() if name != "kept_traces"}


def _all_kept(each: Interval, share: Interval) -> Interval:
    """Draws from a pilot that kept all know nothing of what the run will drop: the arms add in squares."""
    if share.value < 1:
        return each
    return replace(each, high=each.value + math.hypot(each.high - each.value, each.value * (1 / share.low - 1)))


def _whole_run(
    values: dict[str, Array], starts: Array, everything: int, share: Interval, samples: int
) -> dict[str, Interval | None]:
    """Sums over all: the pilot's are known, the others are like them. `starts` `(P,)`: the pilot's, by problem."""
    table = np.stack(list(values.values()))
    means = dict(zip(values, intervals(Ratios(table, np.broadcast_to(starts, table.shape))), strict=True))
    means["kept_traces"] = Interval(*(samples * part for part in (share.value, share.low, share.high)))
    others = everything - float(starts.sum())
    return {
        name: mean and Interval(*(float(values[name].sum()) + others * v for v in (mean.value, mean.low, mean.high)))
        for name, mean in means.items()
    }
