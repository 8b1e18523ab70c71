"""The forms in which a server takes a half-written text, and what its events say in each.

ids, text        POST /completions       the whole text, rendered here by the model's profile
chat_continue    POST /chat/completions  messages, the last one open: `continue_final_message` (vLLM, SGLang)
prefix_flag      POST /chat/completions  messages, the last one with `prefix: true` (DeepSeek, Mistral)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from openai import AsyncOpenAI, AsyncStream
from openai.types import CompletionUsage

from cort_data.engines.base import Prefix, Sampling, Sent, Turn
from cort_data.engines.settings import Continuation

THINKING_FIELDS = ("reasoning_content", "reasoning")  # where servers put thinking, the more common name first
# control tokens as text like all others, nothing added between them
PLAIN = {"skip_special_tokens": False, "spaces_between_special_tokens": False}


@dataclass(frozen=True, slots=True)
class Abilities:
    """How one server is asked for text, and what it then gives."""

    way: Continuation = Continuation.TEXT
    logprobs: bool = False  # says the tokens of a text, with their log-probabilities
    usage: bool = False  # counts the tokens at the end of a stream
    plain: bool = False  # knows vLLM's options for control tokens
    echo: bool = False  # sends the prefix back before what is new
    thinking_field: str | None = None
    think_close: str = "</think>"

    @property
    def ids(self) -> bool:
        """Takes and returns token ids."""
        return self.way is Continuation.IDS

    @property
    def counting(self) -> str:
        """How tokens are counted: `ids`, `logprobs`, `usage` or, as a guess, one a `chunk`."""
        return "ids" if self.ids else "logprobs" if self.logprobs else "usage" if self.usage else "chunk"

    def wire(self) -> Wire:
        """The form of its requests and events."""
        raw = self.way in (Continuation.IDS, Continuation.TEXT)
        return RawWire(self) if raw else ChatWire(self)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event adds: its text, and of its tokens, where known, ids, texts and log-probabilities."""

    text: str
    finish: str | None = None
    ids: tuple[int, ...] | None = None
    texts: tuple[str, ...] | None = None
    logprobs: tuple[float | None, ...] | None = None


class Wire(Protocol):
    """One form. `piece` gives None for an event that is none of this API."""

    @property
    def thinking_field(self) -> str | None:
        """The field in which thinking came; None so far."""
        ...

    async def open(self, client: AsyncOpenAI, model: str, prefix: Prefix, sampling: Sampling) -> AsyncStream[Any]:
        """Ask for a continuation."""
        ...

    def sent(self, prefix: Prefix) -> str:
        """The text that an echoing server sends back."""
        ...

    def piece(self, choice: Any) -> Piece | None:  # noqa: ANN401 - whatever the server sent
        """What a choice of an event adds."""
        ...


class RawWire:
    """`/completions`: the prefix as one text, or as token ids."""

    thinking_field = None

    def __init__(self, abilities: Abilities) -> None:
        self._abilities = abilities

    async def open(self, client: AsyncOpenAI, model: str, prefix: Prefix, sampling: Sampling) -> AsyncStream[Any]:
        """Ask for a continuation."""
        abilities = self._abilities
        ids = prefix.ids if abilities.ids else None
        options = _options(sampling) | _usage(abilities)
        if abilities.ids or abilities.logprobs:
            options["logprobs"] = 0 if abilities.ids else 1
        extra: dict[str, Any] = dict(PLAIN) if abilities.plain or abilities.ids else {}
        if abilities.ids:
            extra["return_token_ids"] = True
        prompt: str | list[int] = prefix.text if ids is None else list(ids)
        events: AsyncStream[Any] = await client.completions.create(
            model=model, prompt=prompt, stream=True, extra_body=extra, **options
        )
        return events

    def sent(self, prefix: Prefix) -> str:
        """The text that an echoing server sends back."""
        return prefix.text

    def piece(self, choice: Any) -> Piece | None:  # noqa: ANN401
        """What a choice of an event adds."""
        text = getattr(choice, "text", None)
        if not isinstance(text, str):
            return None
        ids = (choice.model_extra or {}).get("token_ids") if self._abilities.ids else None
        logprobs = choice.logprobs
        return Piece(
            text=text,
            finish=choice.finish_reason,
            ids=None if ids is None else tuple(ids),
            texts=tuple(logprobs.tokens) if logprobs and logprobs.tokens else None,
            logprobs=tuple(logprobs.token_logprobs) if logprobs and logprobs.token_logprobs else None,
        )


