"""Two hint policies on the same prefixes: each trace is written once until the policies part, then twice.

While both would do the same, there is one rollout. Where only one of them puts in a hint, it is forked: text, token
ids, detectors and python state are the same on both sides, and what differs afterwards is the hint's doing and chance.
A trace in which the policies never part counts as a difference of 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cort_data.errors import HintError
from cort_data.evaluation.measures import Measured, measure
from cort_data.evaluation.scores import score_traces
from cort_data.evaluation.settings import TEST
from cort_data.grading import Grader
from cort_data.hints.policy import HintPolicy, by_priority, policy_base
from cort_data.jobs import Job, rollout_seed
from cort_data.progress import Meter
from cort_data.recipe import Recipe
from cort_data.rollout import Rollout, Rollouts
from cort_data.search import SEARCHES
from cort_data.sources import read_source
from cort_data.stages.workshop import Workshop, open_workshop, policy_of
from cort_data.statistics import Interval
from cort_data.trace import Problem, Trace

MEASURES = ("accuracy", "tokens_kept", "tokens_generated", "calls")


@dataclass(frozen=True)
class Pair:
    """A trace under both policies; one and the same where they never parted."""

    first: Trace
    second: Trace
    parted: bool


@dataclass(frozen=True)
class Comparison:
    """What two policies gave on the same prefixes. Values and differences are in the order of `measures`."""

    policies: tuple[str, str]
    problems: int
    traces: int
    parted: int
    measures: tuple[str, ...]
    values: tuple[tuple[float | None, ...], tuple[float | None, ...]]
    """None where there is none, as the accuracy of answers that could not be judged."""
    differences: tuple[Interval | None, ...]
    """The second policy minus the first, paired by problem."""


async def compare(recipe: Recipe, first: str, second: str, problems: Sequence[Problem], samples: int) -> Comparison:
    """Write every problem `samples` times. Raises HintError for policies that cannot be compared so."""
    for name in (first, second):
        if policy_base(name) in SEARCHES:
            raise HintError(f"policy {name} is a search and parts at no prefix; compare it by eval.teacher_tokens")
    pairs: list[Pair] = []
    jobs = iter(_jobs(recipe, problems, samples))
    meter = Meter(f"{first} | {second}", len(problems) * samples)
    async with open_workshop(recipe, recipe.engine.model) as workshop:
        parting = _Parting.of(workshop, first, second)

        async def worker() -> None:
            for job in jobs:
                pairs.append(await parting.run(job))
                meter.add(pairs[-1].first)

        with meter:
            async with asyncio.TaskGroup() as group:
                for _ in range(recipe.engine.in_flight):
                    group.create_task(worker())
        return _summary((first, second), pairs, [problem.id for problem in problems], workshop.grader)


def problems_of(recipe: Recipe, count: int | None) -> list[Problem]:
    """The first problems of the recipe's test source."""
    source = recipe.problems.test
    if source is None:
        raise HintError("problems.test: required to compare policies, and missing in the recipe")
    found = list(read_source(source if count is None else source.model_copy(update={"n": count}), "test", recipe.seed))
    return found[:count]


def _jobs(recipe: Recipe, problems: Iterable[Problem], samples: int) -> Iterator[Job]:
    for problem in problems:
        for sample in range(samples):
            yield Job(problem, sample, "compare", rollout_seed(recipe.seed, problem.id, sample))


@dataclass(frozen=True)
class _Parting:
    rollouts: Rollouts
    policies: tuple[HintPolicy, HintPolicy]

    @classmethod
    def of(cls, workshop: Workshop, first: str, second: str) -> _Parting:
        policies = policy_of(workshop.recipe, first), policy_of(workshop.recipe, second)
        both = by_priority(list({repr(hint): hint for policy in policies for hint in policy.hints}.values()))
        rollouts = replace(workshop.rollouts("none"), policy=HintPolicy(f"{first}|{second}", both))
        return cls(rollouts, policies)

    async def run(self, job: Job) -> Pair:
        async with self.rollouts.start(job) as one:
            with one.recording():
                await one.open()
                while (firing := await one.advance()) is not None:
                    wanted = tuple(firing.hint in policy.hints for policy in self.policies)
                    owed = await one.rewind(firing)
                    if not all(wanted):
                        async with await one.fork("second") as other:
                            for rollout, policy, wants in zip((one, other), self.policies, wanted, strict=True):
                                rollout.policy.keep_only(policy.hints)
                                if wants:
                                    await rollout.insert(firing, owed)
                                else:
                                    rollout.policy.decline(firing, "not of this policy")
                            await asyncio.gather(self._finish(one), self._finish(other))
                            return Pair(one.trace(), other.trace(), parted=True)
                    await one.insert(firing, owed)
        return Pair(trace := one.trace(), trace, parted=False)

    async def _finish(self, rollout: Rollout) -> None:
        with rollout.recording():
            await rollout.run()


def _summary(policies: tuple[str, str], pairs: Iterable[Pair], problems: Sequence[str], grader: Grader) -> Comparison:
    at = {problem: i for i, problem in enumerate(problems)}
    pairs = sorted(pairs, key=lambda pair: (at[pair.first.problem.id], pair.first.sample))
    first, second = (
        _measured(traces, problems, grader) for traces in ([p.first for p in pairs], [p.second for p in pairs])
    )
    differences = second.minus(first)
    return Comparison(
        policies=policies,
        problems=len(problems),
        traces=len(pairs),
        parted=sum(pair.parted for pair in pairs),
        measures=MEASURES,
        values=(_values(first), _values(second)),
        differences=tuple(differences[name] for name in MEASURES),
    )


def _measured(traces: Iterable[Trace], problems: Sequence[str], grader: Grader) -> Measured:
    return measure((score for _, score in score_traces(traces, grader, "", TEST)), problems, ())


def _values(measured: Measured) -> tuple[float | None, ...]:
    found = measured.values()
    return tuple(found[name] for name in MEASURES)
