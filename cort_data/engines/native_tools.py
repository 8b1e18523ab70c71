"""Whole turns of a model that cannot be continued: its own tool calls, with the interpreter as the tool.

The rollout loop sees a text as from any engine: the thinking, a python block for each call, the tag that closes the
thinking, the answer. Going the other way, blocks and outputs of the text become calls and tool messages again. A turn
is one chunk: hints cannot go into it, and nothing of it is taken back. A hint before the model's first word is put at
the end of the user's message.

What is lost: thinking and text of one turn are handed back as one, fences in prose get another info word (`text:`),
so that only calls are run, and of several calls in one turn only the first is made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from openai import AsyncOpenAI, AsyncStream
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk

from cort_data.blocks import feedback_body
from cort_data.engines.base import Chunk, Sampling, Turn
from cort_data.engines.server_errors import ServerError, garbage, translated
from cort_data.engines.wires import sent_of, thought_of
from cort_data.errors import ContextError
from cort_data.fences import PieceKind, code_of, feedback_fence, parse

PYTHON_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "python",
        "description": "Run a python program in a session that keeps its variables; what it prints comes back.",
        "parameters": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
    },
}
_PROSE = re.compile(r"((?:`{3,}|~{3,})[ \t]*)(?=[{.]*(?:python3?|py|output|notice)\b)", re.IGNORECASE)
_HARMLESS = "text:"  # no info word that runs anything


class TurnWriter:
    """Writes one turn. It comes as one chunk; after a transient ServerError the turn is asked for again."""

    def __init__(
        self, client: AsyncOpenAI, model: str, turn: Turn, sampling: Sampling, *, field: str | None, joint: str
    ) -> None:
        self._client, self._model = client, model
        self._turn, self._sampling, self._field, self._joint = turn, sampling, field, joint
        self._url = str(client.base_url)

    async def next(self) -> Chunk:
        """The turn. Raises ServerError, and ContextError where the turn before was cut short."""
        said = _Said()
        messages: Any = list(as_messages(self._turn, self._field))
        tools: Any = [PYTHON_TOOL]
        with translated(self._url, self._model):
            events: AsyncStream[ChatCompletionChunk] = await self._client.chat.completions.create(
                model=self._model,
                messages=messages,
                tools=tools,
                max_tokens=self._sampling.max_tokens,
                temperature=self._sampling.temperature,
                top_p=self._sampling.top_p,
                seed=self._sampling.seed % 2**31,
                stream=True,
                stream_options={"include_usage": True},
            )
        try:
            with translated(self._url, self._model, streaming=True):
                async for event in events:
                    if not said.take(event):
                        raise garbage(self._url, f"an event without a message: {event!r}")
        finally:
            await events.close()
        if said.finish is None:
            raise ServerError(f"engine.url: {self._url} ended a turn before it was finished", transient=True)
        return replace(said.chunk(self._joint), sent=sent_of(said.usage))


class _Said:
    """What has come of a turn."""

    def __init__(self) -> None:
        self.thought, self.text, self.call = "", "", ""
        self.events = 0
        self.finish: str | None = None
        self.usage: CompletionUsage | None = None

    def take(self, event: ChatCompletionChunk) -> bool:
        """Add an event; False if it is none of this API."""
        if not isinstance(getattr(event, "choices", None), list):
            return False
        self.usage = event.usage or self.usage
        for choice in event.choices[:1]:
            delta = choice.delta
            self.thought += thought_of(delta.model_extra or {})[1]
            self.text += delta.content or ""
            for call in delta.tool_calls or ():
                if not call.index and call.function is not None:
                    self.call += call.function.arguments or ""
            self.finish = choice.finish_reason or self.finish
            self.events += 1
        return True

    def chunk(self, joint: str) -> Chunk:
        """The turn as text: `joint` closes the thinking where an answer follows."""
        tokens = self.usage.completion_tokens if self.usage else self.events
        if self.finish == "length":
            return Chunk(tamed("\n\n".join(filter(None, (self.thought, self.text)))), tokens, finish="length")
        if self.call:
            before = tamed("\n\n".join(filter(None, (self.thought, self.text))))
            return Chunk(before + feedback_fence("python", program_of(self.call)).rstrip("\n"), tokens, finish="stop")
        return Chunk(tamed(self.thought) + joint + tamed(self.text), tokens, finish="stop")


def as_messages(turn: Turn, field: str | None) -> Iterator[dict[str, Any]]:
    """The messages that a completion stands for; thinking goes into `field`, or without one into the content.

    Raises ContextError if the completion ends in text: nobody but the model can end its own turn.
    """
    lead, rest = turn.completion[: turn.lead].strip(), turn.completion[turn.lead :]
    yield {"role": "user", "content": "\n\n".join(filter(None, (turn.user, lead)))}
    thought, calls, output = "", 0, ""
    for piece in parse(rest):
        if output and piece.kind is not PieceKind.NOTICE:
            yield _printed(calls, output)
            output = ""
        if piece.kind is PieceKind.TEXT:
            thought = piece.text.strip().replace(_HARMLESS, "")
        elif piece.kind is PieceKind.CODE:
            calls += 1
            yield _call(calls, thought, code_of(piece.text), field)
            thought = ""
        else:
            output = "\n".join(filter(None, (output, feedback_body(piece.text))))
    if output:
        yield _printed(calls, output)
    if thought:
        raise ContextError("engine.url: the server cut a turn short, and it continues no text")


def _call(number: int, thought: str, code: str, field: str | None) -> dict[str, Any]:
    arguments = json.dumps({"code": code}, ensure_ascii=False)
    function = {"name": "python", "arguments": arguments}
    message = {
        "role": "assistant",
        "content": thought,
        "tool_calls": [{"id": f"call_{number}", "type": "function", "function": function}],
    }
    return message | ({"content": "", field: thought} if field else {})


def _printed(number: int, output: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": output}


def program_of(arguments: str) -> str:
    """The program in a call's arguments; arguments that are no JSON are the program."""
    try:
        tree = json.loads(arguments)
    except json.JSONDecodeError:
        return arguments
    code = tree.get("code") if isinstance(tree, dict) else tree
    return code if isinstance(code, str) else arguments


def tamed(prose: str) -> str:
    """Prose whose fences neither run nor pass for an output."""
    return _PROSE.sub(rf"\1{_HARMLESS}", prose)
