"""What the engine was sent for a trace, as its usage: fresh tokens, and those that it had cached."""

from __future__ import annotations

from cort_data.engines.base import Sent
from cort_data.trace import Usage


class Account:
    """Counts the streams of a trace. The forks of a rollout share it."""

    def __init__(self) -> None:
        self.usage = Usage()

    def add(self, counted: Sent, said: Sent | None) -> None:
        """Count a stream: by the engine's word as far as it goes, by our count for the rest."""
        total = counted.total if said is None else said.total
        cached = said.cached if said is not None else None
        if cached is None:
            cached = round(total * (counted.cached or 0) / max(1, counted.total))
        self.usage += Usage(streams=1, fresh_tokens=total - cached, cached_tokens=cached)
