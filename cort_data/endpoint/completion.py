"""The answers to one request: rollouts of the one loop, and what they write as it settles."""

from __future__ import annotations

import asyncio
import hashlib
from asyncio import Queue, Task
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus

from cort_data.endpoint.asked import Asked
from cort_data.endpoint.parting import Parting, Parts
from cort_data.endpoint.places import Places
from cort_data.endpoint.refusals import RefusedError
from cort_data.errors import EngineError
from cort_data.jobs import Job, Stop, rollout_seed
from cort_data.prompts import render_prompt
from cort_data.rollout import Rollout, Rollouts
from cort_data.trace import Origin, Problem
from cort_data.transcript import CHARS_A_TOKEN

STAGE = "serve"
UNKNOWN = "?"  # the gold answer of a question that somebody asks
STOP_STRING = "stop_string"
_CUT = (Stop.LENGTH, Stop.CONTEXT)
_FAILED = (Stop.ENGINE_ERROR, Stop.INTERPRETER_ERROR)


@dataclass(frozen=True, slots=True)
class Grown:
    """More of one answer."""

    index: int
    parts: Parts


@dataclass(frozen=True, slots=True)
class Ended:
    """One answer is written."""

    index: int
    finish: str
    """`stop` or `length`, as in OpenAI's API."""
    reason: str
    """The rollout's own: `answered`, `no_answer`, `length`, `context`, `calls`, `forged_output`, `stop_string`."""
    calls: int
    prompt_tokens: int
    model_tokens: int
    """All that the model wrote."""
    interpreter_tokens: int


Event = Grown | Ended


class _StopStringError(Exception):
    """Ends a rollout whose answer came to a stop string."""


class Completion:
    """Writes the answers to a request. Its places are taken from the beginning until `close`."""

    def __init__(self, rollouts: Rollouts, asked: Asked, places: Places) -> None:
        places.take(asked.n)
        settings = rollouts.settings.model_copy(update={"tokens": asked.tokens})
        self.asked = asked
        self._rollouts = replace(rollouts, settings=settings, temperature=asked.temperature, top_p=asked.top_p)
        self._places = places
        self._news: Queue[Event | Task[None] | RefusedError] = Queue()
        self._problem = problem_of(asked.question)

    async def events(self) -> AsyncGenerator[Event, None]:
        """What is written, as it settles. Raises RefusedError for what cannot be written, or is ended.

        Closing the generator ends all rollouts and their python sessions.
        """
        tasks = [asyncio.create_task(self._write(index)) for index in range(self.asked.n)]
        for task in tasks:
            task.add_done_callback(self._news.put_nowait)
        left = len(tasks)
        try:
            while left:
                match await self._news.get():
                    case RefusedError() as error:
                        raise error
                    case Task() as task:
                        task.result()
                        left -= 1
                    case event:
                        yield event
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def end(self, error: RefusedError) -> None:
        """End it before its time."""
        self._news.put_nowait(error)

    def close(self) -> None:
        """Give its places back."""
        self._places.give_back(self.asked.n)

    async def _write(self, index: int) -> None:
        """Write one answer, when its turn has come."""
        seed = rollout_seed(self.asked.seed, self._problem.id, index)
        async with self._places.desks:
            job = Job(problem=self._problem, sample=index, stage=STAGE, seed=seed)
            async with self._rollouts.start(job) as rollout:
                await self._roll(index, rollout)

    async def _roll(self, index: int, rollout: Rollout) -> None:
        parting = Parting(self._rollouts.profile.think_close, self.asked.stops)

        def look(settled: int, ended: bool = False) -> None:
            parts = parting.take(rollout.transcript.text, settled, ended=ended)
            if any(parts):
                self._news.put_nowait(Grown(index, parts))

        def watch() -> None:
            look(rollout.transcript.settled)
            if parting.stopped:
                raise _StopStringError

        rollout.watch = watch
        try:
            with suppress(_StopStringError), rollout.recording():
                await rollout.open()
                await rollout.run()
        except EngineError as error:
            raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
        if rollout.stop in _FAILED:
            raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, f"{rollout.stop}: {rollout.error}")
        look(len(rollout.transcript.text), ended=True)
        self._news.put_nowait(_ended(index, rollout, parting.stopped))


def problem_of(question: str) -> Problem:
    """A question as a problem; the same question has the same id, and so the same seeds."""
    return Problem(id=hashlib.sha256(question.encode()).hexdigest()[:16], text=question, answer=UNKNOWN)


async def check_fits(rollouts: Rollouts, question: str) -> None:
    """Raises RefusedError for a question that leaves no room for an answer."""
    engine = rollouts.engine
    prompt = rollouts.profile.render(render_prompt(rollouts.settings.prompt, problem_of(question)))
    if len(prompt.encode()) < engine.context:  # no token is shorter than a byte
        return
    ids = await engine.encode(prompt)
    if ids is not None and len(ids) >= engine.context:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            f"messages: {len(ids):,} tokens, and the model's context holds {engine.context:,} with the answer",
            "messages",
            "context_length_exceeded",
        )


def _ended(index: int, rollout: Rollout, stopped: bool) -> Ended:
    transcript = rollout.transcript
    ids = transcript.prompt_ids
    return Ended(
        index=index,
        finish="length" if rollout.stop in _CUT and not stopped else "stop",
        reason=STOP_STRING if stopped else str(rollout.stop),
        calls=rollout.calls,
        prompt_tokens=len(transcript.prompt) // CHARS_A_TOKEN if ids is None else len(ids),
        model_tokens=rollout.generated,
        interpreter_tokens=sum(s.tokens for s in transcript.segments if s.origin is Origin.INTERPRETER),
    )
