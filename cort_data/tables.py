"""Results as tables on the terminal: policies compared, hints tried."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from cort_data.prices import Prices
    from cort_data.spending import Spending
    from cort_data.stages.compare import Comparison
    from cort_data.stages.estimate import Estimate
    from cort_data.statistics import Interval

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
    budget = results.get("teacher_tokens")
    sets = results.get("sets", ())  # results of earlier versions have none
    each = f"{results['samples']} samples each" if len(sets) < 2 else f"{len(sets)} sets"
    if budget:
        each += f"; a sample is the shortest right one of the traces that {budget:,} generated tokens hold"
    table = Table(
        title=f"Policies on the same {results['problems']} test problems, {each}",
        caption=f"Δ: to the first row, paired by problem, 95% interval; * beyond the interval. {results['note']}",
        box=SIMPLE,
        title_justify="left",
        caption_justify="left",
        padding=(0, 1),
    )
    table.add_column("policy", no_wrap=True)
    for _, heading, _ in _COLUMNS:
        table.add_column(heading, justify="right")
    for row, label in zip(results["rows"], row_labels(results["rows"]), strict=True):
        table.add_row(label, *(_cell(row, name, show) for name, _, show in _COLUMNS))
    return table


def rounds_table(rounds: list[dict[str, Any]]) -> Table:
    """Rejection fine-tuning, a line a round: a collapse shows as pass@k, programs or bands that shrink."""
    ks = sorted({int(k) for row in rounds for k in row["pass_at"]})
    table = Table(
        title="Rejection fine-tuning: what the model of each round wrote, and what was chosen of it",
        caption="programs: share of different programs among a problem's chosen traces; bands: problems chosen from, "
        "by the share of their right samples, up to ¼, ½, ¾, 1",
        box=SIMPLE,
        title_justify="left",
        caption_justify="left",
    )
    passed = [f"pass@{k} %" for k in ks]
    chosen = ("kept", "chosen", "programs %", "bands", "joined", "loss")
    for heading in ("round", "samples", *passed, "tokens", "with code %", *chosen):
        table.add_column(heading, justify="right")
    for row in rounds:
        passes = {int(k): share for k, share in row["pass_at"].items()}
        programs = row["distinct_programs"]
        table.add_row(
            str(row["number"]),
            f"{row['samples']:,}",
            *(f"{100 * passes[k]:.1f}" if k in passes else "–" for k in ks),
            f"{row['tokens']:.0f}",
            f"{100 * row['with_code']:.1f}",
            f"{row['kept']:,}",
            f"{row['chosen']:,}",
            "–" if programs is None else f"{100 * programs:.0f}",
            " · ".join(map(str, row["bands"])),
            f"{row['joined']:,}",
            f"{row['loss']:.4f}" if row["eval_loss"] is None else f"{row['loss']:.4f} / {row['eval_loss']:.4f}",
        )
    return table


def candidate_table(rows: list[dict[str, Any]]) -> Table:
    """What branch search found out about each hint."""
    table = Table(
        title="Hints that branch search tried: the same prefix, with and without",
        caption="tokens saved: a place where the hint was kept, on fresh continuations, 95% interval over problems; "
        "a wrong continuation counts at full length",
        box=SIMPLE,
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("hint")
    for heading in ("places", "wins", "losses", "ties", "right with %", "right without %", "tokens saved"):
        table.add_column(heading, justify="right")
    for row in rows:
        shares = (row["accuracy_with"], row["accuracy_without"])
        table.add_row(
            row["hint"],
            *(f"{row[key]:,}" for key in ("places", "win", "loss", "tie")),
            *("–" if share is None else f"{100 * share:.1f}" for share in shares),
            _saving(row["tokens_saved"]),
        )
    return table


_PARTS = {
    "useful": "useful: in kept traces",
    "rewound": "rewound or cut in kept traces",
    "losing_branches": "losing branches beside kept traces",
    "dropped": "dropped traces",
}


def spending_table(spending: Spending, prices: Prices) -> Table:
    """What the tokens of the traces were good for; money where tokens have a price."""
    total = spending.total
    table = Table(
        title=f"Spending on {spending.traces:,} traces, {spending.kept:,} of them kept",
        caption="prompts are shared out as the written tokens are; cached: a stream before had sent or written it",
        box=SIMPLE,
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("")
    paid = prices.output_per_million is not None
    money = (prices.currency,) if paid else ()
    for heading in ("written tokens", "share", "fresh prompt tokens", "cached prompt tokens", *money):
        table.add_column(heading, justify="right")
    for name, tokens in (*((_PARTS[part], t) for part, t in spending.tokens.items()), ("all", total)):
        share = tokens.output / total.output if total.output else 0
        counts = (f"{n:,.0f}" for n in (tokens.fresh, tokens.cached))
        row = (name, f"{tokens.output:,.0f}", f"{share:.1%}", *counts)
        table.add_row(*row, *((f"{prices.money(tokens):,.4f}",) if paid else ()))
    return table


_MEASURES: tuple[tuple[str, str, str], ...] = (
    ("kept_traces", "kept traces", ",.0f"),
    ("output_tokens", "written tokens", ",.0f"),
    ("fresh_tokens", "fresh prompt tokens", ",.0f"),
    ("cached_tokens", "cached prompt tokens", ",.0f"),
    ("cost", "cost, {currency}", ",.4g"),
    ("hours", "hours of writing", ",.3g"),
    ("gpu_hours", "GPU-hours", ",.3g"),
)


def estimate_table(found: Estimate) -> Table:
    """What a kept trace and the whole run will cost, with intervals."""
    (pilot, run), samples, spending = found.problems, found.recipe.rollout.samples, found.spending
    notes = ["95% intervals over problems."]
    if found.in_flight[0] < found.in_flight[1]:
        few, many = found.in_flight
        notes.append(
            f"Hours were measured with {few:,} traces at once; with {many:,}, as in the run, they may be far fewer: "
            f"--problems {math.ceil(many / samples)} measures that."
        )
    if found.left_out:
        notes.append(f"Without the stages: {', '.join(found.left_out)}.")
    table = Table(
        title=f"Estimate of {found.recipe.name}: a pilot of {pilot:,} of {run:,} problems, "
        f"{spending.traces:,} traces, {spending.kept:,} kept",
        caption=" ".join(notes),
        box=SIMPLE,
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("")
    for heading in ("a kept trace", f"all {run * samples:,} traces"):
        table.add_column(heading, justify="right")
    for name, label, form in _MEASURES:
        if name in found.run:
            label = label.format(currency=found.recipe.prices.currency)
            each = "1" if name == "kept_traces" else _about(found.kept_trace[name], form)
            table.add_row(label, each, _about(found.run[name], form))
    return table


def _about(found: Interval | None, form: str) -> str:
    if found is None:
        return "–"
    certain = found.low == found.high
    return f"{found.value:{form}}" + ("" if certain else f" ({found.low:{form}} … {found.high:{form}})")


def _saving(saved: dict[str, float] | None) -> str:
    return f"{saved['value']:.0f} ({saved['low']:.0f} … {saved['high']:.0f})" if saved else "–"


def prefix_table(found: Comparison) -> Table:
    """Two policies on the same prefixes."""
    parted = f"{found.parted:,} of {found.traces:,} traces" if found.traces else "no trace"
    table = Table(
        title=f"{found.policies[0]} | {found.policies[1]}: the same prefixes, {found.problems:,} problems",
        caption=f"they parted in {parted}; the others count as no difference. 95% interval over problems; * excludes 0",
        box=SIMPLE,
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("", *found.policies, "difference"):
        table.add_column(heading, justify="right" if heading else "left")
    for i, name in enumerate(found.measures):
        percent = 100 if name == "accuracy" else 1
        values = ("–" if (value := side[i]) is None else f"{percent * value:.2f}" for side in found.values)
        table.add_row(name + (" %" if percent > 1 else ""), *values, _difference(found.differences[i], percent))
    return table


def _difference(found: Interval | None, percent: int) -> str:
    if found is None:
        return "–"
    low, value, high = (percent * part for part in (found.low, found.value, found.high))
    return f"{value:+.2f}{'*' if found.beyond else ''} ({low:.2f} … {high:.2f})"


def row_labels(rows: list[dict[str, Any]]) -> list[str]:
    """What tells the rows of results apart: the policy, and model and problem set where there are several."""
    telling = [key for key in ("model", "set") if len({row.get(key) for row in rows}) > 1]
    return [" ".join([*(str(row[key]) for key in telling), _label(row)]) for row in rows]


def _label(row: dict[str, Any]) -> str:
    if row.get("released", "all") != "all":
        return f"  {row['policy']}, {row['released']} cutoff"
    return str(row["policy"]) if row["wordings"] == "all" else f"  {row['wordings']} wordings"


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
