"""The policy comparison as a table on the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

_COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("accuracy", "accuracy %", lambda v: f"{100 * v:.1f}"),
    ("code_use_rate", "with\ncode %", lambda v: f"{100 * v:.1f}"),
    ("tokens_kept", "tokens\nkept", lambda v: f"{v:.0f}"),
    ("tokens_generated", "tokens\ngenerated", lambda v: f"{v:.0f}"),
    ("calls", "calls", lambda v: f"{v:.2f}"),
    ("tokens_after_last_output", "after last\noutput", lambda v: f"{v:.0f}"),
    ("tokens_per_correct", "tokens per\ncorrect", lambda v: f"{v:.0f}"),
)
MIN_WIDTH = 124  # a pipe or a file has no width of its own


def out() -> Console:
    """The console of results: stdout, never narrower than a table needs when nobody looks on."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, MIN_WIDTH))


def policy_table(results: dict[str, Any]) -> Table:
    """Values, and below them the difference to the first row with its 95% interval."""
    table = Table(
        title=f"Policies on the same {results['problems']} test problems, {results['samples']} samples each",
        caption=f"Δ: to the first row, paired by problem, 95% interval; * beyond the interval. {results['note']}",
        box=SIMPLE,
        title_justify="left",
        caption_justify="left",
        padding=(0, 1),
    )
    table.add_column("policy", no_wrap=True)
    for _, heading, _ in _COLUMNS:
        table.add_column(heading, justify="right")
    several = len({row["model"] for row in results["rows"]}) > 1
    for row in results["rows"]:
        table.add_row(_label(row, several), *(_cell(row, name, show) for name, _, show in _COLUMNS))
    return table


def _label(row: dict[str, Any], several: bool) -> str:
    label = row["policy"] if row["wordings"] == "all" else f"  {row['wordings']} wordings"
    return f"{row['model']} {label}" if several else label


def _cell(row: dict[str, Any], name: str, show: Callable[[float], str]) -> str:
    value = "–" if row[name] is None else show(row[name])
    difference = row["difference"] and row["difference"][name]
    if not difference:
        return value
    sign = "+" if difference["value"] >= 0 else ""
    star = "*" if difference["beyond_interval"] else ""
    return (
        f"{value}\nΔ {sign}{show(difference['value'])}{star}\n"
        f"[dim]{show(difference['low'])} … {show(difference['high'])}[/dim]"
    )
