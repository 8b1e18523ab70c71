"""Traces where users name them: `RUN:ID`, `FILE:LINE`, a whole file, or all of a run directory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cort_data.errors import TraceError
from cort_data.filters.registry import suggest
from cort_data.profiles import Profile, load_profile
from cort_data.trace import Trace
from cort_data.traces_io import parse_line, read_lines, read_traces

_DECIDED = ("kept.jsonl", "dropped.jsonl")

_FIELDS: dict[str, Callable[[Trace], set[str]]] = {
    "reason": lambda t: {d.reason for d in t.decisions if not d.keep},
    "filter": lambda t: {d.filter for d in t.decisions if not d.keep},
    "stop_reason": lambda t: {t.stop_reason},
    "policy": lambda t: {t.policy},
    "stage": lambda t: {t.stage},
    "problem": lambda t: {t.problem.id},
    "topic": lambda t: {t.problem.topic},
    "event": lambda t: {e.kind for e in t.events},
    "hint": lambda t: {s.hint.name for s in t.segments if s.hint is not None},
    "calls": lambda t: {str(t.calls)},
}


@dataclass(frozen=True)
class Condition:
    """`KEY=VALUE`: the trace has this value there, perhaps among others."""

    key: str
    value: str

    def holds(self, trace: Trace) -> bool:
        """Does it?"""
        return self.value in _FIELDS[self.key](trace)


def parse_condition(text: str) -> Condition:
    """Raises TraceError for a key that traces cannot be asked for."""
    key, equals, value = text.partition("=")
    if not equals:
        raise TraceError(f"--where {text}: expected KEY=VALUE, as in --where reason=wrong")
    if key not in _FIELDS:
        raise TraceError(f"--where {text}: unknown key {key!r}; {suggest(key, list(_FIELDS))}")
    return Condition(key, value)


def find_one(name: str, profile: str | None = None) -> Trace | None:
    """The trace that `RUN:ID` or `FILE:LINE` names; None if the name has no such form. Raises TraceError."""
    place, colon, which = name.rpartition(":")
    if not colon or Path(name).exists():
        return None
    path = Path(place)
    loaded = load_profile(profile) if profile else None
    if path.is_dir():
        return _by_id(path, which, loaded)
    if not path.is_file():
        raise TraceError(f"{name}: there is no run or file {place!r}; name a trace as RUN:ID or FILE:LINE")
    return _by_line(path, which, loaded)


def find_all(path: Path, profile: str | None = None) -> Iterator[Trace]:
    """The traces of a file, of a stage's folder or of a run; a run's trace comes with its decisions if it has any."""
    if not path.exists():
        raise TraceError(f"{path}: no such run or file; name RUN, RUN:ID, FILE or FILE:LINE")
    if path.is_file():
        yield from read_traces(path, profile)
        return
    seen: set[str] = set()
    for file in trace_files(path):
        for trace in read_traces(file, profile):
            if trace.id not in seen:
                seen.add(trace.id)
                yield trace


def trace_files(folder: Path) -> list[Path]:
    """Files of traces in a folder and below that are not empty, decided ones first. Raises TraceError for none."""
    decided = itertools.chain.from_iterable(folder.rglob(name) for name in _DECIDED)
    files = [*sorted(decided, reverse=True), *sorted(folder.rglob("traces-*.jsonl"))]
    if not files:
        raise TraceError(f"{folder}: no traces in there (expected kept.jsonl, dropped.jsonl or traces-*.jsonl)")
    return [file for file in files if file.stat().st_size]


def _by_id(folder: Path, id: str, profile: Profile | None) -> Trace:
    needle = f'"id":"{id}"'
    for file in trace_files(folder):
        for number, line in read_lines(file):
            if needle in line and (trace := parse_line(line, f"{file}:{number}", profile)).id == id:
                return trace
    raise TraceError(f"{folder}: no trace has the id {id!r}; list some with: cort show {folder} --json")


def _by_line(path: Path, which: str, profile: Profile | None) -> Trace:
    if not which.isdigit():
        raise TraceError(f"{path}:{which}: expected a line number after the colon, got {which!r}")
    last = 0
    for number, line in read_lines(path):
        if number == int(which):
            return parse_line(line, f"{path}:{number}", profile)
        last = number
    raise TraceError(f"{path}:{which}: no trace on this line; the last one is on line {last}")
