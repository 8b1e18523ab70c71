"""Searches: several rollouts for one trace, of which the shortest right one is kept.

- `BranchSearch` (policy `branch`; METHOD §6.2): wherever a hint would fire, the trace goes on from the same prefix with
  the hint and without it, several times each. The hint stays only if it pays: no less often right, and cheaper. What it
  saves is then estimated anew, on continuations that had no part in the choice.
- `ShortestOf` (policy `shortest_of_n`): n rollouts.
- `WithinTokens`: as many traces of any policy as a token budget holds, so that policies that write once and those that
  search can be compared at equal cost.

All choose by the gold answer, as rejection sampling does: they make data sets, and say nothing about what a model would
do alone. What was written and not kept is in the trace's events, so that `generated_tokens` is the whole cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from cort_data.errors import InterpreterError
from cort_data.grading import Grader, Verdict, extract_answer
from cort_data.hints.policy import Firing
from cort_data.jobs import Job, Writer, rollout_seed
from cort_data.rollout import Rollout, Rollouts
from cort_data.trace import Arm, Arms, Event, Segment, Trace, Usage

T = TypeVar("T")

SEARCHES = ("branch", "shortest_of_n")
"""The policies that are searches."""


class SearchSettings(BaseModel):
    """How far a search goes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(4, ge=1, description="Rollouts a trace of the policy shortest_of_n")
    samples: int = Field(2, ge=1, description="Continuations with and without each hint that choose (branch)")
    fresh: int = Field(1, ge=0, description="Continuations of each kind that estimate what a kept hint saves (branch)")
    candidates: int = Field(8, ge=1, description="Places a trace at which a hint is tried (branch)")


async def is_right(grader: Grader, trace: Trace, think_close: str) -> bool:
    """Is the trace's answer the gold answer? An unscored one is not."""
    grade = await grader.agrade(trace.problem.answer, extract_answer(trace.text, think_close))
    return grade.verdict is Verdict.EQUAL


@dataclass(frozen=True)
class ShortestOf:
    """The shortest right one of n rollouts; the first where none is right."""

    rollouts: Rollouts
    grader: Grader
    n: int

    @property
    def width(self) -> int:
        """Rollouts at once."""
        return self.n

    async def run(self, job: Job) -> Trace:
        """Write n traces at once, keep one."""
        traces = await _all([self.rollouts.run(replace(job, seed=_seed(job, i))) for i in range(self.n)])
        return await _keep(traces, self.grader, self.rollouts.profile.think_close)


@dataclass(frozen=True)
class WithinTokens:
    """The shortest right one of as many traces as fit into `tokens`; of one, if one is dearer than that.

    A further trace is begun while it fits at the mean cost of those before it, so that the budget is neither passed on
    average by dear traces nor left by cheap ones.
    """

    writer: Writer
    grader: Grader
    tokens: int
    think_close: str

    @property
    def width(self) -> int:
        """Rollouts at once."""
        return self.writer.width

    async def run(self, job: Job) -> Trace:
        """Write traces one after another, keep one."""
        traces: list[Trace] = []
        spent = 0
        while not traces or (traces[-1].error is None and spent + spent / len(traces) <= self.tokens):
            traces.append(await self.writer.run(replace(job, seed=_seed(job, len(traces)))))
            spent += traces[-1].generated_tokens
        return await _keep(traces, self.grader, self.think_close)


def _seed(job: Job, i: int) -> int:
    """Of the i-th trace; the first is the one that would be written without a search. Their parity is the same."""
    return job.seed if i == 0 else rollout_seed(job.seed, f"{job.problem.id}/{i}", job.seed % 2)


async def _keep(traces: Sequence[Trace], grader: Grader, think_close: str) -> Trace:
    """The shortest right trace, or the first; it carries the cost of all. A failure anywhere is the whole's failure."""
    failed = next((trace for trace in traces if trace.error is not None), None)
    right = [trace for trace in traces if failed is None and await is_right(grader, trace, think_close)]
    kept = failed or min(right or traces[:1], key=lambda trace: trace.kept_tokens)
    usage = sum((trace.usage for trace in traces if trace.usage is not None), Usage())
    costly = kept.model_copy(update={"usage": usage})
    return _with_cost(costly, sum(trace.generated_tokens for trace in traces))


