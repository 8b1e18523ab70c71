"""The contract of whatever writes text: a prefix goes in, a stream of chunks comes out.

A prefix is token ids where the engine takes them (nothing is ever tokenized twice), text elsewhere. Engines keep
their cache of prefixes, so that a continuation after a hint or an output costs only the new tokens. Closing the
stream frees the slot.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from cort_data.engines.capabilities import Capabilities


@dataclass(frozen=True, slots=True)
class Turn:
    """A prefix as messages, for servers that take nothing else: they render the template of the model."""

    user: str
    opening: str
    """What the prompt has of the assistant's message: the opening think tag, or nothing."""
    completion: str
    lead: int = 0
    """Characters of the completion that a hint wrote before the model's first word."""

    @property
    def assistant(self) -> str:
        """The assistant's message so far."""
        return self.opening + self.completion


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the model has before it: the prompt and everything written so far."""

    text: str
    ids: tuple[int, ...] | None  # None where the engine has no tokenizer to offer
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw. `temperature` 0 is greedy; the same seed and prefix give the same tokens from one engine."""

    temperature: float
    top_p: float
    seed: int
    max_tokens: int
    stop: tuple[str, ...] = ()  # only the probe asks for it: blocks are cut here, on token boundaries


@dataclass(frozen=True, slots=True)
class Sent:
    """The prefix of a stream in tokens, and how many of them the engine had cached; None where that is not known."""

    total: int
    cached: int | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Newly written tokens, one where the engine can say so.

    `text` of a token that ends inside a character is empty until the character is whole. `finish` is `stop` (an
    end-of-text token, which is part of `ids` and not of `text`), `length`, or None while more may come.
    """

    text: str
    tokens: int
    ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    finish: str | None = None
    sent: Sent | None = None  # of the prefix; with the last chunk, where the engine says it


class Engine(Protocol):
    """Writes text. Raises EngineError; `transient` ones were already tried again."""

    @property
    def name(self) -> str:
        """Kind and model, as recorded in the trace."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do, as a run records it."""
        ...

    @property
    def context(self) -> int:
        """Longest prompt and completion together, in tokens."""
        ...

    async def encode(self, text: str) -> tuple[int, ...] | None:
        """Token ids of a text on its own, control tokens recognized, none added; None: prefixes go as text."""
        ...

    def generate(self, prefix: Prefix, sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """Continue the prefix. The last chunk has a `finish`."""
        ...

    async def close(self) -> None:
        """Free the model or the connections."""
        ...
