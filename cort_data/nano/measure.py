"""What the nano models do on `dev` problems, through the real rollout loop: written down beside the weights' training.

The nano world tests the mechanism only. `test` problems are never opened here: all tuning is done on `dev`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cort_data.engines import Engine, EngineSettings, open_engine
from cort_data.filters.base import FilterParams, Resources
from cort_data.filters.wasted import DelayedComputation, ResultDistrust
from cort_data.grading import Grader, Verdict, extract_answer
from cort_data.hints.policy import load_policy
from cort_data.interpreter import Interpreter, Limits, open_interpreter
from cort_data.jobs import Job, RolloutSettings, rollout_seed
from cort_data.nano.families import problems
from cort_data.nano.phrases import NANO_HINTS
from cort_data.nano.task import Level
from cort_data.profiles import load_profile
from cort_data.rollout import Rollouts
from cort_data.trace import InterpreterUsed, Problem, Trace

WEIGHTS = Path(__file__).parent / "weights"
NOTE = "The nano world tests the mechanism; its numbers say nothing about models of useful size."
MODES: dict[str, tuple[str, int]] = {
    "by_hand": ("none+by_hand", 0),
    "none": ("none", 6),
    "code_opened": ("none+delayed_computation+result_distrust", 6),
    "code_at_once": ("none+code_at_once+result_distrust", 6),
    "prompt_hint": ("prompt_hint", 6),
    "hint_engineering": ("hint_engineering", 6),
}
"""Mode → hint policy and call budget.

code_opened: a block is opened where manual work begins, after the problem was put into words; code_at_once: before the
first word. Where the second is worse, a family needs its set-up."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is measured. Half of the traces see hint wordings of the corpus, half see others."""

    n: int = 500
    seed: int = 11
    tokens: int = 1000
    """Model tokens a trace."""
    temperature: float = 0.6
    top_p: float = 0.95
    in_flight: int = 96
    isolation: str = "full"


async def measure(folder: Path, what: Measurement, level: Level = "normal") -> dict[str, Any]:
    """The row of each mode for the model in `folder`."""
    pool = problems("dev", what.n, what.seed, level)
    settings = EngineSettings(model=str(folder), profile="nano", in_flight=what.in_flight)
    engine = await open_engine(settings)
    try:
        async with open_interpreter("local", Limits(), what.isolation) as interpreter:
            return {mode: await _row(await _write(engine, interpreter, what, mode, pool)) for mode in MODES}
    finally:
        await engine.close()


async def _write(
    engine: Engine, interpreter: Interpreter, what: Measurement, mode: str, pool: Sequence[Problem]
) -> list[Trace]:
    """One trace a problem under the mode's policy."""
    policy, calls = MODES[mode]
    limits = Limits()
    rollouts = Rollouts(
        engine=engine,
        interpreter=interpreter,
        interpreter_used=InterpreterUsed(
            backend="local",
            isolation=what.isolation,
            timeout_s=limits.timeout_s,
            memory_mb=limits.memory_mb,
            output_chars=limits.output_chars,
        ),
        profile=load_profile("nano"),
        policy=load_policy(policy, (NANO_HINTS,)),
        settings=RolloutSettings(policy=policy, calls=calls, tokens=what.tokens, prompt="plain"),
        temperature=what.temperature,
        top_p=what.top_p,
    )
    gate = asyncio.Semaphore(what.in_flight)

    async def one(index: int, problem: Problem) -> Trace:
        async with gate:
            seed = rollout_seed(what.seed, problem.id, index % 2)
            return await rollouts.run(Job(problem, index % 2, "measure", seed))

    return await asyncio.gather(*(one(i, problem) for i, problem in enumerate(pool)))


async def _row(traces: Sequence[Trace]) -> dict[str, Any]:
    """Rates and means over the traces; families one by one."""
    with Grader() as grader:
        pairs = [(t.problem.answer, extract_answer(t.text)) for t in traces]
        right = [grade.verdict is Verdict.EQUAL for grade in grader.grade_many(pairs)]
    delayed, distrust = DelayedComputation(FilterParams(), Resources()), ResultDistrust(FilterParams(), Resources())
    late = [(await delayed.decide(t)).reason == "delayed_computation" for t in traces]
    doubt = [not (await distrust.decide(t)).keep for t in traces]
    return {
        "traces": len(traces),
        "accuracy": _mean(right),
        "accuracy_seen_wordings": _mean([ok for ok, t in zip(right, traces, strict=True) if t.seed % 2 == 0]),
        "accuracy_unseen_wordings": _mean([ok for ok, t in zip(right, traces, strict=True) if t.seed % 2]),
        "code_use_rate": _mean([t.calls > 0 for t in traces]),
        "delayed_computation_rate": _mean(late),
        "result_distrust_rate": _mean(doubt),
        "calls": _mean([t.calls for t in traces]),
        "tokens_kept": _mean([t.kept_tokens for t in traces]),
        "tokens_generated": _mean([t.generated_tokens for t in traces]),
        "families": _families(traces, right),
    }


def _families(traces: Sequence[Trace], right: Sequence[bool]) -> dict[str, float]:
    by_family: dict[str, list[bool]] = {}
    for trace, ok in zip(traces, right, strict=True):
        by_family.setdefault(trace.problem.id.split("-")[1], []).append(ok)
    return {family: _mean(oks) for family, oks in sorted(by_family.items())}


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
