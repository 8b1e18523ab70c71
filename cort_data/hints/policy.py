"""Which hints may fire in a trace, and which one does.

A policy watches one trace. When detectors fire, the hint of the highest priority goes in, unless it has been used up
or would open a block that can no longer be run. What happened is kept as events: every firing, of the blocks one a
reason, and of the near misses the best, in each run of model text.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from cort_data.errors import HintError
from cort_data.hints import lexicon
from cort_data.hints.controls import CONTROLS
from cort_data.hints.library import load_library
from cort_data.hints.template import Hint, Place
from cort_data.hints.triggers import Detector, Span
from cort_data.hints.view import Clause, View
from cort_data.trace import Event, Problem

__all__ = ["POLICIES", "Firing", "HintPolicy", "Policy", "View", "load_policy"]

POLICIES: dict[str, tuple[str, ...]] = {
    "none": (),
    "prompt_hint": ("open",),
    "hint_engineering": ("open", "delayed_computation", "result_distrust", "code_error"),
    "branch": ("open", "delayed_computation", "result_distrust", "code_error"),
    "random": ("open", "delayed_computation", "result_distrust", "code_error"),
    "sham": ("open", "delayed_computation", "result_distrust", "code_error"),
    "conjunction": ("open", "delayed_computation"),
    "shortest_of_n": (),
}
"""The shipped policies and their hints. `hint_engineering+loop` is a policy with one more hint of the library.

