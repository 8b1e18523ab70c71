"""Any server that speaks the OpenAI completions API: vLLM with token ids, others with text.

Connection errors, timeouts, 429 and 5xx are tried again with growing pauses, each time behind what was already
delivered. Where a server has no `/tokenize`, prefixes go as text, and tokens are counted as it allows: the
name of the engine then says so.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from openai import AsyncOpenAI, Timeout

from cort_data.engines.base import Chunk, Prefix, Sampling
from cort_data.engines.completions import CompletionReader
from cort_data.engines.server_errors import ServerError
from cort_data.engines.server_probe import Server, probe, tokenize
from cort_data.engines.settings import EngineSettings
from cort_data.errors import EngineError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server, and how often."""

    connect_s: float = 10
    probe_s: float = 60  # for the first answer
    chunk_s: float = 120  # between tokens; the first one waits for the requests before it
    attempts: int = 5
    pause_s: float = 0.5  # doubled each time, with jitter
    longest_pause_s: float = 30

    def pause(self, attempt: int) -> float:
        """Seconds to wait after a failed attempt, counted from 1."""
        full: float = min(self.longest_pause_s, self.pause_s * 2 ** (attempt - 1))
        return full * random.uniform(0.5, 1)  # spread, so that all streams do not come back at once


class OpenAIEngine:
    """Writes with a model behind HTTP. Closing a stream closes its connection, which frees the server's slot."""

    def __init__(self, client: AsyncOpenAI, settings: EngineSettings, server: Server, patience: Patience) -> None:
        self._client, self._model, self._server = client, settings.model, server
        self._slots = asyncio.Semaphore(settings.in_flight)
        self._patience = patience

    @classmethod
    async def open(cls, settings: EngineSettings, patience: Patience | None = None) -> OpenAIEngine:
        """Reach the server and find out what it can do. Raises EngineError."""
        patience = patience or Patience()
        if settings.url is None:
            raise EngineError("engine.url: missing; expected a server's address, as http://localhost:8000/v1")
        client = AsyncOpenAI(
            base_url=settings.url,
            api_key=os.environ.get("OPENAI_API_KEY") or "none",
            max_retries=0,  # ours know what was delivered
            timeout=Timeout(patience.chunk_s, connect=patience.connect_s, pool=None),
        )
        asking = client.with_options(timeout=Timeout(patience.probe_s, connect=patience.connect_s))
        try:
            server = await probe(asking, settings.model)
        except EngineError:
            await client.close()
            raise
        return cls(client, settings, server, patience)

    @property
    def name(self) -> str:
        """`openai:MODEL`, and how tokens are counted where that is not by ids."""
        counting = self._server.abilities.counting
        return f"openai:{self._model}" + ("" if counting == "ids" else f":tokens by {counting}")

    @property
    def context(self) -> int:
        """Longest prompt and completion together, in tokens; a guess where the server does not say."""
        return self._server.context

    async def encode(self, text: str) -> tuple[int, ...] | None:
        """Ids of a text on its own by the server's tokenizer; None where prefixes go as text."""
        if not self._server.abilities.ids:
            return None
        tokenized = await self._try_again(lambda: tokenize(self._client, self._model, text))
        if tokenized is None:
            raise EngineError(f"engine.url: {self._client.base_url} no longer tokenizes; was it restarted?")
        return tokenized[0]

    async def generate(self, prefix: Prefix, sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """Continue the prefix. Raises EngineError when trying again did not help."""
        async with self._slots:
            reader = CompletionReader(self._client, self._model, self._server.abilities, prefix, sampling)
            try:
                finish = None
                while finish is None:
                    chunk = await self._try_again(reader.next)
                    finish = chunk.finish
                    yield chunk
            finally:
                await reader.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _try_again(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until it succeeds, fails for good, or has failed too often."""
        for attempt in range(1, self._patience.attempts):
            try:
                return await call()
            except ServerError as error:
                if not error.transient:
                    raise
                await asyncio.sleep(max(error.retry_after_s, self._patience.pause(attempt)))
        return await call()
