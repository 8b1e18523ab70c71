"""Writing traces: many rollouts at once, each recorded when it is finished. Synthesis and evaluation share this."""

from __future__ import annotations

import asyncio
import platform
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from cort_data.budget import Allowance
from cort_data.candidates import CandidateTable
from cort_data.errors import BudgetError, CortError, EngineError, RecipeError, RunError
from cort_data.jobs import Job, Writer, rollout_seed
from cort_data.progress import Meter
from cort_data.recipe import Recipe
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
    writer: str | None = None
    """The name under which its writer is asked for; None: the policy's."""

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


async def write_traces(
    work: Iterable[Work], writer: Callable[[str], Writer], in_flight: int, meter: Meter, allowance: Allowance
) -> None:
    """Write all missing traces, `in_flight` rollouts at once, as far as the allowance goes.

    A failed rollout is a recorded trace; a resumed run writes it again. Raises EngineError if the engine fails time
    after time, BudgetError if traces are left that the allowance does not allow.
    """
    queue = _Queue(_tasks(work, writer), allowance)
    recorder = _Recorder(meter)
    room = _Room(in_flight)

    async def worker() -> None:
        while (task := await queue.next()) is not None:
            async with room.of(task.writer.width):
                trace = await task.writer.run(task.job)
                recorder.record(trace, task.store)
            await queue.done(task, trace)

    try:
        with allowance.writing():
            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(worker())
    except* CortError as errors:
        raise _first(errors) from None
    queue.check(meter)


@dataclass(frozen=True, eq=False)
class _Task:
    writer: Writer
    job: Job
    store: TraceStore


class _Queue:
    """Hands out traces to be written, in the order of the plan, while the allowance lets one more begin."""

    def __init__(self, tasks: Iterator[_Task], allowance: Allowance) -> None:
        self._tasks, self._allowance = tasks, allowance
        self._started: dict[_Task, float] = {}
        self._changed = asyncio.Condition()
        self._stopped: str | None = None

    async def next(self) -> _Task | None:
        """The next one; None if none is left, or if it may not begin even when all others have ended."""
        async with self._changed:
            while (limit := self._reached()) is not None and self._started:
                await self._changed.wait()
            self._stopped = self._stopped or limit
            task = None if self._stopped else next(self._tasks, None)
            if task is not None:
                self._started[task] = time.monotonic()
            self._changed.notify()  # there may be room for another; they are not all woken to ask
            return task

    async def done(self, task: _Task, trace: Trace) -> None:
        """One is written."""
        self._allowance.count(trace, time.monotonic() - self._started[task])
        async with self._changed:
            del self._started[task]
            self._changed.notify()

    def _reached(self) -> str | None:
        now = time.monotonic()
        return self._allowance.reached([now - started for started in self._started.values()])

    def check(self, meter: Meter) -> None:
        """Raises BudgetError if a limit has left something to be written."""
        if self._stopped and next(self._tasks, None) is not None:
            raise BudgetError(
                f"{self._stopped}: one trace more might pass it; {meter.total - meter.traces:,} traces are still to be "
                f"written, so far {self._allowance.summary()}; what is finished is kept: start the same command with "
                "a higher limit to go on"
            )


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


def _tasks(work: Iterable[Work], writer: Callable[[str], Writer]) -> Iterator[_Task]:
    writers = [(item, writer(item.writer or item.plan.policy)) for item in work]  # what is refused, is before any work
    for item, shared in writers:
        for name, job in item.plan.jobs():
            if not item.has(name):
                yield _Task(shared, job, item.store)


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