def _with_cost(trace: Trace, tokens: int) -> Trace:
    """The trace with an event for what was written beside it; `tokens` is the whole cost."""
    lost = tokens - trace.generated_tokens
    events = (*trace.events, Event(kind="losing_branches", tokens=lost)) if lost else trace.events
    return trace.model_copy(update={"events": events})


class _Place(NamedTuple):
    """A rollout that stands where a hint may go in: rewound to there, with what the hint owes."""

    rollout: Rollout
    firing: Firing
    owed: str


class _Ending(NamedTuple):
    """A continuation that was written to its end, and the first place on its way where a hint would have fired."""

    rollout: Rollout
    right: bool
    cost: int
    """Tokens generated from the place on; all that it might have used where it is not right."""
    place: _Place | None

    @property
    def rank(self) -> tuple[bool, int]:
        """Less is better: right ones first, then those of fewer model tokens."""
        return not self.right, self.rollout.trace().kept_tokens


@dataclass(frozen=True)
class BranchSearch:
    """Tries each hint before it goes in.

    At each place where the policy fires, `samples` continuations with the hint and as many without it are written to
    the end; in them no further hint goes in, so that the two differ in this one alone. The hint stays if it pays. The
    search then goes on along the best continuation of the chosen kind, to the next place where a hint fires. The trace
    kept is the best continuation of the last place.

    The token budget bounds a path, not the search.
    """

    rollouts: Rollouts
    grader: Grader
    settings: SearchSettings

    @property
    def width(self) -> int:
        """Rollouts at once."""
        return 2 * max(self.settings.samples, self.settings.fresh)

    async def run(self, job: Job) -> Trace:
        """Write one trace. A failure of the engine or the interpreter anywhere ends it, as it ends a rollout."""
        async with self.rollouts.start(job) as root, _Search(self) as search:
            with root.recording():
                await root.open()
                return await search.run(root)
        return _with_cost(root.trace(), search.spent)


