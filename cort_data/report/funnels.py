"""What the filters of a stage did: counts, and an example of each reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from cort_data.filters.base import first_drop
from cort_data.stages.filter import DROPPED_FILE, KEPT_FILE
from cort_data.traces_io import read_traces

SHOWN = 600
"""Characters of an example's text."""


@dataclass(frozen=True, slots=True)
class Example:
    """A dropped trace, as an example of its reason."""

    reason: str
    detail: str
    id: str
    problem: str
    text: str


@dataclass(frozen=True, slots=True)
class Funnel:
    """What the filters of one stage did."""

    name: str
    """Of its folder in the run."""
    counts: dict[str, Any]
    """in, kept, and dropped: reason → traces."""
    examples: list[Example]
    """The first trace that was dropped for each reason."""


def read_funnel(folder: Path, run: Path) -> Funnel:
    """Of the files in a folder of the run: counts, and for each reason the first trace that was dropped for it."""
    files = [file for file in (folder / KEPT_FILE, folder / DROPPED_FILE) if file.is_file() and file.stat().st_size]
    kept, dropped, examples = 0, Counter[str](), dict[str, Example]()
    for trace in chain.from_iterable(read_traces(file) for file in files):
        drop = first_drop(trace.decisions)
        if drop is None:
            kept += 1
            continue
        dropped[drop.reason] += 1
        if drop.reason not in examples:
            text = trace.text if len(trace.text) <= SHOWN else trace.text[:SHOWN] + " …"
            examples[drop.reason] = Example(drop.reason, drop.detail, trace.id, trace.problem.text, text)
    counts = dict(dropped.most_common())
    totals = {"in": kept + dropped.total(), "kept": kept, "dropped": counts}
    return Funnel(folder.relative_to(run).as_posix(), totals, [examples[reason] for reason in counts])
