"""Duplicates: a trace that was kept before, exactly or nearly. Compared is the problem with its completion.

Traces are compared with kept ones alone: a copy of a dropped trace is no duplicate of anything in the data set.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cort_data.filters.base import FilterParams, OrderedFilter, Resources
from cort_data.similarity import NearDuplicates, fingerprint
from cort_data.trace import Decision, Trace


class ExactDuplicate(OrderedFilter[FilterParams]):
    """The same text but for case, spacing and typesetting."""

    name = "exact_duplicate"
    reasons = ("exact_duplicate",)

    def __init__(self, params: FilterParams, resources: Resources) -> None:
        super().__init__(params, resources)
        self.seen: dict[bytes, str] = {}

    async def decide(self, trace: Trace) -> Decision:
        """Drop what was kept before."""
        known = self.seen.get(fingerprint(compared(trace)))
        return self.keep() if known is None else self.drop("exact_duplicate", f"same as {known}")

    def accept(self, trace: Trace) -> None:
        """Remember 16 bytes of it."""
        self.seen[fingerprint(compared(trace))] = trace.id


class NearDuplicateParams(FilterParams):
    """How alike is too alike."""

    similarity: Annotated[
        float, Field(gt=0, le=1, description="Jaccard similarity of word triples from which two traces are one")
    ] = 0.8


class NearDuplicate(OrderedFilter[NearDuplicateParams]):
    """Similar words with the same multiset of numerals."""

    name = "near_duplicate"
    reasons = ("near_duplicate",)
    Params = NearDuplicateParams

    def __init__(self, params: NearDuplicateParams, resources: Resources) -> None:
        super().__init__(params, resources)
        self.index = NearDuplicates(params.similarity)

    async def decide(self, trace: Trace) -> Decision:
        """Drop what is near to a kept trace."""
        known = self.index.find(compared(trace))
        return self.keep() if known is None else self.drop("near_duplicate", f"near to {known}")

    def accept(self, trace: Trace) -> None:
        """Remember its word triples as hashes."""
        self.index.add(trace.id, compared(trace))


def compared(trace: Trace) -> str:
    """The text that two traces are compared by."""
    return f"{trace.problem.text}\n{trace.text}"
