"""The rows of an evaluation's tables, measured: the one way in which results.json and the report's page count.

A row is a model, a problem set and a policy. Differences are to the model's first policy on the same problems or,
where there is one policy, to the first model, so that the stages of a training stand against their base.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cort_data.evaluation.measures import measure
from cort_data.evaluation.scores import Score
from cort_data.evaluation.settings import EvalSettings
from cort_data.evaluation.wordings import SEEN, UNSEEN, kind_of
from cort_data.statistics import Interval, averaged

ALL = "all"
BEFORE, AFTER = "before", "after"
AVERAGED = ("accuracy", "tokens_kept", "tokens_generated")

Intervals = Mapping[str, Interval | None]
"""Measure → its interval; None where it has no value."""


@dataclass(frozen=True)
class Row:
    """Scores that are counted together."""

    model: str
    set: str
    policy: str
    scores: Sequence[Score]
    wordings: str = ALL
    """`all`, or for nano models `seen` or `unseen`: hint wordings that the model's corpus has or has not."""
    released: str = ALL
    """`all`, or `before` or `after`: problems that were or were not public at the model's cutoff."""

    @property
    def whole(self) -> bool:
        """Does it count every score of its model, set and policy?"""
        return self.wordings == self.released == ALL


@dataclass(frozen=True)
class Line:
    """A row with its measures."""

    row: Row
    intervals: Intervals
    differences: Intervals | None
    """To the row that it is compared with; None for that row itself."""


@dataclass(frozen=True)
class Average:
    """Means over problem sets, each set counting once, of a model and policy."""

    model: str
    policy: str
    sets: int
    values: Intervals


def split(scores: Sequence[Score], cutoff: str | None, known_wordings: bool) -> list[Row]:
    """Of the scores of one model, set and policy: the row of all; of seen and unseen wordings where there are hints
    and the model's corpus is known; of problems from before and after its cutoff. Rows without scores are left out.
    """
    parts: list[tuple[str, str, list[Score]]] = []
    if known_wordings and any(score.hinted for score in scores):
        for kind in (SEEN, UNSEEN):
            parts.append((kind, ALL, [score for score in scores if kind_of(score.seed) == kind]))
    if cutoff is not None:
        dated = [score for score in scores if score.released]
        parts.append((ALL, BEFORE, [score for score in dated if score.released <= cutoff]))
        parts.append((ALL, AFTER, [score for score in dated if score.released > cutoff]))
    return [
        Row(part[0].model, part[0].set, part[0].policy, part, wordings, released)
        for wordings, released, part in [(ALL, ALL, list(scores)), *parts]
        if part
    ]


def tabulate(rows: Sequence[Row], settings: EvalSettings) -> list[Line]:
    """Measure rows and compare them."""
    sets = {part.name: part for part in settings.sets}
    measured = [measure(row.scores, problems_of(row, rows), settings.ks(sets.get(row.set))) for row in rows]
    firsts = [_first(row, rows) for row in rows]
    return [
        Line(row, own.intervals(), None if first == i else own.minus(measured[first]))
        for i, (row, own, first) in enumerate(zip(rows, measured, firsts, strict=True))
    ]


def problems_of(row: Row, rows: Sequence[Row]) -> list[str]:
    """The problems of the row's set, in one order for all models and policies."""
    same = (r for r in rows if (r.set, r.released) == (row.set, row.released))
    return list(dict.fromkeys(score.problem for r in same for score in r.scores))


def averages(lines: Sequence[Line]) -> Iterator[Average]:
    """Of each model and policy that has several problem sets."""
    groups: dict[tuple[str, str], list[Intervals]] = {}
    for line in lines:
        if line.row.whole:
            groups.setdefault((line.row.model, line.row.policy), []).append(line.intervals)
    for (model, policy), parts in groups.items():
        if len(parts) > 1:
            yield Average(model, policy, len(parts), {name: _average(name, parts) for name in AVERAGED})


def _average(name: str, parts: Sequence[Intervals]) -> Interval | None:
    found = [value for part in parts if (value := part[name]) is not None]
    return averaged(found) if len(found) == len(parts) else None


def _first(row: Row, rows: Sequence[Row]) -> int:
    """The place of the row that it is compared with."""
    several = len({r.policy for r in rows}) > 1

    def group(r: Row) -> tuple[str, str, str]:
        return r.model if several else "", r.set, r.released

    return next(i for i, r in enumerate(rows) if group(r) == group(row))
