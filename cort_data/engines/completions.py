"""One text from `/v1/completions`: events of the server become chunks of one token, over broken connections too.

A connection that breaks is opened again behind what was delivered, so a reader sees one stream. What is sent
depends on the server's abilities, which `server_probe` found out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from openai import AsyncOpenAI, AsyncStream
from openai.types import Completion, CompletionChoice

from cort_data.engines.base import Chunk, Prefix, Sampling
from cort_data.engines.server_errors import ServerError, garbage, translated

# vLLM: every token with its id, control tokens as text like all others, nothing added between them
EXACT = {"return_token_ids": True, "skip_special_tokens": False, "spaces_between_special_tokens": False}


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server can do."""

    ids: bool = False  # takes and returns token ids
    logprobs: bool = False  # says the tokens of a text, with their log-probabilities
    usage: bool = False  # counts the tokens at the end of a stream

    @property
    def counting(self) -> str:
        """How tokens are counted: `ids`, `logprobs`, `usage` or, as a guess, one a `chunk`."""
        return "ids" if self.ids else "logprobs" if self.logprobs else "usage" if self.usage else "chunk"

    def options(self) -> dict[str, Any]:
        """Request options that make use of them."""
        options: dict[str, Any] = {"extra_body": EXACT} if self.ids else {}
        if self.ids or self.logprobs:
            options["logprobs"] = 0 if self.ids else 1
        if self.usage:
            options["stream_options"] = {"include_usage": True}
        return options


class CompletionReader:
    """Reads one completion, chunk by chunk. After a transient ServerError, `next` goes on behind the last chunk."""

    def __init__(
        self, client: AsyncOpenAI, model: str, abilities: Abilities, prefix: Prefix, sampling: Sampling
    ) -> None:
        self._client, self._model, self._abilities = client, model, abilities
        self._url = str(client.base_url)
        self._prefix, self._sampling = prefix, sampling
        self._events: AsyncStream[Completion] | None = None
        self._ready: deque[Chunk] = deque()
        self._texts: list[str] = []
        self._ids: list[int] = []
        self._tokens = 0
        self._tokens_before = 0  # of earlier connections

    async def next(self) -> Chunk:
        """The next chunk; the last one has a `finish`. Raises ServerError."""
        while not self._ready:
            try:
                await self._read()
            except ServerError:
                await self.close()
                raise
        chunk = self._ready.popleft()
        self._texts.append(chunk.text)
        self._ids.extend(chunk.ids or ())
        self._tokens += chunk.tokens
        return chunk

    async def close(self) -> None:
        """Close the connection, which frees the server's slot."""
        if self._events is not None:
            await self._events.close()
            self._events = None

    async def _read(self) -> None:
        if self._tokens and self._tokens >= self._sampling.max_tokens:  # the connection broke on the last word
            self._ready.append(Chunk("", 0, () if self._abilities.ids else None, None, "length"))
            return
        if self._events is None:
            self._events = await self._open()
        choice = await self._choice()
        if choice is None:
            raise ServerError(f"engine.url: {self._url} ended a text before it was finished", transient=True)
        chunks = list(self._chunks(choice))
        if choice.finish_reason and self._abilities.counting == "usage":
            chunks[-1] = await self._counted(chunks)
        self._ready.extend(chunks)

    async def _open(self) -> AsyncStream[Completion]:
        ids, sampling = self._prefix.ids, self._sampling
        prompt: str | list[int] = "".join([self._prefix.text, *self._texts])
        if self._abilities.ids and ids is not None:
            prompt = [*ids, *self._ids]
        self._tokens_before = self._tokens
        with translated(self._url, self._model):
            events: AsyncStream[Completion] = await self._client.completions.create(
                model=self._model,
                prompt=prompt,
                max_tokens=sampling.max_tokens - self._tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=(sampling.seed + self._tokens) % 2**31,  # reopened, the same draws must not come again
                stream=True,
                **self._abilities.options(),
            )
        return events

    async def _choice(self) -> CompletionChoice | None:
        """The next event that has text; None at the end of the stream."""
        event = await self._event()
        while event is not None and not event.choices:
            event = await self._event()
        if event is None:
            return None
        choice = event.choices[0]
        if not isinstance(choice, CompletionChoice) or not isinstance(choice.text, str):
            raise garbage(self._url, f"an event without text: {event!r}")
        return choice

    async def _event(self) -> Completion | None:
        events = cast("AsyncStream[Completion]", self._events)
        with translated(self._url, self._model):
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return None
        if not isinstance(event, Completion) or not isinstance(event.choices, list):
            raise garbage(self._url, f"an event without choices: {event!r}")
        return event

    async def _counted(self, chunks: list[Chunk]) -> Chunk:
        """The last chunk, with the tokens that the server counted and we did not."""
        before = self._tokens - self._tokens_before + sum(chunk.tokens for chunk in chunks[:-1])
        event = await self._event()
        total = event.usage.completion_tokens if event is not None and event.usage else before + chunks[-1].tokens
        return Chunk(chunks[-1].text, max(0, total - before), finish=chunks[-1].finish)

    def _chunks(self, choice: CompletionChoice) -> Iterator[Chunk]:
        finish = {None: None, "length": "length"}.get(choice.finish_reason, "stop")
        ids = (choice.model_extra or {}).get("token_ids") if self._abilities.ids else None
        logprobs = choice.logprobs.token_logprobs if choice.logprobs else None
        texts = choice.logprobs.tokens if choice.logprobs else None
        count = len(ids) if ids is not None else len(texts) if texts else int(bool(choice.text))
        known = texts if texts and len(texts) == count else None
        yield from split(choice.text, known, _tuple(ids), _floats(logprobs, count), count, finish)


def split(
    text: str,
    texts: list[str] | None,
    ids: tuple[int, ...] | None,
    logprobs: tuple[float, ...] | None,
    count: int,
    finish: str | None,
) -> Iterator[Chunk]:
    """One chunk a token as far as the tokens' own texts spell the event's text; what is left is one chunk.

    An end-of-text token, which has an id and no text, stays with the last chunk.
    """
    done = 0
    while texts and done < count - 1 and texts[done] and text.startswith(texts[done]):
        part = slice(done, done + 1)
        yield Chunk(texts[done], 1, ids and ids[part], logprobs and logprobs[part])
        text = text.removeprefix(texts[done])
        done += 1
    yield Chunk(text, count - done, ids and ids[done:], logprobs and logprobs[done:], finish)


def _tuple(ids: list[int] | None) -> tuple[int, ...] | None:
    return None if ids is None else tuple(ids)


def _floats(values: list[float] | None, count: int) -> tuple[float, ...] | None:
    return tuple(values) if values and len(values) == count and None not in values else None
