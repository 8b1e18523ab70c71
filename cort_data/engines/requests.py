"""One stream of tokens between the thread that writes it and the task that reads it.

Each field has one writer. The thread counts what it wrote, the reader counts what it took: their difference
is how far the reader is behind, without a lock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cort_data.engines.base import Chunk, Sampling
from cort_data.engines.detokenize import Decoder
from cort_data.errors import EngineError


@dataclass(slots=True, eq=False)
class Request:
    """A prefix to continue, by at most `limit` tokens."""

    ids: NDArray[np.int32]
    sampling: Sampling
    limit: int
    decoder: Decoder
    # the thread's
    slot: int = -1
    produced: int = 0
    # the reader's
    consumed: int = 0
    closed: bool = False
    # the event loop's
    chunks: deque[Chunk] = field(default_factory=deque)
    error: EngineError | None = None
    waiter: asyncio.Future[None] | None = None

    async def next(self) -> Chunk:
        """The next token. Raises EngineError if the thread has failed."""
        while not self.chunks:
            if self.error is not None:
                raise self.error
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter
        self.consumed += 1
        return self.chunks.popleft()

    def put(self, token: int, logprob: float, finish: str | None) -> None:
        """One token more. An end-of-text token has no text."""
        text = "" if finish == "stop" else self.decoder.step(token)
        if finish is not None:
            text += self.decoder.flush()
        self.chunks.append(Chunk(text, 1, (token,), (logprob,), finish))
        self._notify()

    def fail(self, error: EngineError) -> None:
        """Nothing more will come."""
        self.error = error
        self._notify()

    def _notify(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


@dataclass(frozen=True, slots=True)
class Emission:
    """The tokens of one step; the lists have one entry a request."""

    requests: list[Request]
    tokens: list[int]
    logprobs: list[float]
    finishes: list[str | None]

    def deliver(self) -> None:
        """Hand each token to its request; on the event loop."""
        rows = zip(self.requests, self.tokens, self.logprobs, self.finishes, strict=True)
        for request, token, logprob, finish in rows:
            if not request.closed:
                request.put(token, logprob, finish)
