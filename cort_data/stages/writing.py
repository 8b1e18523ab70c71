"""Writing traces: many rollouts at once, each recorded when it is finished. Synthesis and evaluation share this."""

from __future__ import annotations

import asyncio
import platform
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from cort_data.candidates import CandidateTable
from cort_data.errors import CortError, EngineError, RecipeError, RunError
from cort_data.progress import Meter
from cort_data.recipe import Recipe
from cort_data.rollout import Job, Writer, rollout_seed
from cort_data.shards import FAILED, TraceStore, problem_digest
from cort_data.stages.workshop import interpreter_used, model_hash
from cort_data.trace import Problem, Trace, trace_id

FAILURES_IN_A_ROW = 16  # so many failed rollouts with no good one between them: the engine is gone


@dataclass(frozen=True)
class Plan:
    """The traces that a stage is to have under one policy: problems × samples."""

    problems: Callable[[], Iterator[Problem]]
    samples: int
    policy: str
    stage: str
    seed: int

    def jobs(self) -> Iterator[tuple[str, Job]]:
        """(trace id, job), all samples of a problem in a row."""
        for problem in self.problems():
            for sample in range(self.samples):
                seed = rollout_seed(self.seed, problem.id, sample)
                job = Job(problem=problem, sample=sample, stage=self.stage, seed=seed)
                yield trace_id(problem.id, self.policy, sample, self.stage), job

    def ids(self) -> Iterator[str]:
        """The trace ids in the order of the plan."""
        return (name for name, _ in self.jobs())


@dataclass(frozen=True, slots=True)
class Survey:
    """How far a plan is carried out, in traces."""

    planned: int
    missing: int


@dataclass(frozen=True)
class Work:
    """A plan and where its traces go."""

    plan: Plan
    store: TraceStore

    def survey(self) -> Survey:
        """What is planned and what of it is missing. Raises RunError if a recorded problem has changed."""
        seen: set[str] = set()
        missing = 0
        for name, job in self.plan.jobs():
            if name in seen:
                raise RecipeError(
                    f"problem id {job.problem.id!r} stands twice among the problems; cort problems import "
                    "removes duplicates"
                )
            seen.add(name)
            missing += not self.has(name)
            place = self.store.index.get(name)
            if place is not None and place.problem != problem_digest(job.problem):
                raise RunError(
                    f"{self.store.folder}: problem {job.problem.id!r} has changed since its traces were written; "
                    "name a new --run-dir"
                )
        return Survey(planned=len(seen), missing=missing)

    def traces(self) -> Iterator[Trace]:
        """What is written of the plan, in its order."""
        return self.store.read(self.plan.ids())

    def has(self, name: str) -> bool:
        """Is this trace written, and not by a failing engine?"""
        place = self.store.index.get(name)
        return place is not None and not place.failed


async def write_traces(work: Iterable[Work], writer: Callable[[str], Writer], in_flight: int, meter: Meter) -> None:
    """Write all missing traces, `in_flight` rollouts at once. Raises EngineError if the engine fails time after time.

    A failed rollout is a recorded trace; a resumed run writes it again.
    """
    tasks = _tasks(work, writer)
    recorder = _Recorder(meter)
    room = _Room(in_flight)

    async def worker() -> None:
        for shared, job, store in tasks:
            async with room.of(shared.width):
                recorder.record(await shared.run(job), store)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(worker())
    except* CortError as errors:
        raise _first(errors) from None


class _Room:
    """Places for rollouts, of which a search takes several; one that is wider than all of it runs alone."""

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, width: int) -> AsyncIterator[None]:
        width = min(width, self._places)
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= width)
            self._free -= width
        try:
            yield
        finally:
            async with self._changed:
                self._free += width
                self._changed.notify_all()


def _tasks(work: Iterable[Work], writer: Callable[[str], Writer]) -> Iterator[tuple[Writer, Job, TraceStore]]:
    for item in work:
        shared = writer(item.plan.policy)
        for name, job in item.plan.jobs():
            if not item.has(name):
                yield shared, job, item.store


def _first(group: BaseExceptionGroup[CortError]) -> CortError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, CortError)
    return error


class _Recorder:
    """Stores finished traces, and notices when nothing but failures comes."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._failures = 0

    def record(self, trace: Trace, store: TraceStore) -> None:
        store.append(trace)
        self._meter.add(trace)
        self._failures = self._failures + 1 if trace.stop_reason in FAILED else 0
        if self._failures >= FAILURES_IN_A_ROW:
            raise EngineError(
                f"{self._failures} rollouts in a row failed, the last with: {trace.error}; finished traces are "
                "kept: start the same command again when this is mended"
            )


def provenance(recipe: Recipe, model: str, meter: Meter) -> dict[str, Any]:
    """What wrote the traces of a stage, and how fast in the last session, for its manifest."""
    return {
        "recipe": {"name": recipe.name, "digest": recipe.digest()},
        "engine": {"kind": recipe.engine.kind, "model": model, "model_hash": model_hash(recipe, model)},
        "interpreter": {**interpreter_used(recipe).model_dump(), "PYTHONHASHSEED": "0"},
        "versions": {"cort": version("cort-data"), "python": platform.python_version()},
        "last_session": {
            "traces": meter.traces,
            "seconds": round(meter.seconds, 1),
            "model_tokens": meter.tokens,
            "model_tokens_per_s": round(meter.tokens_per_s, 1),
        },
    }


def summary(traces: Iterable[Trace]) -> dict[str, Any]:
    """Counts over the traces of a stage, for its manifest; of a search, what it found out about each hint."""
    stops: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    candidates = CandidateTable()
    for trace in traces:
        stops[trace.stop_reason] += 1
        candidates.add(trace)
        sums["traces"] += 1
        sums["failed"] += trace.error is not None
        sums["model_tokens_kept"] += trace.kept_tokens
        sums["model_tokens_generated"] += trace.generated_tokens
        sums["executed_blocks"] += trace.calls
        sums["hints"] += sum(e.kind == "hint" and e.outcome == "fired" for e in trace.events)
    names = ("traces", "failed", "model_tokens_kept", "model_tokens_generated", "executed_blocks", "hints")
    rows = candidates.rows()
    return {
        **{name: sums[name] for name in names},
        "stop_reasons": dict(stops.most_common()),
        **({"candidates": rows} if rows else {}),
    }
