"""The tables of the miniature, from graded traces: plain functions of scores and traces, as rows of results files.

All samples of all trainings of a row stand side by side: a problem's value is their mean. Intervals are 95% over the
problems; differences are paired by problem (CONTRACT "Statistics").
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cort_data.behaviour import Observation
from cort_data.evaluation.measures import Measured, measure
from cort_data.evaluation.scores import Score
from cort_data.grading import Verdict
from cort_data.hints.template import VARIABLES, Hint
from cort_data.statistics import Interval, Ratios, paired_differences, share_interval
from cort_data.trace import Kind, Origin, Trace

SHOWN = ("accuracy", "tokens_generated", "tokens_per_correct", "code_use_rate", "calls")
Row = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """The graded traces of one row of a table, of one model a training."""

    name: str
    trainings: Sequence[Sequence[Score]]

    @property
    def scores(self) -> list[Score]:
        """All of them."""
        return [score for training in self.trainings for score in training]


def rows(groups: Sequence[Group], base: Group, shown: Sequence[str] = SHOWN) -> list[Row]:
    """A row each with some measures, and their differences to the base, which has none itself."""
    problems = problems_of([base, *groups])
    first = measure(base.scores, problems, ())
    found = []
    for group in groups:
        own = measure(group.scores, problems, ())
        found.append({"row": group.name, **_spread(group), **_values(own, None if group is base else first, shown)})
    return found


def _values(own: Measured, first: Measured | None, shown: Sequence[str]) -> Row:
    values = own.intervals()
    row: Row = {name: level(values[name]) for name in shown}
    if first is not None:
        apart = own.minus(first)
        row["difference"] = {name: difference(apart[name]) for name in shown}
    return row


def _spread(group: Group) -> Row:
    """How often was trained, and how far the accuracies of the trainings lie apart."""
    if len(group.trainings) < 2:
        return {"trainings": len(group.trainings)}
    shares = [measure(own, problems_of([group]), ()).values()["accuracy"] for own in group.trainings]
    return {"trainings": len(shares), "lowest": min(shares), "highest": max(shares)}


def pass_rows(groups: Sequence[Group], ks: Sequence[int], base: Group) -> list[Row]:
    """pass@k of each row, and its differences to the base; a group holds one model under one policy."""
    problems = problems_of([base, *groups])
    names = [f"pass@{k}" for k in ks]
    first = measure(base.scores, problems, ks)
    measured = [(group, measure(group.scores, problems, ks)) for group in groups]
    return [{"row": group.name, **_values(own, None if group is base else first, names)} for group, own in measured]


def family_rows(groups: Sequence[Group], base: Group) -> list[Row]:
    """Accuracy by the family of the problem: a row each, a column for each group, with its difference to the base."""
    problems = problems_of([base, *groups])
    families: dict[str, list[str]] = defaultdict(list)
    for problem in problems:
        families[family_of(problem)].append(problem)
    found = []
    for family, own in sorted(families.items()):
        kept = set(own)
        part = {g.name: measure([s for s in g.scores if s.problem in kept], own, ()) for g in (base, *groups)}
        found.append(
            {
                "family": family,
                "problems": len(own),
                **{name: level(measured.intervals()["accuracy"]) for name, measured in part.items()},
                "difference": {
                    group.name: difference(part[group.name].minus(part[base.name])["accuracy"])
                    for group in groups
                    if group is not base
                },
            }
        )
    return found


def family_of(problem: str) -> str:
    """`nano-FAMILY-HASH` → FAMILY."""
    return problem.split("-")[1]


@dataclass(frozen=True, slots=True)
class Case:
    """A trace for the tables of code that failed or misled."""

    score: Score
    seen: Observation


FAILURES: Mapping[str, Callable[[Observation], bool]] = {
    "no code ran": lambda o: o.ran == 0,
    "no block failed": lambda o: o.ran > 0 and o.error_streaks == 0,
    "a block failed, the last one worked": lambda o: o.error_streaks > 0 and o.recovered == o.error_streaks,
    "a block failed, and the last one did": lambda o: o.recovered < o.error_streaks,
}
"""Exactly one holds for each trace."""

GROUNDS: Mapping[str, Callable[[Observation], bool]] = {
    "working code printed the answer": lambda o: o.grounded is True,
    "working code, another answer": lambda o: o.grounded is False,
}
"""At most one holds for each trace; neither without an answer or without code that worked."""


def case_rows(name: str, cases: Sequence[Case], kinds: Mapping[str, Callable[[Observation], bool]]) -> list[Row]:
    """How many traces are of each kind, how many of these are right, and what they cost; kinds that occur."""
    problems = list(dict.fromkeys(case.score.problem for case in cases))
    found = []
    for kind, holds in kinds.items():
        own = [case.score for case in cases if holds(case.seen)]
        if own:
            values = measure(own, problems, ()).intervals()
            shown = {key: level(values[key]) for key in ("accuracy", "tokens_generated")}
            found.append({"row": name, "traces in which": kind, "share": len(own) / len(cases), **shown})
    return found


def misled_row(name: str, cases: Sequence[Case]) -> Row:
    """What share of wrong answers a working program printed, of traces with such a program."""
    wrong = [c for c in cases if c.score.verdict is Verdict.DIFFERENT and c.seen.worked]
    printed = sum(case.seen.grounded is True for case in wrong)
    share = printed / len(wrong) if wrong else None
    return {"row": name, "wrong, with working code": len(wrong), "printed by it": printed, "share": share}


def wordings_of(hints: Iterable[Hint]) -> frozenset[str]:
    """The words of all hints as `normal` leaves them, without the block that they open."""
    texts = (wording.render(VARIABLES).partition("```")[0] for hint in hints for wording in hint.wordings)
    return frozenset(normal(text) for text in texts if normal(text))


def normal(text: str) -> str:
    """In lower case, every run of white space one blank."""
    return re.sub(r"\s+", " ", text).strip().lower()


def echoes(trace: Trace, wordings: Iterable[str]) -> bool:
    """Did the model itself write a hint's wording?"""
    own = "".join(s.text if s.origin is Origin.MODEL and s.kind is Kind.TEXT else "\n" for s in trace.segments)
    text = normal(own)
    return any(wording in text for wording in wordings)


