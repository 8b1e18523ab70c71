"""Answers in the form of OpenAI's API: one object, or a stream of chunks.

`reasoning_content` and `cort` are additions; clients that do not know them see an ordinary model.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import orjson

from cort_data.endpoint.completion import Ended, Event, Grown
from cort_data.endpoint.refusals import RefusedError

Tree = dict[str, Any]


class Answers:
    """Puts the events of one completion into words."""

    def __init__(self, model: str, engine: str, n: int) -> None:
        self._id, self._created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
        self._model, self._engine, self._n = model, engine, n
        self._ended: list[Ended] = []

    async def whole(self, events: AsyncIterable[Event]) -> bytes:
        """The answer to a request that does not stream."""
        texts = [("", "")] * self._n
        async for event in events:
            if isinstance(event, Grown):
                thinking, answer = texts[event.index]
                texts[event.index] = thinking + event.parts.thinking, answer + event.parts.answer
            else:
                self._ended.append(event)
        choices = [_choice(end, "message", _said(*texts[end.index], role=True)) for end in self._in_order()]
        return orjson.dumps(self._object("chat.completion", choices) | {"usage": self._usage()})

    async def chunks(self, events: AsyncIterable[Event], *, usage: bool) -> AsyncIterator[bytes]:
        """The events of a stream, from the first word to `[DONE]`; a failure in between is the last event."""
        no_usage = {"usage": None} if usage else {}
        try:
            for index in range(self._n):
                yield _event(self._chunk([_open(index, {"role": "assistant", "content": ""})]) | no_usage)
            async for event in events:
                if isinstance(event, Ended):
                    self._ended.append(event)
                    yield _event(self._chunk([_choice(event, "delta", {})]) | no_usage)
                else:
                    yield _event(self._chunk([_open(event.index, _said(*event.parts))]) | no_usage)
        except RefusedError as error:
            yield _event(error.body())
            return
        if usage:
            yield _event(self._chunk([]) | {"usage": self._usage()})
        yield b"data: [DONE]\n\n"

    def _in_order(self) -> list[Ended]:
        return sorted(self._ended, key=lambda end: end.index)

    def _chunk(self, choices: list[Tree]) -> Tree:
        return self._object("chat.completion.chunk", choices)

    def _object(self, kind: str, choices: list[Tree]) -> Tree:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "system_fingerprint": self._engine,
            "choices": choices,
        }

    def _usage(self) -> Tree:
        """The prompt counts once; what the model wrote counts, what the interpreter printed does not."""
        prompt = max(end.prompt_tokens for end in self._ended)
        written = sum(end.model_tokens for end in self._ended)
        return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}


def _said(thinking: str, answer: str, *, role: bool = False) -> Tree:
    """A message or what is new of one; a whole one has a content, be it empty."""
    content = {"content": answer} if answer or role else {}
    reasoning = {"reasoning_content": thinking} if thinking else {}
    return ({"role": "assistant"} if role else {}) | content | reasoning


def _open(index: int, delta: Tree) -> Tree:
    return {"index": index, "delta": delta, "finish_reason": None}


def _choice(end: Ended, key: str, said: Tree) -> Tree:
    own = {"stop_reason": end.reason, "calls": end.calls, "interpreter_tokens": end.interpreter_tokens}
    return {"index": end.index, key: said, "finish_reason": end.finish, "logprobs": None, "cort": own}


def _event(tree: Tree) -> bytes:
    return b"data: " + orjson.dumps(tree) + b"\n\n"
