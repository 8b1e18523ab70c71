"""What a filter is: it looks at a trace and returns a named decision. Dropped traces keep theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cort_data.trace import Decision, Trace


class Filter(Protocol):
    """One criterion. `reasons` are the names that a dropping decision may carry."""

    name: str
    reasons: Sequence[str]

    async def decide(self, trace: Trace) -> Decision:
        """Keep or drop, with the reason. Raises only for a broken environment, never for a bad trace."""
        ...