`branch` and `shortest_of_n` are searches (`search.py`); `random`, `sham` and `conjunction` are controls
(`controls.py`).
"""

NEAR_MISS = 0.5
"""A score from this share of its threshold on is worth an event."""

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Firing:
    """A hint that goes in now: cut the completion to `cut` characters and append `text`."""

    hint: Hint
    span: Span
    cut: int
    text: str
    wording: int


@dataclass(frozen=True)
class HintPolicy:
    """A named set of hints, the highest priority first."""

    name: str
    hints: tuple[Hint, ...]

    def start(self, problem: Problem, seed: int) -> Policy:
        """The policy of one trace; the seed chooses the wordings."""
        return Policy(self.hints, problem, seed)


def load_policy(name: str, extra_dirs: Sequence[Path] = ()) -> HintPolicy:
    """A shipped policy, with more hints of the library after plus signs: `hint_engineering+loop`."""
    base, *more = name.split("+")
    if base not in POLICIES:
        raise HintError(f"no hint policy named {base!r}; there are {', '.join(POLICIES)}, and +NAME adds a hint")
    names = (*POLICIES[base], *more)
    library = load_library(extra_dirs) if names else {}
    for hint in names:
        if hint not in library:
            raise HintError(f"policy {name}: no hint named {hint!r}; there are {', '.join(sorted(library))}")
    change = CONTROLS.get(base, _unchanged)
    return HintPolicy(name, by_priority(change(library[hint]) for hint in dict.fromkeys(names)))


def policy_base(name: str) -> str:
    """The shipped policy that this one builds on."""
    return name.partition("+")[0]


def _unchanged(hint: Hint) -> Hint:
    return hint


def by_priority(hints: Iterator[Hint] | Sequence[Hint]) -> tuple[Hint, ...]:
    """The higher priority first, ties by name."""
    return tuple(sorted(hints, key=lambda hint: (-hint.priority, hint.name)))


@dataclass
class _Watch:
    """One hint in one trace."""

    hint: Hint
    detector: Detector
    needs: int
    """Bits of the clauses that can matter to it; 0: all can."""
    uses: int = 0
    best: Span | None = None
    fired: set[int] = field(default_factory=set)
    """Starts of the spans that it has answered: one answer each, though evidence goes on."""
    blocked: set[str] = field(default_factory=set)
    """Reasons that were noted in this run."""

    def fork(self) -> _Watch:
        return replace(self, detector=copy.deepcopy(self.detector), fired=set(self.fired), blocked=set(self.blocked))


_Readers = list[tuple[_Watch, Callable[[View, Clause], Span | None]]]


class Policy:
    """Watches one trace and says when a hint goes in."""

    def __init__(self, hints: Sequence[Hint], problem: Problem, seed: int) -> None:
        self._set([_Watch(hint, hint.trigger.detector(), _needs(hint)) for hint in hints])
        self._problem = problem
        self._seed = seed
        self._language = "zh" if _CHINESE.search(problem.text) else "en"
        self._epoch = -1
        self._read = 0
        self._events: list[Event] = []

    @property
    def events(self) -> list[Event]:
        """What was seen: firings and blocks in order, then the near misses of the last run."""
        return [*self._events, *self._near_misses()]

    def observe(self, view: View) -> Firing | None:
        """Read what has become complete; return the first hint that fires in it."""
        if view.epoch != self._epoch:
            firing = self._restart(view)
            if firing is not None:
                return firing
        clauses = view.clauses
        while self._read < len(clauses):
            clause = clauses[self._read]
            self._read += 1
            stems = clause.stems & self._needed
            readers = self._readers.get(stems)
            if readers is None:
                readers = self._readers[stems] = self._readers_of(stems)
            spans = [(watch, span) for watch, read in readers if (span := read(view, clause)) is not None]
            if spans and (firing := self._choose(view, spans, clause)):
                return firing
        return None

    def fork(self) -> Policy:
        """A copy that watches a copy of the trace."""
        twin = copy.copy(self)
        twin._set([watch.fork() for watch in self._watches])
        twin._events = list(self._events)
        return twin

    def decline(self, firing: Firing, reason: str) -> None:
        """The hint that just fired does not go in; it is not offered again for the same span."""
        self._events[-1] = _event(firing.hint, firing.span, "declined", reason)
        for watch in self._watches:
            watch.uses -= watch.hint is firing.hint

    def keep_only(self, hints: Collection[Hint]) -> None:
        """From here on no other hint goes in."""
        self._set([watch for watch in self._watches if watch.hint in hints])

    def _set(self, watches: list[_Watch]) -> None:
        self._watches = watches
        self._plans: dict[tuple[bool, ...], dict[int, _Readers]] = {}
        """Who reads a clause: by those who read at all, and by those of its bits that anybody asks for."""
        self._needed = 0
        for watch in watches:
            self._needed |= watch.needs
        self._start_reading()

    def _start_reading(self) -> None:
        """Who reads, is asked at the start of each run; which of them reads a clause, depends on its words."""
        awake = tuple(watch.detector.reads for watch in self._watches)
        if awake not in self._plans:
            self._plans[awake] = {}
        self._readers = self._plans[awake]

    def _readers_of(self, stems: int) -> _Readers:
        reading = (w for w in self._watches if w.detector.reads and (not w.needs or w.needs & stems))
        return [(watch, watch.detector.read) for watch in reading]

    def _restart(self, view: View) -> Firing | None:
        self._events.extend(self._near_misses())
        for watch in self._watches:
            watch.best = None
            watch.blocked.clear()
        self._epoch, self._read = view.epoch, 0
        spans = [(w, span) for w in self._watches if (span := w.detector.restart(view)) is not None]
        self._start_reading()
        return self._choose(view, spans, None)

    def _choose(self, view: View, spans: list[tuple[_Watch, Span]], clause: Clause | None) -> Firing | None:
        """The firing of the highest priority that nothing blocks."""
        chosen: Firing | None = None
        for watch, span in spans:
            if span.start in watch.fired:
                continue
            if not span.fires:
                _keep_best(watch, span)
            elif chosen is not None:
                self._block(watch, span, f"higher priority fired: {chosen.hint.name}")
            else:
                chosen = self._try(watch, span, view, clause)
        return chosen

    def _try(self, watch: _Watch, span: Span, view: View, clause: Clause | None) -> Firing | None:
        hint = watch.hint
        if reason := _blocked(watch, view):
            self._block(watch, span, reason)
            return None
        index = hint.wording(self._seed, self._language)
        text = _render(hint, index, self._variables(view, span))
        watch.uses += 1
        watch.fired.add(span.start)
        watch.best = None
        self._events.append(_event(hint, span, "fired"))
        cut = _cut(hint, span, view, clause)
        fresh_line = cut == 0 or view.text[cut - 1] == "\n"
        return Firing(hint, span, cut, text if fresh_line else "\n" + text, index)

    def _block(self, watch: _Watch, span: Span, reason: str) -> None:
        """Note a block, once a run for each reason."""
        watch.best = None
        if reason not in watch.blocked:
            watch.blocked.add(reason)
            self._events.append(_event(watch.hint, span, "blocked", reason))

    def _near_misses(self) -> Iterator[Event]:
        for watch in self._watches:
            if watch.best is not None and watch.best.score >= NEAR_MISS * watch.best.threshold:
                yield _event(watch.hint, watch.best, "below")

    def _variables(self, view: View, span: Span) -> dict[str, Any]:
        return {
            "problem": self._problem.text,
            "span": view.text[span.start : span.end],
            "last_output": view.last_output or "",
            "calls_left": view.calls_left,
        }


def _needs(hint: Hint) -> int:
    return lexicon.stems(hint.trigger.needs) if hint.trigger.needs else 0


def _blocked(watch: _Watch, view: View) -> str | None:
    """Why this hint cannot go in now."""
    if watch.uses == watch.hint.max_uses:
        return "max_uses"
    if view.in_code:
        return "inside code"
    if watch.hint.place is Place.AFTER_OUTPUT and view.last_output is None:
        return "no output yet"
    if view.calls_left <= 0 and watch.hint.opens_code:
        return "calls budget used up"
    return None


def _keep_best(watch: _Watch, span: Span) -> None:
    if watch.best is None or span.score > watch.best.score:
        watch.best = span


def _cut(hint: Hint, span: Span, view: View, clause: Clause | None) -> int:
    """Where the hint goes: never before the run, never after a part of a clause that chunks decide about."""
    if hint.place is Place.AFTER_OUTPUT:
        return view.run_start
    end = view.length if clause is None else clause.end
    cut = max(span.start, view.run_start) if hint.place is Place.AT_SPAN_START else end
    line = view.text[view.run_start : cut]
    return view.run_start + len(line.rstrip(" \t"))


def _render(hint: Hint, wording: int, variables: dict[str, Any]) -> str:
    template = hint.wordings[wording]
    try:
        return template.render(variables)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise HintError(f"{hint.path}:{template.line}: cannot be rendered in a trace ({error})") from None


def _event(hint: Hint, span: Span, outcome: str, reason: str = "") -> Event:
    return Event(
        kind="hint",
        name=hint.name,
        trigger=hint.trigger.name,
        start=span.start,
        end=span.end,
        score=span.score,
        threshold=span.threshold,
        outcome=outcome,
        reason=reason or span.reason,
    )
