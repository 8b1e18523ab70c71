"""Which of the kept traces a model is fine-tuned on, and how the choice looks: rejection fine-tuning (METHOD §2, RFT).

A problem that the model always solves teaches little, one that it never solves gives nothing: `difficulty` is a window
of the share of right samples. Of the others, at most so many a problem are taken: the shortest, or such as differ.
"""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cort_data.blocks import blocks
from cort_data.similarity import similarity
from cort_data.trace import Trace

BANDS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Borders of the difficulty mix, in shares of right samples; each band holds its upper border."""


class Choice(StrEnum):
    """How traces are taken among those of one problem."""

    SHORTEST = "shortest"
    """Fewest model tokens first."""
    DIVERSE = "diverse"
    """The shortest first, then always the one that is least like those taken."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a problem was solved."""

    samples: int
    right: int

    @property
    def share(self) -> float:
        """Right samples among all."""
        return self.right / self.samples

    def within(self, difficulty: tuple[float, float]) -> bool:
        """Does the share lie in this window? Both ends belong to it."""
        return difficulty[0] <= self.share <= difficulty[1]


def choose(traces: Sequence[Trace], choice: Choice, most: int) -> list[Trace]:
    """At most `most` of one problem's traces, the first chosen first."""
    left = sorted(traces, key=lambda trace: (trace.kept_tokens, trace.id))
    if choice is Choice.SHORTEST:
        return left[:most]
    taken: list[Trace] = []
    while left and len(taken) < most:
        taken.append(min(left, key=lambda trace: max((similarity(trace.text, t.text) for t in taken), default=0.0)))
        left.remove(taken[-1])
    return taken


@dataclass(frozen=True, slots=True)
class Mix:
    """How a choice looks. A round that collapses shows it here: fewer ways, fewer problems, easy ones alone."""

    traces: int
    problems: int
    distinct_programs: float | None
    """Share of different programs among the traces of a problem, mean over problems with several; None without any."""
    bands: tuple[int, ...]
    """Problems by the share of their right samples, between the `BANDS`."""


def mix(rates: Mapping[str, Rate], chosen: Iterable[Trace]) -> Mix:
    """The mix of chosen traces."""
    by_problem: dict[str, list[str]] = {}
    for trace in chosen:
        by_problem.setdefault(trace.problem.id, []).append(program(trace))
    several = [programs for programs in by_problem.values() if len(programs) > 1]
    shares = [(len(set(programs)) - 1) / (len(programs) - 1) for programs in several]
    bands = Counter(_band(rates[name].share) for name in by_problem)
    return Mix(
        traces=sum(map(len, by_problem.values())),
        problems=len(by_problem),
        distinct_programs=sum(shares) / len(shares) if shares else None,
        bands=tuple(bands[i] for i in range(len(BANDS) - 1)),
    )


def program(trace: Trace) -> str:
    """All its blocks without the spelling of names, layout and comments: equal for programs that do the same steps."""
    return "\n".join(_shape(block.code) for block in blocks(trace))


def _shape(code: str) -> str:
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.setdefault(node.id, f"n{len(names)}")
    return ast.dump(tree)


def _band(rate: float) -> int:
    pairs = enumerate(itertools.pairwise(BANDS))
    return next(i for i, (low, high) in pairs if rate <= high and (rate > low or i == 0))
