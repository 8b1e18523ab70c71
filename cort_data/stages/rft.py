"""Rejection fine-tuning: a model writes, what passes the filters is chosen, and a model is trained on it; in rounds.

Each round samples the same problems from the model of the round before, without hints and by the one rollout loop;
the recipe's filters decide; `selection` chooses; the chosen are joined with other traces (the seeds: METHOD §2) and
train the base anew, or the last model further. Its folder:

    rft/round-1/synth/     the samples, as of the stage synth
    rft/round-1/filter/    kept, dropped, funnel
    rft/round-1/chosen.jsonl
    rft/round-1/sft/       the training, as of the stage sft; `model/` is the checkpoint
    rft/manifest.json      the table of the rounds, and which model is the result, from the run's folder on
"""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cort_data.budget import Allowance
from cort_data.errors import RecipeError
from cort_data.filters import build_filters
from cort_data.progress import Meter
from cort_data.recipe import Recipe, StageName
from cort_data.runs import RunDirectory, StageFolder, write_atomically
from cort_data.selection import Rate, choose, mix
from cort_data.shards import TraceStore
from cort_data.sources import read_source
from cort_data.stages import sft
from cort_data.stages.evaluate import test_problems
from cort_data.stages.filter import DROPPED_FILE, KEPT_FILE, filter_traces, open_resources
from cort_data.stages.trained import model_of
from cort_data.stages.workshop import open_workshop
from cort_data.stages.writing import Plan, Work, write_traces
from cort_data.statistics import pass_at_k
from cort_data.trace import Problem, Trace
from cort_data.traces_io import read_traces
from cort_data.training.sources import read_sources

VERSION = 1
CHOSEN_FILE = "chosen.jsonl"


@dataclass(frozen=True)
class Round:
    """One round, as the table shows it."""

    number: int
    model: str
    """That wrote the samples."""
    samples: int
    pass_at: dict[int, float]
    """k → unbiased pass@k over the problems, for k = 1, 2, 4, … up to the samples a problem."""
    tokens: float
    """Model tokens a sample."""
    with_code: float
    """Share of samples with executed code."""
    kept: int
    chosen: int
    problems: int
    distinct_programs: float | None
    bands: tuple[int, ...]
    """Problems chosen from, by the share of their right samples (`selection.BANDS`)."""
    joined: int
    """Traces of other sources that were added."""
    trained_tokens: int
    loss: float
    eval_loss: float | None
    checkpoint: str
    """The trained model; this and `model` from the run's folder on if they are in it."""


async def run_rft(run: RunDirectory, recipe: Recipe, allowance: Allowance) -> bool:
    """All rounds, as far as they are missing. False if nothing was. Raises CortError."""
    folder = run.stage(StageName.RFT)
    folder.enter(_key(run, recipe))
    if folder.manifest() is not None:
        return False
    rounds: list[Round] = []
    model = first_model(run, recipe)
    for number in range(1, recipe.rft.rounds + 1):
        rounds.append(await _Round(run, recipe, number, model).run(allowance))
        model = str(run.path / rounds[-1].checkpoint)
    folder.finish({"stage": "rft", "checkpoint": rounds[-1].checkpoint, "rounds": [asdict(r) for r in rounds]})
    return True


def first_model(run: RunDirectory, recipe: Recipe) -> str:
    """The model that writes the first samples: what this run's sft made, or the base if it has no such stage."""
    return model_of(run, StageName.SFT) if StageName.SFT in recipe.stages else sft.base_of(recipe)


def _key(run: RunDirectory, recipe: Recipe) -> dict[str, Any]:
    before = run.stage(StageName.SFT).manifest() if StageName.SFT in recipe.stages else None
    tree = json.loads(recipe.model_dump_json())
    names = ("seed", "sampling", "rft", "filters")
    rollout = {name: tree["rollout"][name] for name in ("calls", "tokens", "prompt")}
    return {
        "stage": "rft",
        "version": VERSION,
        "model": before["run_id"] if before else sft.base_of(recipe),
        "sft": {k: v for k, v in tree["sft"].items() if k not in ("data", "report_to", "save_every")},
        "rollout": rollout,
        "problems": tree["problems"]["synth"],
        **{name: tree[name] for name in names},
    }


