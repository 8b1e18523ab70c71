"""The page of a run: what stands where. Words and layout are in `page.html.j2`, figures in `drawings`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cort_data.audit import Audit, Precision
from cort_data.behaviour.rates import RATES, Group, Rate
from cort_data.evaluation.results import NANO_NOTE
from cort_data.report.drawings import Drawing, draw
from cort_data.report.papers import behaviour_notes
from cort_data.report.reading import RunData, read_run
from cort_data.report.row import Row, title_of
from cort_data.report.tables import Unit, published_for, result_tables
from cort_data.runs import write_atomically
from cort_data.statistics import Interval

SHOWN_CLASSES = 25


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
    environment.filters.update(number=_number, signed=_signed)
    template = environment.from_string((resources.files(__package__) / "page.html.j2").read_text("utf-8"))
    return template.render(
        run=run,
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        cort=version("cort-data"),
        figures={d.name: Markup(d.svg) for d in drawings},
        drawings=drawings,
        tables=result_tables(run),
        papers=list(dict.fromkeys((row.source, row.protocol) for row in published_for(run))),
        counted=any(row.counted for row in run.all_rows),
        rates=[(rate, _unit(rate)) for rate in RATES],
        notes=behaviour_notes(),
        behaviour=behaviour_groups(run.all_rows),
        classes=function_classes(run.all_rows),
        instrument=orjson.loads((resources.files("cort_data.behaviour") / "measured.json").read_bytes()),
        hints=[(row, row.hints.rows()) for row in run.all_rows if row.hints.rows()],
        audited=audited,
        rounds=run.manifests.get("rft", {}).get("rounds", []),
        stages=[_stage(name, manifest) for name, manifest in run.manifests.items()],
        recipe=orjson.dumps(run.recipe, option=orjson.OPT_INDENT_2).decode(),
        note=NANO_NOTE if _nano(run) else "",
    )


def behaviour_groups(rows: list[Row]) -> list[dict[str, Any]]:
    """For each row its rates: of all traces, by correctness, by problem set and by topic, where there are several."""
    return [
        {
            "name": row.name,
            "groups": _rates(
                {
                    "all": row.behaviour.everything,
                    **row.behaviour.by_correctness,
                    **_several({title_of(part, rows): group for part, group in row.by_set.items()}),
                    **_several(dict(sorted(row.behaviour.by_topic.items()))),
                }
            ),
        }
        for row in rows
    ]


def _several(groups: dict[str, Group]) -> dict[str, Group]:
    return groups if len(groups) > 1 else {}


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


def _unit(rate: Rate) -> Unit:
    return Unit.SHARE if rate.percent else Unit.TOKENS if rate.name.startswith("tokens") else Unit.NUMBER


_SHAPES = {Unit.SHARE: ".1f", Unit.TOKENS: ",.0f", Unit.NUMBER: ",.2f"}


def _number(interval: Interval | None, unit: str) -> Markup | str:
    """A value with its interval."""
    if interval is None:
        return "–"
    return Markup("{} <small>{}–{}</small>").format(*_shown(interval, unit))


def _signed(interval: Interval | None, unit: str) -> Markup | str:
    """A difference with its interval; a star if that excludes 0."""
    if interval is None:
        return ""
    value, low, high = (text.replace("-", "−") for text in _shown(interval, unit, "+"))
    return Markup("Δ {}{} <small>{} … {}</small>").format(value, "*" if interval.beyond else "", low, high)


def _shown(interval: Interval, unit: str, sign: str = "") -> list[str]:
    """Value, low and high."""
    scale = 100 if unit == Unit.SHARE else 1
    return [f"{scale * v:{sign}{_SHAPES[Unit(unit)]}}" for v in (interval.value, interval.low, interval.high)]
