"""One text from a server: its events become chunks of one token, over broken connections too.

A connection that breaks is opened again behind what was delivered, so a reader sees one stream. What is sent
depends on the server's abilities, which `server_probe` found out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from openai import AsyncOpenAI, AsyncStream
from openai.types import CompletionUsage

from cort_data.engines.base import Chunk, Prefix, Sampling
from cort_data.engines.server_errors import ServerError, garbage, translated
from cort_data.engines.wires import Abilities, Piece, sent_of


class CompletionReader:
    """Reads one completion, chunk by chunk. After a transient ServerError, `next` goes on behind the last chunk."""

    def __init__(
        self, client: AsyncOpenAI, model: str, abilities: Abilities, prefix: Prefix, sampling: Sampling
    ) -> None:
        self._client, self._model, self._abilities = client, model, abilities
        self._url = str(client.base_url)
        self._prefix, self._sampling = prefix, sampling
        self._wire = abilities.wire()
        self._events: AsyncStream[Any] | None = None
        self._ready: deque[Chunk] = deque()
        self._texts: list[str] = []
        self._ids: list[int] = []
        self._tokens = 0
        self._tokens_before = 0  # of earlier connections
        self._echo = ""  # what is still to come back of the prefix
        self._usage: CompletionUsage | None = None

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

    async def usage(self) -> CompletionUsage | None:
        """What the server counted, once the last chunk is read; None where it does not say."""
        while await self._event() is not None:
            pass
        return self._usage

    @property
    def headers(self) -> dict[str, str]:
        """Of the open connection's answer."""
        return dict(self._events.response.headers) if self._events is not None else {}

    @property
    def thinking_field(self) -> str | None:
        """The field in which thinking came, if any did."""
        return self._wire.thinking_field

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
        piece = await self._piece()
        if piece is None:
            raise ServerError(f"engine.url: {self._url} ended a text before it was finished", transient=True)
        chunks = list(_chunks(piece))
        if piece.finish and self._abilities.usage:
            chunks[-1] = self._counted(chunks, await self.usage())
        self._ready.extend(chunks)

    async def _open(self) -> AsyncStream[Any]:
        prefix, sampling = self._so_far(), self._sampling
        self._tokens_before = self._tokens
        self._echo = self._wire.sent(prefix) if self._abilities.echo else ""
        rest = replace(
            sampling,
            max_tokens=sampling.max_tokens - self._tokens,
            seed=sampling.seed + self._tokens,  # reopened, the same draws must not come again
        )
        with translated(self._url, self._model):
            return await self._wire.open(self._client, self._model, prefix, rest)

    def _so_far(self) -> Prefix:
        """The prefix with what was delivered of its continuation."""
        prefix, text = self._prefix, "".join(self._texts)
        return Prefix(
            text=prefix.text + text,
            ids=(*prefix.ids, *self._ids) if prefix.ids is not None else None,
            turn=prefix.turn and replace(prefix.turn, completion=prefix.turn.completion + text),
        )

    async def _piece(self) -> Piece | None:
        """The next event that has a choice; None at the end of the stream."""
        event = await self._event()
        while event is not None and not event.choices:
            event = await self._event()
        if event is None:
            return None
        piece = self._wire.piece(event.choices[0])
        if piece is None:
            raise garbage(self._url, f"an event without text: {event!r}")
        return self._without_echo(piece) if self._echo else piece

    async def _event(self) -> Any:  # noqa: ANN401 - an event of either API
        events = self._events
        assert events is not None
        with translated(self._url, self._model, streaming=True):
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return None
        if not isinstance(getattr(event, "choices", None), list):
            raise garbage(self._url, f"an event without choices: {event!r}")
        self._usage = event.usage or self._usage
        return event

    def _without_echo(self, piece: Piece) -> Piece:
        """The piece without what it has of the prefix."""
        n = min(len(self._echo), len(piece.text))
        if piece.text[:n] != self._echo[:n]:
            raise garbage(self._url, f"{piece.text!r} where it sent the prefix back when it was probed")
        self._echo = self._echo[n:]
        known = _spelled(piece.texts, n)
        cut = slice(known, None)
        return replace(
            piece,
            text=piece.text[n:],
            texts=piece.texts[cut] if piece.texts and known is not None else None,
            logprobs=piece.logprobs[cut] if piece.logprobs and known is not None else None,
        )

    def _counted(self, chunks: list[Chunk], usage: CompletionUsage | None) -> Chunk:
        """The last chunk, with what the server counted: the prefix, and tokens that we did not count."""
        last = replace(chunks[-1], sent=sent_of(usage))
        if self._abilities.counting != "usage" or usage is None:
            return last
        before = self._tokens - self._tokens_before + sum(chunk.tokens for chunk in chunks[:-1])
        return replace(last, tokens=max(0, usage.completion_tokens - before))


def _spelled(texts: tuple[str, ...] | None, length: int) -> int | None:
    """How many of the tokens spell the first `length` characters; None if no number of them does."""
    reached = 0
    for number, text in enumerate(texts or ()):
        if reached == length:
            return number
        reached += len(text)
    return len(texts) if texts and reached == length else None


def _chunks(piece: Piece) -> Iterator[Chunk]:
    finish = {None: None, "length": "length"}.get(piece.finish, "stop")
    texts, ids = piece.texts, piece.ids
    count = len(ids) if ids is not None else len(texts) if texts else int(bool(piece.text))
    known = texts if texts and len(texts) == count else None
    yield from split(piece.text, known, ids, _floats(piece.logprobs, count), count, finish)


def split(
    text: str,
    texts: tuple[str, ...] | None,
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


def _floats(values: tuple[float | None, ...] | None, count: int) -> tuple[float, ...] | None:
    known = tuple(value for value in values or () if value is not None)
    return known if known and len(known) == count else None
