"""The rollout loop: engine × interpreter × hint policy × budget → Trace. The only one in the code base.

Synthesis, rejection sampling, evaluation and reinforcement learning all run it. Each trace proceeds alone (no
rounds): the model writes until a python block closes, an output is forged, a hint fires or the text ends; then the
stream is closed, the transcript is extended, and the model goes on from there.

Budgets: `calls` counts executed blocks; `tokens` counts model tokens that were generated, rewound ones included;
the engine's context bounds everything together. A failed rollout is a recorded trace with its error; a programming
error ends the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from types import TracebackType
from typing import Self

from cort_data.account import Account
from cort_data.agreement import agrees, first_difference
from cort_data.beginning import before, find_cut, objection
from cort_data.blocks import blocks
from cort_data.engines.base import Chunk, Engine, Sampling, Turn
from cort_data.errors import ContextError, EngineError, InterpreterError
from cort_data.fences import Mark, PieceKind
from cort_data.grading import extract_answer
from cort_data.hints.judge import Judges
from cort_data.hints.policy import Firing, HintPolicy, Policy, View
from cort_data.interpreter import Interpreter, Result, Session
from cort_data.jobs import Job, RolloutSettings, Stop
from cort_data.profiles import Profile
from cort_data.prompts import render_prompt
from cort_data.trace import (
    IMPORTED,
    Event,
    HintMark,
    InterpreterUsed,
    Kind,
    Origin,
    SamplingUsed,
    Segment,
    Trace,
    feedback,
    trace_id,
)
from cort_data.transcript import Dropped, Transcript

BUDGET_NOTICE = "No python calls are left. Continue by reasoning and give the final answer."
STATE_NOTICE = "The python session was restarted: variables, imports and functions of earlier blocks are gone."
MAX_FORGED = 3  # a model that keeps writing outputs itself is stopped


@dataclass(frozen=True)
class Rollouts:
    """What all traces of a stage share. `run` may be called for thousands of jobs at once."""

    engine: Engine
    interpreter: Interpreter
    interpreter_used: InterpreterUsed
    profile: Profile
    policy: HintPolicy
    settings: RolloutSettings
    temperature: float
    top_p: float
    judges: Judges = field(default_factory=Judges)
    runs_code: bool = True
    """False: text only; a block stays as the model wrote it, and the model goes on."""

    width = 1

    async def run(self, job: Job) -> Trace:
        """Write one trace. Engine and interpreter failures become its `stop_reason` and `error`."""
        async with self.start(job) as rollout:
            with rollout.recording():
                await rollout.open()
                await rollout.run()
        return rollout.trace()

    def start(self, job: Job) -> Rollout:
        """A rollout at its beginning, to be opened."""
        content = render_prompt(self.settings.prompt, job.problem)
        prompt = self.profile.render(content)
        return Rollout(
            shared=self,
            job=job,
            transcript=Transcript(prompt, self.engine.encode, Turn(content, self.profile.opening, "")),
            view=View(self.settings.calls, self.profile.think_close, job.seed),
            policy=self.policy.start(job.problem, job.seed),
        )


@dataclass
class Rollout:
    """One trace while it is written. It can be stopped where a hint fires, and forked there.

    A context manager that closes it.
    """

    shared: Rollouts
    job: Job
    transcript: Transcript
    view: View
    policy: Policy
    account: Account = field(default_factory=Account)
    session: Session | None = None
    events: list[Event] = field(default_factory=list)
    calls: int = 0
    generated: int = 0
    """Model tokens so far: dropped ones and, in a fork, those before it are included."""
    streams: int = 0
    forged: int = 0
    warned: bool = False
    state_lost: bool = False
    branch: str = ""
    """Names a fork, so that it draws other tokens than its siblings."""
    pending: Firing | None = None
    """A hint that fired in the trace to begin from, and goes in where it ends now."""
    stop: Stop | None = None
    error: str | None = None
    watch: Callable[[], None] | None = None
    """Called when the text has grown; what of it stays is `transcript.settled`."""

    async def open(self) -> None:
        """Encode the prompt, and take over the beginning of the job's trace if it has one."""
        await self.transcript.open()
        if self.job.begin is not None:
            await self._begin(self.job.begin)

    async def run(self) -> None:
        """Write to the end, with every hint that fires."""
        while (firing := await self.advance()) is not None:
            await self.insert(firing, await self.rewind(firing))

    async def advance(self) -> Firing | None:
        """Write until a hint fires, and return it; None at the end, whose reason `stop` then is."""
        firing, self.pending = self.pending, None
        if firing is not None:
            return firing
        while self.stop is None:
            firing = None if self.transcript.in_code else self.policy.observe(self.view)
            if firing is None:
                self.stop, firing = await self._write()
            if firing is not None:
                objection = await self.shared.judges.refusal(firing, self.view.text)
                if objection is None:
                    return firing
                self.policy.decline(firing, objection)
        self.transcript.commit()
        return None

    async def rewind(self, firing: Firing) -> str:
        """Take back what was written after the place of a hint.

        Cuts between tokens. Returns what the first token taken back had before that place: the hint owes it.
        """
        before = self.transcript.text
        if firing.cut < len(before):
            self._record("rewind", self.transcript.drop_from(firing.cut))
            self.view.truncate(len(self.transcript.text))
        return before[len(self.transcript.text) : firing.cut]

    async def insert(self, firing: Firing, owed: str) -> None:
        """Write a hint where the text was rewound to."""
        mark = HintMark(
            name=firing.hint.name,
            trigger=firing.hint.trigger.name,
            wording=firing.wording,
            span_start=firing.span.start,
            span_end=firing.span.end,
        )
        for segment in await self.transcript.insert_hint(owed + firing.text, mark):
            self.view.append(segment.kind, segment.origin, segment.text)

    async def fork(self, branch: str) -> Rollout:
        """A twin with the same text, detectors and python state. Raises InterpreterError."""
        session = await self.session.fork() if self.session is not None else None
        return replace(
            self,
            transcript=self.transcript.fork(),
            view=self.view.fork(),
            policy=self.policy.fork(),
            session=session,
            events=list(self.events),
            branch=f"{self.branch}/{branch}",
        )

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Failures of the engine and the interpreter end this rollout, and it says so. Fatal ones end the run."""
        try:
            yield
        except ContextError as failure:
            full = self.transcript.text and self.generated
            self.stop, self.error = (Stop.CONTEXT, None) if full else (Stop.ENGINE_ERROR, str(failure))
        except EngineError as failure:
            if failure.fatal:
                raise
            self.stop, self.error = Stop.ENGINE_ERROR, str(failure)
        except InterpreterError as failure:
            self.stop, self.error = Stop.INTERPRETER_ERROR, str(failure)

    def trace(self) -> Trace:
        """What was written; the rollout has ended."""
        assert self.stop is not None
        self.transcript.commit()
        shared, job = self.shared, self.job
        return Trace(
            id=trace_id(job.problem.id, shared.policy.name, job.sample, job.stage),
            problem=job.problem,
            sample=job.sample,
            stage=job.stage,
            prompt=self.transcript.prompt,
            prompt_ids=self.transcript.prompt_ids,
            profile=shared.profile.name,
            policy=shared.policy.name,
            engine=shared.engine.name,
            sampling=SamplingUsed(temperature=shared.temperature, top_p=shared.top_p),
            seed=job.seed,
            interpreter=shared.interpreter_used,
            segments=tuple(self.transcript.segments),
            stop_reason=self.stop.value,
            error=self.error,
            usage=self.account.usage,
            events=(*self._whole_turns(), *self.events, *self.policy.events),
        )

    def _whole_turns(self) -> Iterator[Event]:
        """Says of a trace that no text of it was ever continued."""
        found = self.shared.engine.capabilities
        if not found.continues:
            reason = "the model's own tool calls; a hint stands in the user's message, none in the thinking"
            yield Event(kind="native_tools", reason=reason)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End its python session. The trace can still be had."""
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    async def _begin(self, given: Trace) -> None:
        """Go as far as the first hint in a trace that was written elsewhere; its blocks run here again."""
        firing = await find_cut(given.segments, self.view, self.policy, self.shared.judges)
        if firing is None:
            self.stop = Stop.NO_SPAN
            return
        segments = list(before(given.segments, firing.cut))
        self.error = objection(segments) or await self._run_again(given, segments)
        if self.error is not None:
            self.stop = Stop.NOT_REPLAYED
            return
        for segment in segments:
            await self.transcript.adopt(segment)
            self.view.append(segment.kind, segment.origin, segment.text)
        tokens = sum(s.tokens for s in self.transcript.segments if s.origin is Origin.MODEL)
        self.events.append(Event(kind=IMPORTED, name=given.id, start=0, end=firing.cut, tokens=tokens))
        if self.transcript.tokens >= self.shared.engine.context:
            self.stop = Stop.CONTEXT
        self.pending = firing if self.stop is None else None

    async def _run_again(self, given: Trace, segments: Sequence[Segment]) -> str | None:
        """Bring the python session to the end of these segments; say where an output is another one now."""
        calls = sum(segment.kind is Kind.OUTPUT for segment in segments)
        for block in islice((b for b in blocks(given) if b.output is not None), calls):
            result = await self._run_cell(block.code)
            if not agrees(block, result):
                expected, got = first_difference(block.output or "", result.feedback)
                return f"block {block.number}: its output is {expected!r}, run again it is {got!r}"
        return None

    async def _write(self) -> tuple[Stop | None, Firing | None]:
        """Let the model write until something interrupts it."""
        room = self.shared.engine.context - self.transcript.tokens
        budget = self.shared.settings.tokens - self.generated
        if room <= 0 and not self.generated:
            raise ContextError(
                f"engine.model: the prompt has {self.transcript.tokens:,} tokens and the context holds "
                f"{self.shared.engine.context:,}; serve the model with a longer one"
            )
        if min(room, budget) <= 0:
            return (Stop.LENGTH if budget <= 0 else Stop.CONTEXT), None
        sampling = Sampling(self.shared.temperature, self.shared.top_p, self._stream_seed(), min(room, budget))
        self.transcript.model_continues()
        mark: Mark | None = None
        firing: Firing | None = None
        finish: str | None = None
        async with aclosing(self._stream(sampling)) as stream:
            async for chunk in stream:
                self.generated += chunk.tokens
                finish = chunk.finish
                was_in_code = self.transcript.in_code
                mark = self.transcript.write(chunk)
                if chunk.text:
                    in_code = was_in_code or self.transcript.in_code
                    self.view.append(Kind.CODE if in_code else Kind.TEXT, Origin.MODEL, chunk.text)
                if mark is not None:
                    break
                self._grown()
                if not self.transcript.in_code and (firing := self.policy.observe(self.view)) is not None:
                    break
        if mark is not None:
            stop = await self._handle(mark)
            return stop, None if stop else self.policy.observe(self.view)
        if firing is not None:
            return None, firing
        return self._ended(finish), None

    async def _stream(self, sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """What the model writes after the transcript; what it was sent for that is counted."""
        counted, said = self.transcript.sent(), None
        try:
            async with aclosing(self.shared.engine.generate(self.transcript.prefix(), sampling)) as stream:
                async for chunk in stream:
                    said = chunk.sent or said
                    yield chunk
        finally:
            self.account.add(counted, said)
            self.transcript.known()

    def _ended(self, finish: str | None) -> Stop | None:
        if finish == "length":
            return None  # the next round names the budget that is used up
        answer = extract_answer(self.transcript.text, self.shared.profile.think_close)
        return Stop.ANSWERED if answer is not None else Stop.NO_ANSWER

    async def _handle(self, mark: Mark) -> Stop | None:
        """A block closed, or an output was forged."""
        if mark.kind is PieceKind.TEXT:
            self._record("forged_output", self.transcript.drop_from(mark.start))
            self.view.truncate(len(self.transcript.text))
            self.forged += 1
            return Stop.FORGED_OUTPUT if self.forged == MAX_FORGED else None
        code, dropped = await self.transcript.close_block(mark, ends_line=not self.shared.runs_code)
        if dropped.tokens:
            self._record("glued_fence", dropped)
            self.view.truncate(len(self.transcript.text))
        if not self.shared.runs_code:
            return None
        if self.calls == self.shared.settings.calls:
            return await self._refuse_call()
        await self._call(code)
        return None

    async def _call(self, code: str) -> None:
        """Run a block and show what it printed."""
        result = await self._run_cell(code)
        await self._append(Kind.OUTPUT, result.feedback)
        # the cell that killed the session and the first one after it both say so; the model is told once
        if result.state_lost and not self.state_lost:
            self.events.append(Event(kind="state_lost"))
            await self._append(Kind.NOTICE, STATE_NOTICE)
        self.state_lost = result.state_lost

    async def _run_cell(self, code: str) -> Result:
        self.calls += 1
        if self.session is None:
            self.session = await self.shared.interpreter.session(self.job.seed)
        return await self.session.run(code)

    async def _refuse_call(self) -> Stop | None:
        """Tell the model once that it can run no more code; stop it if it goes on (METHOD §2, budget notice)."""
        if self.warned:
            return Stop.CALLS
        self.warned = True
        await self._append(Kind.NOTICE, BUDGET_NOTICE)
        return None

    async def _append(self, kind: Kind, body: str) -> None:
        text = feedback(kind, body)
        await self.transcript.append_feedback(kind, text)
        self.view.append(kind, Origin.INTERPRETER if kind is Kind.OUTPUT else Origin.SYSTEM, text)
        self._grown()

    def _grown(self) -> None:
        if self.watch is not None:
            self.watch()

    def _record(self, kind: str, dropped: Dropped) -> None:
        self.events.append(Event(kind=kind, tokens=dropped.tokens, text=dropped.text))

    def _stream_seed(self) -> int:
        """Each stream of a trace draws from its own seed."""
        self.streams += 1
        digest = hashlib.sha256(f"{self.job.seed}{self.branch}/{self.streams}".encode()).digest()
        return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF
