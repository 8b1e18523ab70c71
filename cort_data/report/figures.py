"""The figures of a report. Each takes numbers and gives an SVG element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cort_data.report.curves import Point
from cort_data.report.svg import WIDTH, Figure, Scale, colour, dash, number
from cort_data.statistics import Interval

_LEFT, _RIGHT, _TOP = 44.0, WIDTH - 12.0, 12.0
_PLOT = 230.0
_BAR = 13.0
_STRIP = 56.0
_FEW = 8
RIGHT, WRONG = "#0063a6", "#c8500a"
_LABELS = 150.0

Curve = tuple[str, Sequence[Point]]
"""Its name and its points."""


def curves(title: str, x_label: str, found: Sequence[Curve], *, counts: bool = False) -> str:
    """Lines with the bands of their intervals; the y axis is a share, from 0 to 1, the x axis logarithmic.

    With `counts` the x axis has whole numbers, and is linear while they are few.
    """
    figure = Figure(title, _PLOT + 44)
    xs = [point.x for _, points in found for point in points]
    across = Scale(min(xs), max(xs), _LEFT, _RIGHT, log=not counts or max(xs) > _FEW, whole=counts)
    up = Scale(0, 1, _PLOT, _TOP)
    figure.y_axis(up, _LEFT, _RIGHT, percent=True)
    figure.x_axis(across, _PLOT, _TOP, x_label)
    for i, (_, points) in enumerate(found):
        upper = [(across(p.x), up(p.y.high)) for p in points]
        lower = [(across(p.x), up(p.y.low)) for p in reversed(points)]
        figure.area(upper + lower, colour(i))
    for i, (_, points) in enumerate(found):
        figure.line([(across(p.x), up(p.y.value)) for p in points], colour(i), dash=dash(i))
        for p in points if len(points) <= _FEW else ():
            figure.dot(across(p.x), up(p.y.value), colour(i))
    figure.legend([name for name, _ in found])
    return figure.render()


def funnel(counts: dict[str, Any]) -> str:
    """What came in, what each reason took, what was kept."""
    rows = [("in", counts["in"], "#4a4a4a"), *((f"− {r}", n, WRONG) for r, n in counts["dropped"].items()),
            ("kept", counts["kept"], RIGHT)]  # fmt: skip
    figure = Figure("Funnel", 24.0 * len(rows) + 8)
    across = Scale(0, max(1, counts["in"]), _LABELS, WIDTH - 100)
    for i, (name, n, shade) in enumerate(rows):
        y = 24.0 * i + 6
        figure.text(_LABELS - 8, y + 13, name, anchor="end", room=_LABELS - 14)
        figure.bar(_LABELS, y, across(n) - _LABELS, 18, shade)
        share = n / max(1, counts["in"])
        figure.text(across(n) + 6, y + 13, f"{n:,} ({share:.1%})", colour="#444")
    return figure.render()


def lengths(rows: Sequence[tuple[str, Sequence[float], Sequence[float]]]) -> str:
    """Of each row, how long right and wrong traces are: 5–95% thin, 25–75% thick, the median a dot and a number."""
    bottom = _TOP + _STRIP * len(rows)
    figure = Figure("Length of traces", bottom + 44)
    ends = [value for _, right, wrong in rows for value in (*right, *wrong)]
    across = Scale(max(1, min(ends) * 0.9), max(2, max(ends) * 1.1), 60, WIDTH - 52, log=True)
    figure.x_axis(across, bottom, _TOP, "generated tokens, logarithmic")
    for i, (name, right, wrong) in enumerate(rows):
        y = _TOP + _STRIP * i
        figure.text(8, y + 12, name, bold=True, room=WIDTH - 16)
        for offset, label, shade, marks in ((26, "right", RIGHT, right), (42, "wrong", WRONG, wrong)):
            figure.text(8, y + offset + 4, label, colour="#444")
            if marks:
                _strip(figure, across, y + offset, marks, shade)
            figure.text(WIDTH - 6, y + offset + 4, number(marks[2]) if marks else "–", anchor="end", colour="#444")
    return figure.render()


def _strip(figure: Figure, across: Scale, y: float, marks: Sequence[float], shade: str) -> None:
    p5, p25, p50, p75, p95 = (across(mark) for mark in marks)
    figure.line([(p5, y), (p95, y)], shade, width=1.5)
    figure.line([(p25, y), (p75, y)], shade, width=7)
    figure.dot(p50, y, "#fff", radius=4)
    figure.dot(p50, y, shade, radius=2.5)


def behaviours(title: str, names: Sequence[str], rates: Sequence[tuple[str, Sequence[Interval | None]]]) -> str:
    """Rates that are shares: a group of bars each, one bar a row, with its interval."""
    step = 22 + (_BAR + 3) * len(names)
    bottom = _TOP + step * len(rates)
    figure = Figure(title, bottom + 24)
    across = Scale(0, 1, 12, WIDTH - 64)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        figure.line([(across(share), _TOP), (across(share), bottom)], "#ddd", width=1)
        figure.text(across(share), bottom + 16, f"{share:.0%}", anchor="middle", colour="#555")
    for g, (name, values) in enumerate(rates):
        y = _TOP + step * g
        figure.text(12, y + 13, name, bold=True)
        for r, value in enumerate(values):
            _rate_bar(figure, across, y + 18 + (_BAR + 3) * r, value, colour(r))
    figure.legend(names)
    return figure.render()


def _rate_bar(figure: Figure, across: Scale, y: float, value: Interval | None, shade: str) -> None:
    if value is None:
        figure.text(16, y + 10, "–", colour="#888")
        return
    figure.bar(12, y, max(1.0, across(value.value) - 12), _BAR, shade)
    figure.line([(across(value.low), y + _BAR / 2), (across(value.high), y + _BAR / 2)], "#111", width=1.5)
    figure.text(max(across(value.value), across(value.high)) + 6, y + 11, f"{100 * value.value:.1f}%", colour="#444")
