"""Import traces: rows of any source become traces of one profile, and what was odd about them is counted by kind.

A row at a time is read and written. A trace of our own is taken over, in another family's form if its profile is
another one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from cort_data.dialects import convert
from cort_data.errors import CortError, TraceError
from cort_data.foreign import foreign_traces
from cort_data.json_lines import BadLine, Row
from cort_data.profiles import Profile
from cort_data.row_sources import read_source
from cort_data.trace import Event, Trace, first_problem


@dataclass
class TraceReport:
    """Counts of an import; `bad` are the rows that gave no trace."""

    read: int = 0
    traces: int = 0
    answered: int = 0
    blocks: int = 0
    odd: Counter[str] = field(default_factory=Counter)
    """Kind of event → how often."""
    odd_traces: Counter[str] = field(default_factory=Counter)
    """Kind of event → traces that have it."""
    bad: list[BadLine] = field(default_factory=list)

    @property
    def refused(self) -> Counter[str]:
        """Rows that gave no trace, by kind."""
        return Counter(line.kind for line in self.bad)

    def count(self, trace: Trace) -> None:
        """Take a trace into the counts."""
        self.traces += 1
        self.answered += trace.stop_reason == "answered"
        self.blocks += trace.calls
        for event in trace.events:
            self.odd[event.kind] += event.count
        self.odd_traces.update({event.kind for event in trace.events})

    def as_dict(self) -> dict[str, Any]:
        """The counts as one object of JSON."""
        odd = {kind: {"traces": self.odd_traces[kind], "count": n} for kind, n in self.odd.most_common()}
        return {
            "read": self.read,
            "traces": self.traces,
            "answered": self.answered,
            "blocks_with_output": self.blocks,
            "odd": odd,
            "refused": dict(self.refused.most_common()),
        }


def import_traces(sources: Iterable[str], out: Path, profile: Profile) -> TraceReport:
    """Write the traces of `sources` to `out`; raises CortError.

    Bad rows are reported and left out. `out` appears when all is read: an interrupted import leaves no half file.
    """
    report = TraceReport()
    part = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            _write(sources, file, profile, report)
        if not report.traces:
            raise CortError(f"{', '.join(sources)}: no row gave a trace ({_reasons(report)}); nothing was imported")
        os.replace(part, out)
    except OSError as error:
        raise CortError(f"cannot write {error.filename or out}: {error.strerror}; nothing was imported") from None
    finally:
        part.unlink(missing_ok=True)
    return report


def _write(sources: Iterable[str], file: TextIO, profile: Profile, report: TraceReport) -> None:
    ids: set[str] = set()
    for source in sources:
        for row in read_source(source):
            report.read += 1
            for made in _made(row, profile, Path(source).stem):
                if isinstance(made, BadLine):
                    report.bad.append(made)
                    continue
                trace = _with_own_id(made, ids)
                report.count(trace)
                file.write(trace.to_json() + "\n")


def _made(row: Row | BadLine, profile: Profile, source: str) -> Iterator[Trace | BadLine]:
    if isinstance(row, BadLine):
        yield row
    elif "segments" in row.fields:
        yield _own(row, profile)
    else:
        yield from foreign_traces(row, profile, source)


def _own(row: Row, profile: Profile) -> Trace | BadLine:
    """A trace of ours, or a row of our data sets, which has columns that a trace derives."""
    try:
        fields = {name: value for name, value in row.fields.items() if name in Trace.model_fields}
        return convert(Trace.model_validate(fields), profile)
    except ValidationError as error:
        return BadLine(row.where, f"not a trace: {first_problem(error)}", "not_a_trace")
    except TraceError as error:
        return BadLine(row.where, str(error), "not_convertible")


def _with_own_id(trace: Trace, ids: set[str]) -> Trace:
    """Traces are told apart by their ids: a second one of an id gets a number."""
    name, number = trace.id, 1
    while name in ids:
        number += 1
        name = f"{trace.id}#{number}"
    ids.add(name)
    if name == trace.id:
        return trace
    return trace.model_copy(update={"id": name, "events": (*trace.events, Event(kind="doubled_id"))})


def _reasons(report: TraceReport) -> str:
    if not report.read:
        return "it is empty"
    first = f"; the first: {report.bad[0]}"
    return ", ".join(f"{kind} {n}" for kind, n in report.refused.most_common()) + first