def share_row(name: str, values: Mapping[str, Sequence[bool]], first: Mapping[str, Sequence[bool]] | None) -> Row:
    """A share over problems, from each problem's samples, and its difference to another model on the same problems."""
    own = np.array([float(np.mean(samples)) for samples in values.values()])
    row: Row = {name: level(share_interval(own))}
    if first is not None:
        others = np.array([float(np.mean(first[problem])) for problem in values])
        ones = np.ones((1, len(own)))
        row["difference"] = {
            name: difference(paired_differences(Ratios(others[None], ones), Ratios(own[None], ones))[0])
        }
    return row


def by_problem(pairs: Iterable[tuple[str, bool]]) -> dict[str, list[bool]]:
    """Problem → the values of its samples."""
    found: dict[str, list[bool]] = defaultdict(list)
    for problem, value in pairs:
        found[problem].append(value)
    return found


def merged(row: Row, more: Row) -> Row:
    """One row of two, their differences joined."""
    both = row.get("difference", {}) | more.get("difference", {})
    return row | more | ({"difference": both} if both else {})


def problems_of(groups: Iterable[Group]) -> list[str]:
    """All problems, in the order in which they come."""
    return list(dict.fromkeys(score.problem for group in groups for score in group.scores))


def level(found: Interval | None) -> Row | None:
    """A value with its interval."""
    return found and {"value": found.value, "low": found.low, "high": found.high}


def difference(found: Interval | None) -> Row | None:
    """A difference with its interval, and whether that excludes 0."""
    return found and {"value": found.value, "low": found.low, "high": found.high, "beyond_interval": found.beyond}