class _Search:
    """The search of one trace: the rollouts that it holds, and what they have cost."""

    def __init__(self, shared: BranchSearch) -> None:
        self._shared = shared
        self._settings = shared.settings
        self._events: list[Event] = []
        self._saved: dict[tuple[str, int, int], float] = {}
        self._held: list[Rollout] = []
        self.spent = 0

    async def run(self, root: Rollout) -> Trace:
        """Write the trace; `root` is at its beginning."""
        firing = await root.advance()
        self.spent = root.generated
        if firing is None:
            return root.trace()
        place: _Place | None = _Place(root, firing, await root.rewind(firing))
        kept: _Ending | None = None
        for number in range(self._settings.candidates):
            if place is None:
                break
            try:
                best = await self._try(place, str(number))
            except InterpreterError as failure:  # a session that cannot be forked: there is no going back in this trace
                if kept is None:
                    return await self._straight_on(place, str(failure))
                break
            kept = best if kept is None else min(kept, best, key=lambda ending: ending.rank)
            place = best.place
        assert kept is not None
        return self._finished(kept.rollout)

    async def _try(self, place: _Place, name: str) -> _Ending:
        """Both arms of a place; the best continuation of the better arm."""
        hinted, plain = await self._arms(place, name, self._settings.samples)
        arms = Arms(with_hint=_arm(hinted), without=_arm(plain))
        outcome = _outcome(arms)
        if outcome == "win" and self._settings.fresh:
            fresh = await self._arms(place, f"{name}fresh", self._settings.fresh)
            arms = arms.model_copy(update={"fresh_with_hint": _arm(fresh[0]), "fresh_without": _arm(fresh[1])})
            saved = arms.fresh_without.mean_tokens - arms.fresh_with_hint.mean_tokens
            self._saved[(place.firing.hint.name, place.firing.span.start, place.firing.span.end)] = saved
        self._events.append(_candidate(place.firing, outcome, arms))
        best = min(hinted if outcome == "win" else plain, key=lambda ending: ending.rank)
        await self._let_go(but=best.place)
        return best

    async def _arms(self, place: _Place, name: str, count: int) -> tuple[list[_Ending], list[_Ending]]:
        """`count` continuations with the hint, and as many without it, all at once."""
        names = [(hinted, f"{name}{'+' if hinted else '-'}{i}") for hinted in (True, False) for i in range(count)]
        endings = await _all([self._continue(place, hinted, branch) for hinted, branch in names])
        return endings[:count], endings[count:]

    async def _continue(self, place: _Place, hinted: bool, name: str) -> _Ending:
        rollout = await self._fork(place.rollout, name)
        if hinted:
            await rollout.insert(place.firing, place.owed)
        else:
            rollout.policy.decline(place.firing, "branch search: it does not pay")
        following: _Place | None = None
        firing = await rollout.advance()
        if firing is not None:
            there = await self._fork(rollout, "then")
            following = _Place(there, firing, await there.rewind(firing))
            rollout.policy.decline(firing, "branch search: tried from here on, not in this continuation")
            rollout.policy.keep_only(())
            await rollout.advance()
        await rollout.close()
        tokens = rollout.generated - place.rollout.generated
        self.spent += tokens
        right = await is_right(self._shared.grader, rollout.trace(), self._shared.rollouts.profile.think_close)
        full = self._shared.rollouts.settings.tokens - place.rollout.generated
        return _Ending(rollout, right, tokens if right else max(full, tokens), following)

    async def _straight_on(self, place: _Place, reason: str) -> Trace:
        """A rollout as any other, from a place where nothing can be tried."""
        self._events.append(_candidate(place.firing, "tie", None, reason))
        before = place.rollout.generated
        await place.rollout.insert(place.firing, place.owed)
        await place.rollout.run()
        self.spent += place.rollout.generated - before
        return self._finished(place.rollout)

    def _finished(self, rollout: Rollout) -> Trace:
        """The trace with what the search found: events of the candidates, savings of the hints, the whole cost."""
        trace = rollout.trace()
        segments = tuple(self._with_saving(segment) for segment in trace.segments)
        events = (*trace.events, *self._events)
        return _with_cost(trace.model_copy(update={"segments": segments, "events": events}), self.spent)

    def _with_saving(self, segment: Segment) -> Segment:
        mark = segment.hint
        saved = self._saved.get((mark.name, mark.span_start, mark.span_end)) if mark else None
        if mark is None or saved is None:
            return segment
        return segment.model_copy(update={"hint": mark.model_copy(update={"tokens_saved": saved})})

    async def _fork(self, rollout: Rollout, name: str) -> Rollout:
        twin = await rollout.fork(name)
        self._held.append(twin)
        return twin

    async def _let_go(self, but: _Place | None) -> None:
        """Close the sessions of all rollouts but the one to go on from."""
        keep = [but.rollout] if but else []
        gone = [rollout for rollout in self._held if all(rollout is not kept for kept in keep)]
        self._held = keep
        for rollout in gone:
            await rollout.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._let_go(but=None)


def _arm(endings: Sequence[_Ending]) -> Arm:
    return Arm(correct=tuple(e.right for e in endings), tokens=tuple(e.cost for e in endings))


def _outcome(arms: Arms) -> str:
    """`win` if the hint pays: no less often right, and cheaper."""
    gain = arms.with_hint.accuracy - arms.without.accuracy
    saved = arms.without.mean_tokens - arms.with_hint.mean_tokens
    if gain == 0 and saved == 0:
        return "tie"
    return "win" if gain >= 0 and saved > 0 else "loss"


def _candidate(firing: Firing, outcome: str, arms: Arms | None, reason: str | None = None) -> Event:
    return Event(
        kind="candidate",
        name=firing.hint.name,
        trigger=firing.hint.trigger.name,
        start=firing.span.start,
        end=firing.span.end,
        score=firing.span.score,
        threshold=firing.span.threshold,
        outcome=outcome,
        reason=reason,
        arms=arms,
    )


async def _all(work: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """The results in order. When one fails, the others are ended before its error is raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
