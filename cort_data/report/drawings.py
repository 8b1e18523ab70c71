"""The figures of a run: which there are, and what each shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cort_data.behaviour.rates import RATES
from cort_data.evaluation.rows import Line
from cort_data.report import figures
from cort_data.report.curves import Point, accuracy_at_caps, caps_of, pass_at_ks, spread
from cort_data.report.reading import RunData
from cort_data.report.row import Row, title_of
from cort_data.stages.workshop import TEXT_ONLY


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure and what stands below it."""

    name: str
    """Of its file."""
    title: str
    caption: str
    svg: str


def draw(run: RunData) -> list[Drawing]:
    """All figures that the run has the numbers for."""
    return [*_funnels(run), *_curves(run), *_lengths(run.all_rows), *_bars(run.all_rows)]


def _funnels(run: RunData) -> Iterator[Drawing]:
    caption = "A dropped trace counts under the first filter that dropped it."
    for funnel in run.funnels:
        yield Drawing(
            f"funnel_{_slug(funnel.name)}", f"Funnel of {funnel.name}.", caption, figures.funnel(funnel.counts)
        )


def _curves(run: RunData) -> Iterator[Drawing]:
    """Of each problem set; of what synthesis wrote, if nothing was evaluated."""
    rows = run.rows or run.written
    for part in dict.fromkeys(part for row in rows for part in row.sets):
        title = title_of(part, rows)
        yield from _capped(rows, part, title)
        yield from _passed(run, part, title)


def _capped(rows: Sequence[Row], part: str, title: str) -> Iterator[Drawing]:
    scores = {row.name: row.of(part) for row in rows}
    caps = caps_of([score for each in scores.values() for score in each])
    found = [(name, points) for name, each in scores.items() if (points := accuracy_at_caps(each, caps))]
    if found:
        caption = "The accuracy if generation had stopped at a cap: a right trace counts from its own length on."
        svg = figures.curves("Accuracy against token cap", "cap, generated tokens, logarithmic", found)
        yield Drawing(f"cap_{_slug(part)}", f"Accuracy against token cap, {title}.", caption, svg)


def _passed(run: RunData, part: str, title: str) -> Iterator[Drawing]:
    lines = {(line.row.model, line.row.policy): line for line in run.lines if line.row.whole and line.row.set == part}
    found = [
        (f"{row.name}, {_code(row)}", points)
        for row in run.rows
        if len(points := _points(lines.get((row.model, row.policy)))) > 1
    ]
    if found:
        caption = "Unbiased; a problem with fewer than k samples is left out at that k."
        svg = figures.curves("pass@k", "k", found, counts=True)
        yield Drawing(f"pass_{_slug(part)}", f"pass@k, {title}.", caption, svg)


def _points(line: Line | None) -> list[Point]:
    return [] if line is None else pass_at_ks(line)


def _code(row: Row) -> str:
    return "without code" if row.policy == TEXT_ONLY else "with code"


def _lengths(rows: list[Row]) -> Iterator[Drawing]:
    """Of each problem set."""
    for part in dict.fromkeys(part for row in rows if row.counted for part in row.sets):
        strips = [(row.name, _spread(row, part, True), _spread(row, part, False)) for row in rows if row.counted]
        strips = [strip for strip in strips if strip[1] or strip[2]]
        if strips:
            caption = "Generated tokens of right and wrong traces: 5–95% thin, 25–75% thick, the median as a dot."
            yield Drawing(
                f"lengths_{_slug(part)}", f"Lengths, {title_of(part, rows)}.", caption, figures.lengths(strips)
            )


def _spread(row: Row, part: str, right: bool) -> list[float]:
    return spread([score for score in row.of(part) if score.right is right and score.generated])


def _bars(rows: list[Row]) -> Iterator[Drawing]:
    """The rates that are shares, in two figures."""
    rates = [row.behaviour.everything.rates() for row in rows]
    shares = [(rate.name, [values[i] for values in rates]) for i, rate in enumerate(RATES) if rate.percent]
    half = (len(shares) + 1) // 2
    caption = "Shares with 95% intervals, clustered by problem."
    for name, part in (("behaviour_1", shares[:half]), ("behaviour_2", shares[half:])):
        yield Drawing(name, "Behaviour.", caption, figures.behaviours("Behaviour", [row.name for row in rows], part))


def _slug(name: str) -> str:
    """For the name of a file."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