class _Round:
    """One round: sampled, filtered, chosen, trained."""

    def __init__(self, run: RunDirectory, recipe: Recipe, number: int, model: str) -> None:
        self._run = run
        self._recipe = recipe
        self._number = number
        self._model = model
        self._name = f"rft round {number}"
        self._folder = StageFolder(run.stage(StageName.RFT).path / f"round-{number}")

    async def run(self, allowance: Allowance) -> Round:
        """Do what is missing of the round."""
        await self._sample_and_filter(allowance)
        rates, tokens, with_code, kept = self._measure()
        chosen = list(self._choose(rates))
        if not chosen:
            raise RecipeError(
                f"{self._name}: no trace was chosen ({kept} were kept of {sum(r.samples for r in rates.values())}); "
                "widen rft.difficulty, raise rft.samples, or look at the filter's funnel"
            )
        write_atomically(self._folder.path / CHOSEN_FILE, "".join(trace.to_json() + "\n" for trace in chosen))
        joined = list(read_sources(self._recipe.rft.join, self._run.path, self._recipe.engine.profile))
        checkpoint = self._train([*chosen, *joined])
        looks = mix(rates, chosen)
        most = min(rate.samples for rate in rates.values())
        ks = [k for k in (2**i for i in range(most.bit_length())) if k <= most]
        return Round(
            number=self._number,
            model=self._run.inside(self._model),
            samples=sum(rate.samples for rate in rates.values()),
            pass_at={k: sum(pass_at_k(r.samples, r.right, k) for r in rates.values()) / len(rates) for k in ks},
            tokens=tokens,
            with_code=with_code,
            kept=kept,
            chosen=looks.traces,
            problems=looks.problems,
            distinct_programs=looks.distinct_programs,
            bands=looks.bands,
            joined=len(joined),
            trained_tokens=checkpoint.trained_tokens,
            loss=checkpoint.loss,
            eval_loss=checkpoint.eval_loss,
            checkpoint=self._run.inside(str(checkpoint.path)),
        )

    async def _sample_and_filter(self, allowance: Allowance) -> None:
        recipe, model = self._recipe, self._model
        with TraceStore(self._folder.path / "synth") as store:
            work = Work(self._plan(), store)
            meter = Meter(self._name, work.survey().missing)
            if meter.total:
                allowance.expect(recipe.rollout.tokens)
                async with open_workshop(recipe, model, store.first()) as workshop:
                    with meter:
                        await write_traces([work], workshop.writer, recipe.engine.in_flight, meter, allowance)
            store.sync()
            guarded = list(test_problems(self._run, recipe))
            async with open_resources(recipe.interpreter, guarded, recipe.graders) as resources:
                filters = build_filters(recipe.filter_specs(), resources)
                with Meter(f"{self._name} filter", len(store.index), read=True) as meter:
                    await filter_traces(work.traces(), filters, self._filtered, on_trace=meter.add)

    def _plan(self) -> Plan:
        recipe = self._recipe
        source = recipe.problems.synth
        assert source is not None  # the recipe's schema asks for it

        def problems() -> Iterator[Problem]:
            return read_source(source, "synth", recipe.seed)

        return Plan(problems, recipe.rft.samples, "none", f"rft-{self._number}", recipe.seed + self._number)

    @property
    def _filtered(self) -> Path:
        return self._folder.path / "filter"

    def _measure(self) -> tuple[dict[str, Rate], float, float, int]:
        """Of all samples: each problem's rate, mean model tokens, share with code; and how many were kept."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        sums: Counter[str] = Counter()
        for name in (KEPT_FILE, DROPPED_FILE):
            for trace in _traces(self._filtered / name):
                counts[trace.problem.id].update(samples=1, right=_is_right(trace))
                sums.update(samples=1, tokens=trace.kept_tokens, code=trace.calls > 0, kept=name == KEPT_FILE)
        rates = {problem: Rate(found["samples"], found["right"]) for problem, found in counts.items()}
        return rates, sums["tokens"] / sums["samples"], sums["code"] / sums["samples"], sums["kept"]

    def _choose(self, rates: dict[str, Rate]) -> Iterator[Trace]:
        settings = self._recipe.rft
        kept = _traces(self._filtered / KEPT_FILE)  # all samples of a problem stand in a row
        for problem, traces in itertools.groupby(kept, key=lambda trace: trace.problem.id):
            if rates[problem].within(settings.difficulty):
                yield from choose(list(traces), settings.choice, settings.most)

    def _train(self, traces: list[Trace]) -> sft.Checkpoint:
        base = self._model if self._recipe.rft.start == "last" else sft.base_of(self._recipe)
        settings = sft.settings_of(self._recipe, self._run.path)
        sources = (f"{StageName.RFT}/round-{self._number}/{CHOSEN_FILE}", *self._recipe.rft.join)
        named = replace(settings, stage=StageName.RFT, sources=sources)
        return sft.fine_tune(named, traces, base, self._folder.path / "sft")


def _is_right(trace: Trace) -> bool:
    """What the filter `answer` said; where the recipe does not ask it, that the trace was kept."""
    answers = [decision.keep for decision in trace.decisions if decision.filter == "answer"]
    return all(answers or [decision.keep for decision in trace.decisions])


def _traces(path: Path) -> Iterator[Trace]:
    return read_traces(path) if path.stat().st_size else iter(())
