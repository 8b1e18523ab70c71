"""The funnel of a stage: how many traces came in, how many were kept, and why the others were dropped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from cort_data.filters.base import first_drop
from cort_data.trace import Decision


@dataclass
class Funnel:
    """Counts of one stage. A dropped trace counts once, under the first filter in list order that dropped it."""

    stage: str = "filter"
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def entered(self) -> int:
        """Traces that came in: kept and dropped."""
        return self.kept + self.dropped.total()

    def count(self, decisions: Sequence[Decision]) -> bool:
        """Count a trace by its decisions; True if it is kept."""
        drop = first_drop(decisions)
        if drop is None:
            self.kept += 1
        else:
            self.dropped[drop.reason] += 1
        return drop is None

    def as_dict(self) -> dict[str, Any]:
        """`{stage, in, kept, dropped: {reason: n}}`, most frequent reason first."""
        dropped = dict(self.dropped.most_common())
        return {"stage": self.stage, "in": self.entered, "kept": self.kept, "dropped": dropped}

    def to_json(self) -> str:
        """The same as JSON, indented, with a line end."""
        return json.dumps(self.as_dict(), indent=2) + "\n"

    def table(self) -> Table:
        """For people."""
        table = Table(title=f"Funnel of {self.stage}", title_justify="left")
        for name, justify in (("", "left"), ("traces", "right"), ("share", "right")):
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        rows = [("in", self.entered), *((f"− {r}", n) for r, n in self.dropped.most_common()), ("kept", self.kept)]
        for name, n in rows:
            table.add_row(name, f"{n:,}", f"{n / max(1, self.entered):.1%}")
        return table
