"""The page of a run: what stands where. Words and layout are in `page.html.j2`, drawings in `figures`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cort_data.audit import Audit, Precision
from cort_data.behaviour.rates import RATES, Group
from cort_data.report import figures
from cort_data.report.curves import accuracy_at_caps, caps_of, pass_at_k, spread
from cort_data.report.papers import behaviour_notes, published_rows
from cort_data.report.reading import RunData, read_run
from cort_data.report.row import MEASURES, Row, ratios
from cort_data.runs import write_atomically
from cort_data.statistics import Interval, intervals, paired_differences, share_interval

SHOWN_CLASSES = 25


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure and what stands below it."""

    name: str
    """Of its file."""
    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A value with its interval and its difference to the first row."""

    value: Interval | None
    difference: Interval | None = None


def write_report(path: Path, out: Path, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Write the page, and its figures to a folder beside it. Returns the page's path. Raises CortError."""
    run = read_run(path, tell)
    drawings = draw(run)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f"{out.stem}_figures")
    folder.mkdir(exist_ok=True)
    for drawing in drawings:
        write_atomically(folder / f"{drawing.name}.svg", drawing.svg + "\n")
    write_atomically(out, page(run, drawings, _audited(path)))
    return out


def page(run: RunData, drawings: list[Drawing], audited: list[Precision]) -> str:
    """The HTML. Everything that comes from a trace, a recipe or a folder's name is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(share=_share, count=_count, signed=_signed)
    template = environment.from_string((resources.files(__package__) / "page.html.j2").read_text("utf-8"))
    sources = list(dict.fromkeys(source for row in run.rows for source in row.sources))
    return template.render(
        run=run,
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        cort=version("cort-data"),
        figures={d.name: Markup(d.svg) for d in drawings},
        drawings=drawings,
        sources=sources,
        main=main_table(run.rows, sources),
        measures=MEASURES,
        published=(published := published_rows(sources)),
        papers=list(dict.fromkeys((row.source, row.protocol) for row in published)),
        counted=any(row.counted for row in run.all_rows),
        rates=RATES,
        notes=behaviour_notes(),
        behaviour=behaviour_groups(run.all_rows),
        classes=function_classes(run.all_rows),
        instrument=orjson.loads((resources.files("cort_data.behaviour") / "measured.json").read_bytes()),
        hints=[(row, row.hints.rows()) for row in run.all_rows if row.hints.rows()],
        audited=audited,
        rounds=run.manifests.get("rft", {}).get("rounds", []),
        stages=[_stage(name, manifest) for name, manifest in run.manifests.items()],
        recipe=orjson.dumps(run.recipe, option=orjson.OPT_INDENT_2).decode(),
        nano=_nano(run),
    )


def draw(run: RunData) -> list[Drawing]:
    """All figures that the run has the numbers for."""
    found: list[Drawing] = []
    for funnel in run.funnels:
        caption = "A dropped trace counts under the first filter that dropped it."
        name = f"funnel_{_slug(funnel.name)}"
        found.append(Drawing(name, f"Funnel of {funnel.name}.", caption, figures.funnel(funnel.counts)))
    compared = run.rows or run.all_rows
    for source in dict.fromkeys(source for row in compared for source in row.sources):
        found += _curves(compared, source)
    strips = [_strip(row) for row in run.all_rows if row.counted]
    if any(right or wrong for _, right, wrong in strips):
        caption = "Generated tokens of right and wrong traces: 5–95% thin, 25–75% thick, the median as a dot."
        found.append(Drawing("lengths", "Lengths.", caption, figures.lengths([s for s in strips if s[1] or s[2]])))
    return [*found, *_bars(run.all_rows)]


def _bars(rows: list[Row]) -> list[Drawing]:
    """The rates that are shares, in two figures."""
    rates = [row.behaviour.everything.rates() for row in rows]
    shares = [(rate.name, [values[i] for values in rates]) for i, rate in enumerate(RATES) if rate.percent]
    half = (len(shares) + 1) // 2
    caption = "Shares with 95% intervals, clustered by problem."
    return [
        Drawing(name, "Behaviour.", caption, figures.behaviours("Behaviour", [row.name for row in rows], part))
        for name, part in (("behaviour_1", shares[:half]), ("behaviour_2", shares[half:]))
    ]


def _curves(rows: list[Row], source: str) -> list[Drawing]:
    samples = {row.name: row.of(source) for row in rows}
    slug = _slug(source)
    found = []
    caps = caps_of([s for each in samples.values() for s in each])
    capped = [(name, points) for name, each in samples.items() if (points := accuracy_at_caps(each, caps))]
    if capped:
        caption = "The accuracy if generation had stopped at a cap: a right trace counts from its own length on."
        svg = figures.curves("Accuracy against token cap", "cap, generated tokens, logarithmic", capped)
        found.append(Drawing(f"cap_{slug}", f"Accuracy against token cap, {source}.", caption, svg))
    passed = [(_code_label(row), points) for row in rows if len(points := pass_at_k(samples[row.name])) > 1]
    if passed:
        caption = "Unbiased; a problem with fewer than k samples is left out at that k."
        found.append(
            Drawing(f"pass_{slug}", f"pass@k, {source}.", caption, figures.curves("pass@k", "k", passed, counts=True))
        )
    return found


def _slug(name: str) -> str:
    """For the name of a file."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"


