"""One timer for all who wait: a timer each would be a good part of what a short cell costs."""

from __future__ import annotations

import asyncio
from asyncio import Future, TimerHandle

TICKS = 4
"""How often in `after` seconds the timer runs: nobody waits longer than a quarter more."""


class Patience:
    """Resolves futures to False when they have waited `after` seconds."""

    def __init__(self, after: float) -> None:
        self._after = after
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Future[bool], float] = {}  # since when; the longest first
        self._timer: TimerHandle | None = None

    async def wait(self, waiter: Future[bool]) -> bool:
        """What somebody else resolves it to, or False when that takes too long."""
        self._waiting[waiter] = self._loop.time()
        if not self._timer:
            self._timer = self._loop.call_later(self._after / TICKS, self._tick)
        try:
            return await waiter
        finally:
            del self._waiting[waiter]

    def _tick(self) -> None:
        old = self._loop.time() - self._after
        for waiter, since in self._waiting.items():
            if since > old:
                break
            if not waiter.done():
                waiter.set_result(False)
        self._timer = self._loop.call_later(self._after / TICKS, self._tick) if self._waiting else None
