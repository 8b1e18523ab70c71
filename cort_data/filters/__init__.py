"""Filters: which traces enter the data set. One criterion a filter, each a named decision.

Every filter looks at every trace, also at one that another filter drops: only so can be said what each filter drops
alone. The funnel counts a dropped trace under the first filter in list order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from cort_data.filters.base import Filter, OrderedFilter, Resources, first_drop
from cort_data.filters.registry import (
    FILTERS,
    FilterSpec,
    build_filters,
    default_filters,
    parse_filters,
)
from cort_data.trace import Decision, Trace

__all__ = [
    "FILTERS",
    "Filter",
    "FilterSpec",
    "OrderedFilter",
    "Resources",
    "build_filters",
    "decide_all",
    "decide_alone",
    "decide_in_order",
    "default_filters",
    "first_drop",
    "parse_filters",
]

Decisions = dict[str, Decision]
"""By filter name."""


async def decide_all(trace: Trace, filters: Sequence[Filter[Any]]) -> tuple[Decision, ...]:
    """What all filters say, in list order. Traces must come in order, one at a time."""
    return await decide_in_order(trace, filters, await decide_alone(trace, filters))


async def decide_alone(trace: Trace, filters: Sequence[Filter[Any]]) -> Decisions:
    """What the filters say that look at this trace alone; may be asked for many traces at once."""
    alone = [f for f in filters if not isinstance(f, OrderedFilter)]
    decisions = await asyncio.gather(*(f.decide(trace) for f in alone))
    return {d.filter: d for d in decisions}


async def decide_in_order(trace: Trace, filters: Sequence[Filter[Any]], alone: Decisions) -> tuple[Decision, ...]:
    """Add what the filters say that compare with earlier traces; tell them if this one is kept."""
    ordered = [f for f in filters if isinstance(f, OrderedFilter)]
    decided = alone | {f.name: await f.decide(trace) for f in ordered}
    decisions = tuple(decided[f.name] for f in filters)
    if first_drop(decisions) is None:
        for f in ordered:
            f.accept(trace)
    return decisions
