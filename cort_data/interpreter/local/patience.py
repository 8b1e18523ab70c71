"""One timer for all who wait: a timer each would be a good part of what a short cell costs."""

from __future__ import annotations

import asyncio
from asyncio import Future, TimerHandle

TICK_S = 0.025
"""Nobody waits longer than this beyond what was asked."""


class Patience:
    """Resolves futures to False when they have waited as long as was asked."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadlines: dict[Future[bool], float] = {}
        self._timer: TimerHandle | None = None

    async def wait(self, waiter: Future[bool], seconds: float) -> bool:
        """What somebody else resolves it to, or False when that takes longer than `seconds`."""
        self._deadlines[waiter] = self._loop.time() + seconds
        if not self._timer:
            self._timer = self._loop.call_later(TICK_S, self._tick)
        try:
            return await waiter
        finally:
            del self._deadlines[waiter]

    def _tick(self) -> None:
        now = self._loop.time()
        for waiter, deadline in self._deadlines.items():
            if deadline <= now and not waiter.done():
                waiter.set_result(False)
        self._timer = self._loop.call_later(TICK_S, self._tick) if self._deadlines else None