def _code_label(row: Row) -> str:
    return f"{row.name} ({'without' if row.text_only else 'with'} code)"


def _strip(row: Row) -> tuple[str, list[float], list[float]]:
    """Name, spread of right traces, spread of wrong ones."""
    right, wrong = ([s for s in row.samples if s.right is flag and s.generated] for flag in (True, False))
    return row.name, spread(right), spread(wrong)


def main_table(rows: list[Row], sources: list[str]) -> list[dict[str, Any]]:
    """One a row: accuracy on each set, then all measures over all sets.

    Differences are to the first policy of the model or, where there is one policy, to the first model, as in the
    results of the evaluation.
    """
    several = len({row.policy for row in rows}) > 1
    found = []
    for row in rows:
        first = next(r for r in rows if r.model == row.model or not several)
        found.append(
            {
                "row": row,
                "sets": {source: _cells(row, first, source)[0] for source in sources},
                "all": _cells(row, first, None),
                "unscored": sum(s.right is None for s in row.samples),
            }
        )
    return found


def _cells(row: Row, first: Row, source: str | None) -> list[Cell]:
    """The measures on one problem set; the differences pair the problems that both rows have."""
    mine, theirs = row.of(source), first.of(source)
    if not mine:
        return [Cell(None)] * len(MEASURES)
    found = ratios(mine, list(dict.fromkeys(s.problem for s in mine)))
    shares = np.where(found.denominator[0] > 0, found.numerator[0], np.nan)
    values = [share_interval(shares), *intervals(found)[1:]]
    shared = [p for p in dict.fromkeys(s.problem for s in theirs) if p in {s.problem for s in mine}]
    if row is first or not shared:
        return [Cell(value) for value in values]
    both = [ratios([s for s in side if s.problem in set(shared)], shared) for side in (theirs, mine)]
    return [Cell(v, d) for v, d in zip(values, paired_differences(*both), strict=True)]


def behaviour_groups(rows: list[Row]) -> list[dict[str, Any]]:
    """For each row its rates: of all traces, by correctness, and by topic."""
    return [
        {
            "name": row.name,
            "groups": _rates(
                {
                    "all": row.behaviour.everything,
                    **row.behaviour.by_correctness,
                    **(dict(sorted(row.behaviour.by_topic.items())) if len(row.behaviour.by_topic) > 1 else {}),
                }
            ),
        }
        for row in rows
    ]


def _rates(groups: dict[str, Group]) -> list[tuple[str, int, list[Interval | None]]]:
    return [(name, group.traces, group.rates()) for name, group in groups.items() if group.traces]


def function_classes(rows: list[Row]) -> list[tuple[str, list[float]]]:
    """The commonest classes of functions: of each row, the share of its blocks that use one."""
    groups = [row.behaviour.everything for row in rows]
    total = sum((group.classes for group in groups), Counter[str]())
    return [
        (name, [group.classes[name] / group.blocks if group.blocks else 0.0 for group in groups])
        for name, _ in total.most_common(SHOWN_CLASSES)
    ]


def _audited(path: Path) -> list[Precision]:
    return Audit(path).precision() if (path / "audit").is_dir() else []


def _stage(name: str, manifest: dict[str, Any]) -> dict[str, str]:
    """What a complete stage says of itself."""
    counts = [manifest[key] for key in ("traces", "in", "rows") if key in manifest]
    stops = [f"{reason} {n:,}" for reason, n in manifest.get("stop_reasons", {}).items()]
    return {
        "name": name,
        "traces": f"{counts[0]:,}" if counts else "–",
        "model": str(manifest.get("engine", {}).get("model", "–")),
        "stops": ", ".join(stops) or "–",
    }


def _nano(run: RunData) -> bool:
    problems = run.recipe.get("problems") or {}
    return any(isinstance(source, dict) and source.get("source") == "nano" for source in problems.values())


def _share(interval: Interval | None) -> Markup | str:
    """A percentage with its interval."""
    if interval is None:
        return "–"
    low, high = 100 * interval.low, 100 * interval.high
    return Markup("{:.1f} <small>{:.1f}–{:.1f}</small>").format(100 * interval.value, low, high)


def _count(interval: Interval | None) -> Markup | str:
    """A number with its interval."""
    if interval is None:
        return "–"
    value, low, high = (_number(v) for v in (interval.value, interval.low, interval.high))
    return Markup("{} <small>{}–{}</small>").format(value, low, high)


def _signed(interval: Interval | None, percent: bool) -> Markup | str:
    """A difference with its interval; a star if that excludes 0."""
    if interval is None:
        return ""
    shape = "+.1f" if percent else "+,.2f" if abs(interval.value) < 10 else "+,.0f"
    scale = 100 if percent else 1
    value, low, high = (
        format(scale * v, shape).replace("-", "−") for v in (interval.value, interval.low, interval.high)
    )
    return Markup("Δ {}{} <small>{} … {}</small>").format(value, "*" if interval.beyond else "", low, high)


def _number(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.0f}"