class ChatWire:
    """`/chat/completions` with an open last message.

    Thinking that comes in a field of its own is put back into the text, with the tag that the server took out of it.
    """

    def __init__(self, abilities: Abilities) -> None:
        self._abilities = abilities
        self.thinking_field: str | None = None
        self._thinks = False

    async def open(self, client: AsyncOpenAI, model: str, prefix: Prefix, sampling: Sampling) -> AsyncStream[Any]:
        """Ask for a continuation."""
        abilities, turn = self._abilities, turn_of(prefix)
        options = _options(sampling) | _usage(abilities)
        if abilities.logprobs:
            options["logprobs"] = True
        extra: dict[str, Any] = dict(PLAIN) if abilities.plain else {}
        messages: Any = [{"role": "user", "content": turn.user}]
        if turn.assistant:
            messages.append(self._last(turn))
            if abilities.way is Continuation.CHAT_CONTINUE:
                extra |= {"add_generation_prompt": False, "continue_final_message": True}
        events: AsyncStream[Any] = await client.chat.completions.create(
            model=model, messages=messages, stream=True, extra_body=extra, **options
        )
        return events

    def sent(self, prefix: Prefix) -> str:
        """The text that an echoing server sends back."""
        return turn_of(prefix).assistant

    def piece(self, choice: Any) -> Piece | None:  # noqa: ANN401
        """What a choice of an event adds."""
        delta = getattr(choice, "delta", None)
        if delta is None:
            return None
        text, (field, thought) = delta.content or "", thought_of(delta.model_extra or {})
        if thought:
            self._thinks, self.thinking_field = True, field
        elif text and self._thinks:
            self._thinks = False
            text = self._abilities.think_close + text
        tokens = (choice.logprobs.content or None) if choice.logprobs else None
        return Piece(
            text=thought + text,
            finish=choice.finish_reason,
            texts=tuple(t.token for t in tokens) if tokens else None,
            logprobs=tuple(t.logprob for t in tokens) if tokens else None,
        )

    def _last(self, turn: Turn) -> dict[str, Any]:
        """The assistant's message so far. DeepSeek takes open thinking in the field in which it gives it."""
        if self._abilities.way is not Continuation.PREFIX_FLAG:
            return {"role": "assistant", "content": turn.assistant}
        field, close = self._abilities.thinking_field, self._abilities.think_close
        if field is None:
            return {"role": "assistant", "content": turn.assistant, "prefix": True}
        thought, tag, answer = turn.completion.partition(close)
        return {"role": "assistant", "content": answer if tag else "", field: thought, "prefix": True}


def turn_of(prefix: Prefix) -> Turn:
    """The prefix as messages; without any, the whole text is the user's."""
    return prefix.turn or Turn(user=prefix.text, opening="", completion="")


def thought_of(extra: Mapping[str, Any]) -> tuple[str | None, str]:
    """Thinking in a field of its own: (name of the field, text), or nothing."""
    found = ((name, value) for name in THINKING_FIELDS if isinstance(value := extra.get(name), str) and value)
    return next(found, (None, ""))


def _options(sampling: Sampling) -> dict[str, Any]:
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed % 2**31,
    } | ({"stop": list(sampling.stop)} if sampling.stop else {})


def _usage(abilities: Abilities) -> dict[str, Any]:
    return {"stream_options": {"include_usage": True}} if abilities.usage else {}


def sent_of(usage: CompletionUsage | None) -> Sent | None:
    """What a server says of the prompt; None where it counts nothing."""
    return None if usage is None else Sent(usage.prompt_tokens, cached_tokens(usage))


def cached_tokens(usage: CompletionUsage | None) -> int | None:
    """Tokens of the prompt that came from the server's cache; None where it does not say."""
    details = usage.prompt_tokens_details if usage else None
    return details.cached_tokens if details else None
