"""A figure as SVG text: axes, lines with bands, bars, labels. Nothing outside the file is needed to show it.

Coordinates of marks are data; `Figure` maps them to the drawing area. All text is escaped. Figures are `WIDTH` units
wide and drawn as wide as the page allows, so that they stay legible in a narrow window and in print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH = 480
FONT = 12
COLOURS = ("#0063a6", "#c8500a", "#00805a", "#a2408a", "#7a6a00", "#4a4a4a", "#1b9ec9", "#8c2d04")
DASHES = ("", "7 3", "2 3", "9 3 2 3")
_CHAR = 0.56  # width of a character in units of the font size, about


@dataclass(frozen=True, slots=True)
class Scale:
    """Data to units along one axis."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False
    """Of counts: ticks at whole numbers alone."""

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        low, high, value = ((math.log(v) for v in (self.low, self.high, max(value, 1e-9)))
                            if self.log else (self.low, self.high, value))  # fmt: skip
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """About five round values."""
        if self.log:
            if self.whole:
                return [2.0**n for n in range(16) if self.low <= 2**n <= self.high]
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            near = [m * 10**p for p in powers for m in (1, 2, 5) if self.low <= m * 10**p <= self.high]
            return near if 2 <= len(near) <= 6 else near[:: max(1, len(near) // 5)] or [self.low, self.high]
        step = _round_step((self.high - self.low) / 4 or 1)
        if self.whole:
            step = max(1, round(step))
        first = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass
class Figure:
    """An SVG under construction. `height` grows with `legend`."""

    title: str
    height: float
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", size: float = FONT, bold: bool = False,
             colour: str = "#222", room: float | None = None) -> None:  # fmt: skip
        """A line of text; cut to `room` units, in full as its tooltip."""
        shown = fit(text, room, size) if room is not None else text
        tip = f"<title>{escape(text)}</title>" if shown != text else ""
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}"{weight}>'
            f"{tip}{escape(shown)}</text>"
        )

    def line(self, points: Sequence[tuple[float, float]], colour: str, *, width: float = 2, dash: str = "") -> None:
        """A line through points in units."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline points="{_points(points)}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dashed}/>'
        )

    def area(self, points: Sequence[tuple[float, float]], colour: str, *, opacity: float = 0.14) -> None:
        """A filled outline."""
        self.parts.append(f'<polygon points="{_points(points)}" fill="{colour}" fill-opacity="{opacity:g}"/>')

    def bar(self, x: float, y: float, width: float, height: float, colour: str, *, tip: str = "") -> None:
        """A rectangle."""
        title = f"<title>{escape(tip)}</title>" if tip else ""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}" fill="{colour}">'
            f"{title}</rect>"
        )

    def dot(self, x: float, y: float, colour: str, *, radius: float = 3) -> None:
        """A filled circle."""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}"/>')

    def x_axis(self, scale: Scale, y: float, top: float, label: str) -> None:
        """Ticks below `y`, grid lines up to `top`, and what the axis shows."""
        for tick in scale.ticks():
            self.line([(scale(tick), top), (scale(tick), y)], "#ddd", width=1)
            self.text(scale(tick), y + 16, number(tick), anchor="middle", colour="#555")
        self.line([(scale.start, y), (scale.end, y)], "#888", width=1)
        self.text((scale.start + scale.end) / 2, y + 34, label, anchor="middle", colour="#555")

    def y_axis(self, scale: Scale, x: float, right: float, *, percent: bool = False) -> None:
        """Ticks left of `x`, grid lines to `right`."""
        for tick in scale.ticks():
            self.line([(x, scale(tick)), (right, scale(tick))], "#ddd", width=1)
            shown = f"{100 * tick:.0f}%" if percent else number(tick)
            self.text(x - 6, scale(tick) + 4, shown, anchor="end", colour="#555")

    def legend(self, names: Sequence[str], x: float = 8) -> None:
        """One line a name, below everything."""
        for i, name in enumerate(names):
            self.height += 18
            y = self.height - 8
            self.line([(x, y - 4), (x + 26, y - 4)], colour(i), width=3, dash=dash(i))
            self.text(x + 34, y, name, room=WIDTH - x - 40)

    def render(self) -> str:
        """The SVG element."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height:.0f}" role="img" '
            f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">'
            f"<title>{escape(self.title)}</title>{''.join(self.parts)}</svg>"
        )


def colour(index: int) -> str:
    """Of the row with this index."""
    return COLOURS[index % len(COLOURS)]


def dash(index: int) -> str:
    """Of the row with this index, so that rows differ without colour too, and where a colour comes again."""
    return DASHES[(index + index // len(COLOURS)) % len(DASHES)]


def number(value: float) -> str:
    """Short, for a tick."""
    if abs(value) >= 1000:
        return f"{value / 1000:.3g}k" if abs(value) < 1e6 else f"{value / 1e6:.3g}M"
    return f"{value:.3g}"


def fit(text: str, room: float, size: float = FONT) -> str:
    """The text, cut so that it takes about `room` units."""
    most = max(4, int(room / (_CHAR * size)))
    return text if len(text) <= most else text[: most - 1] + "…"


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= step * 0.999)
