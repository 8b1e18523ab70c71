"""What several samples are worth, and models against problem sets, as tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.table import Table

from cort_data.tables import row_labels

if TYPE_CHECKING:
    from cort_data.evaluation.comparison import Compared
    from cort_data.statistics import Interval


def sampling_table(results: dict[str, Any]) -> Table:
    """pass@k and maj@k of each row with their intervals, in percent."""
    table = _table("pass@k and maj@k, in percent", "95% intervals over problems")
    rows = [row for row in results["rows"] if row["wordings"] == "all"]
    names = list(dict.fromkeys(name for row in rows for name in row["intervals"] if "@" in name))
    ks = sorted({int(name.partition("@")[2]) for name in names})
    table.add_column("policy", no_wrap=True)
    for k in ks:
        table.add_column(f"pass@{k}", justify="right")
    for k in ks[1:]:
        table.add_column(f"maj@{k}", justify="right")
    wanted = [*(f"pass@{k}" for k in ks), *(f"maj@{k}" for k in ks[1:])]
    for row, label in zip(rows, row_labels(rows), strict=True):
        table.add_row(label, *(_percent(row.get(name), row["intervals"].get(name)) for name in wanted))
    return table


def set_table(results: dict[str, Any]) -> Table:
    """Accuracy in percent: a row for each model and policy, a column for each problem set, and their mean."""
    table = _table("Accuracy on each problem set, in percent", "95% intervals; the mean counts each set once")
    table.add_column("model", overflow="fold")
    table.add_column("policy", no_wrap=True)
    names = [part["name"] for part in results["sets"]]
    for part in results["sets"]:
        table.add_column(f"{part['name']}\navg@{part['samples']}", justify="right")
    table.add_column("mean", justify="right")
    whole = [row for row in results["rows"] if row["wordings"] == row["released"] == "all"]
    for mean in results["averages"]:
        mine = {r["set"]: r for r in whole if (r["model"], r["policy"]) == (mean["model"], mean["policy"])}
        cells = (_percent(mine[name]["accuracy"], mine[name]["intervals"]["accuracy"]) for name in names)
        found = mean["accuracy"]
        table.add_row(mean["model"], mean["policy"], *cells, _percent(found["value"], [found["low"], found["high"]]))
    return table


def comparison_table(compared: Compared) -> Table:
    """Two arms on the same problems, measure by measure."""
    table = _table(
        f"A {compared.first} | B {compared.second}: {compared.problems:,} problems of {compared.set}",
        "B - A, paired by problem, 95% interval; * excludes 0: the difference is separable",
    )
    for heading in ("", "A", "B", "B - A", "95% interval"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, difference in compared.differences.items():
        if difference is not None:
            table.add_row(name, *_comparison_cells(name, compared, difference))
    return table


def _comparison_cells(name: str, compared: Compared, difference: Interval) -> tuple[str, ...]:
    values = (compared.values[0][name], compared.values[1][name])
    star = "*" if difference.beyond else ""
    return (
        *(_plain(name, value) for value in values),
        _plain(name, difference.value, "+") + star,
        f"{_plain(name, difference.low, '+')} … {_plain(name, difference.high, '+')}",
    )


def _plain(name: str, value: float | None, sign: str = "") -> str:
    if value is None:
        return "–"
    if "@" in name or name in ("accuracy", "code_use_rate"):
        return f"{100 * value:{sign}.1f}%"
    return f"{value:{sign}.2f}" if name == "calls" else f"{value:{sign},.0f}"


def _percent(value: float | None, interval: list[float] | None) -> str:
    if value is None or interval is None:
        return "–"
    return f"{100 * value:.1f}\n[dim]{100 * interval[0]:.1f} … {100 * interval[1]:.1f}[/dim]"


def _table(title: str, caption: str) -> Table:
    return Table(title=title, caption=caption, box=SIMPLE, title_justify="left", caption_justify="left", padding=(0, 1))
