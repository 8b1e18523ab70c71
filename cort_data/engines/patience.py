"""How long to wait for a server, and how often to ask again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from cort_data.engines.server_errors import ServerError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server, and how often."""

    connect_s: float = 10
    probe_s: float = 60  # for an answer while probing
    chunk_s: float = 120  # between tokens; the first one waits for the requests before it
    attempts: int = 5
    pause_s: float = 0.5  # doubled each time, with jitter
    longest_pause_s: float = 30

    def pause(self, attempt: int) -> float:
        """Seconds to wait after a failed attempt, counted from 1."""
        full: float = min(self.longest_pause_s, self.pause_s * 2 ** (attempt - 1))
        return full * random.uniform(0.5, 1)  # spread, so that all streams do not come back at once

    async def try_again(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until it succeeds, fails for good, or has failed too often. Raises ServerError."""
        for attempt in range(1, self.attempts):
            try:
                return await call()
            except ServerError as error:
                if not error.transient:
                    raise
                await asyncio.sleep(max(error.retry_after_s, self.pause(attempt)))
        return await call()
