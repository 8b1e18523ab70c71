"""The tables of results: models against problem sets as in the papers, and each problem set with all its measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from cort_data.evaluation.measures import is_share
from cort_data.evaluation.rows import ALL, Line
from cort_data.evaluation.scores import Score
from cort_data.report.papers import Published, published_rows
from cort_data.report.reading import RunData
from cort_data.report.row import title_of
from cort_data.statistics import Interval

NARROW = 7
"""Columns of a table in which names still have a column of their own."""

_MEASURES = {
    "code_use_rate": "with code",
    "tokens_kept": "tokens kept",
    "tokens_generated": "tokens generated",
    "calls": "calls",
    "tokens_after_last_output": "tokens after last output",
    "tokens_per_correct": "tokens per correct answer",
}
"""Beside accuracy, pass@k and maj@k."""


class Unit(StrEnum):
    """What the numbers of a column are."""

    SHARE = "share"
    TOKENS = "tokens"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Cell:
    """A value with its interval and its difference to the row that it is compared with."""

    value: Interval | None
    difference: Interval | None = None


@dataclass(frozen=True, slots=True)
class OurRow:
    """Ours: a cell for each column."""

    name: str
    part: bool
    """Is it a part of the row above?"""
    traces: int
    unscored: int
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class TheirRow:
    """A paper's: percentages."""

    name: str
    cells: list[float | None]


@dataclass(frozen=True, slots=True)
class Table:
    """Our rows, and the papers' on the same problem sets."""

    title: str
    columns: list[tuple[str, Unit]]
    """Heading and unit of each."""
    ours: list[OurRow]
    theirs: list[TheirRow]

    @property
    def narrow(self) -> bool:
        """Is there room for names in a column of their own? They stand above the values otherwise."""
        return len(self.columns) <= NARROW


def published_for(run: RunData) -> list[Published]:
    """The papers' rows that have one of the run's problem sets."""
    return published_rows(title_of(part, run.rows) for part in run.sets)


def result_tables(run: RunData) -> list[Table]:
    """The problem sets side by side where there are several, then each with all measures."""
    if len(run.sets) > 1:
        return [_overview(run), *(_of_set(run, part, []) for part in run.sets)]
    theirs = published_for(run)
    return [_of_set(run, part, theirs) for part in run.sets]


def _overview(run: RunData) -> Table:
    """Accuracy: a row for each model and policy, a column for each problem set, and their mean."""
    lines = {(line.row.model, line.row.policy, line.row.set): line for line in run.lines if line.row.whole}
    means = {(mean.model, mean.policy): mean for mean in run.averages if mean.sets == len(run.sets)}
    ours = []
    for row in run.rows:
        found = [lines.get((row.model, row.policy, part)) for part in run.sets]
        mean = means.get((row.model, row.policy))
        cells = [*(_cell(line, "accuracy") for line in found), Cell(mean.values["accuracy"] if mean else None)]
        ours.append(_ours(row.name, False, row.scores, cells))
    titles = [title_of(part, run.rows) for part in run.sets]
    theirs = [_theirs(published, titles) for published in published_for(run)]
    return Table("Accuracy on each problem set", [(title, Unit.SHARE) for title in (*titles, "mean")], ours, theirs)


def _of_set(run: RunData, part: str, published: Sequence[Published]) -> Table:
    """All measures of one problem set; rows for wordings and for problems before and after a cutoff too."""
    lines = [line for line in run.lines if line.row.set == part]
    names = {(row.model, row.policy): row.name for row in run.rows}
    most = max((int(name.removeprefix("pass@")) for name in lines[0].intervals if name.startswith("pass@")), default=1)
    several = {f"{kind}@{most}": f"{kind}@{most}" for kind in ("pass", "maj")} if most > 1 else {}
    columns = {"accuracy": "accuracy", **several, **_MEASURES}
    title = title_of(part, run.rows)
    return Table(
        title,
        [(heading, _unit(name)) for name, heading in columns.items()],
        [
            _ours(_name(line, names), not line.row.whole, line.row.scores, [_cell(line, name) for name in columns])
            for line in lines
        ],
        [TheirRow(_paper(row), [row.accuracy[title], *[None] * (len(columns) - 1)]) for row in published],
    )


def _unit(name: str) -> Unit:
    return Unit.SHARE if is_share(name) else Unit.TOKENS if name.startswith("tokens") else Unit.NUMBER


def _ours(name: str, part: bool, scores: Sequence[Score], cells: list[Cell]) -> OurRow:
    return OurRow(name, part, len(scores), sum(score.right is None for score in scores), cells)


def _name(line: Line, names: dict[tuple[str, str], str]) -> str:
    row = line.row
    if row.whole:
        return names[row.model, row.policy]
    return f"{row.wordings} wordings" if row.wordings != ALL else f"problems from {row.released} the cutoff"


def _cell(line: Line | None, name: str) -> Cell:
    return Cell(None) if line is None else Cell(line.intervals.get(name), (line.differences or {}).get(name))


def _theirs(published: Published, titles: Sequence[str]) -> TheirRow:
    values = [published.accuracy.get(title) for title in titles]
    known = [value for value in values if value is not None]
    return TheirRow(_paper(published), [*values, round(fmean(known), 1) if len(known) == len(titles) else None])


def _paper(published: Published) -> str:
    return published.model if published.model.startswith(published.paper) else f"{published.paper}: {published.model}"
