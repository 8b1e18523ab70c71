"""A trace for reading: its text coloured by who wrote what, then what happened to it and what the filters said."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cort_data.blocks import feedback_body, is_failure
from cort_data.trace import Event, Kind, Origin, Segment, Trace, Usage

_STYLES = {
    (Origin.MODEL, Kind.TEXT): "",
    (Origin.MODEL, Kind.CODE): "cyan",
    (Origin.HUMAN, Kind.TEXT): "blue",
    (Origin.HUMAN, Kind.CODE): "bright_cyan",
    (Origin.HINT, Kind.TEXT): "bold yellow",
    (Origin.HINT, Kind.CODE): "bold yellow",
    (Origin.INTERPRETER, Kind.OUTPUT): "green",
}
_OTHERS = "magenta"
_LEGEND = (("model", ""), ("code", "cyan"), ("hint", "bold yellow"), ("output", "green"), ("error", "red"),
           ("system", _OTHERS), ("human", "blue"))  # fmt: skip


def render_trace(trace: Trace, *, tokens: bool = False) -> Group:
    """The whole trace; with `tokens` each segment is headed by its writer, token count and mask."""
    return Group(*_parts(trace, tokens))


def _parts(trace: Trace, tokens: bool) -> Iterator[RenderableType]:
    yield Rule(f"trace {trace.id}", align="left")
    yield _head(trace)
    yield _legend()
    yield Rule(style="dim")
    yield _completion(trace, tokens)
    yield Rule(style="dim")
    if trace.events:
        yield _events(trace)
    if trace.decisions:
        yield _decisions(trace)


def _head(trace: Trace) -> Table:
    table = Table.grid(padding=(0, 2))
    rows = {
        "problem": f"{trace.problem.text.strip()}  [{trace.problem.id}]",
        "gold answer": trace.problem.answer,
        "written by": f"{trace.engine or 'unknown'}, policy {trace.policy}, sample {trace.sample}, seed {trace.seed}",
        "ended": trace.stop_reason + (f": {trace.error}" if trace.error else ""),
        "blocks run": str(trace.calls),
        "model tokens": f"{trace.kept_tokens} kept, {trace.generated_tokens} generated",
        "prompt tokens": _sent(trace.usage),
    }
    for name, value in rows.items():
        table.add_row(Text(name, "dim"), Text(value))
    return table


def _sent(usage: Usage | None) -> str:
    if usage is None:
        return "not counted"
    return f"{usage.fresh_tokens} fresh, {usage.cached_tokens} cached, in {usage.streams} streams"


def _legend() -> Text:
    return Text("  ").join(Text(name, style or "default") for name, style in _LEGEND)


def _completion(trace: Trace, tokens: bool) -> Text:
    text = Text()
    for segment in trace.segments:
        if tokens:
            text.append(_label(segment), "reverse dim")
        text.append(segment.text, _style(segment))
    return text


def _label(segment: Segment) -> str:
    hint = f" {segment.hint.name}" if segment.hint else ""
    return f"[{segment.origin}{hint} {segment.kind} · {segment.tokens} tokens · mask {segment.in_env_mask}]"


def _style(segment: Segment) -> str:
    if segment.kind is Kind.OUTPUT and is_failure(feedback_body(segment.text)):
        return "red"
    return _STYLES.get((segment.origin, segment.kind), _OTHERS)


def _events(trace: Trace) -> Table:
    table = Table("event", "where", "tokens dropped", "about", title="What happened", title_justify="left")
    for event in trace.events:
        where = "" if event.start is None else f"{event.start}–{event.end}"
        count = f" ×{event.count}" if event.count > 1 else ""
        table.add_row(event.kind + count, where, str(event.tokens or ""), Text(_about(event)))
    return table


def _about(event: Event) -> str:
    """Everything else that an event says, in one line."""
    score = None if event.score is None else f"score {event.score:.2f} (threshold {event.threshold})"
    dropped = None if event.text is None else f"dropped {_short(event.text)!r}"
    parts = (event.name, event.trigger, event.outcome, event.reason, score, dropped)
    return ", ".join(part for part in parts if part)


def _decisions(trace: Trace) -> Table:
    table = Table("filter", "decision", "detail", title="What the filters said", title_justify="left")
    for decision in trace.decisions:
        verdict = Text("kept", "green") if decision.keep else Text(decision.reason, "red")
        table.add_row(decision.filter, verdict, Text(decision.detail))
    return table


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"
