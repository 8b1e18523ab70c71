"""The spending of a run, split by what it was good for: kept text, text taken back, lost branches, dropped traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from cort_data.filters.base import first_drop
from cort_data.prices import Tokens, tokens_of
from cort_data.trace import Trace


class Part(StrEnum):
    """What tokens were good for."""

    USEFUL = "useful"  # they stand in a kept trace
    REWOUND = "rewound"  # taken out of a kept trace: rewinds, forged outputs, glued fences
    LOSING_BRANCHES = "losing_branches"  # written by a search beside a kept trace
    DROPPED = "dropped"  # all of a trace that a filter dropped


def parts(trace: Trace, kept: bool) -> Iterator[tuple[Part, Tokens]]:
    """The parts of a trace's cost. What its prompts cost is shared out as the written tokens are."""
    total = tokens_of(trace)
    if not kept or not total.output:
        yield (Part.USEFUL if kept else Part.DROPPED), total
        return
    losing = sum(event.tokens for event in trace.events if event.kind == Part.LOSING_BRANCHES)
    kept_tokens = trace.kept_tokens - trace.imported_tokens
    written = {
        Part.USEFUL: kept_tokens,
        Part.REWOUND: trace.generated_tokens - kept_tokens - losing,
        Part.LOSING_BRANCHES: losing,
    }
    for part, tokens in written.items():
        yield part, total * (tokens / total.output)


@dataclass
class Spending:
    """Sums over traces that filters have decided on."""

    traces: int = 0
    kept: int = 0
    tokens: dict[Part, Tokens] = field(default_factory=lambda: dict.fromkeys(Part, Tokens()))

    def add(self, trace: Trace) -> None:
        """Count a trace with its decisions."""
        kept = first_drop(trace.decisions) is None
        self.traces += 1
        self.kept += kept
        for part, tokens in parts(trace, kept):
            self.tokens[part] += tokens

    @property
    def total(self) -> Tokens:
        """Everything."""
        return sum(self.tokens.values(), Tokens())

    def as_dict(self) -> dict[str, Any]:
        """For a manifest: whole tokens, by part and by how they are billed."""
        rows = {
            part: {"fresh": round(t.fresh), "cached": round(t.cached), "output": round(t.output)}
            for part, t in self.tokens.items()
        }
        return {"traces": self.traces, "kept": self.kept, "tokens": rows}

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Self:
        """Inverse of `as_dict`."""
        return cls(tree["traces"], tree["kept"], {part: Tokens(**tree["tokens"][part]) for part in Part})
