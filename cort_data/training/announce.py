"""What is said before a training starts: the traces, the ids, the hints, and what an update is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cort_data.training.dataset import Split
from cort_data.training.settings import SftSettings
from cort_data.training.tokens import Student, template_note
from cort_data.training.trainer import Passes


def announce(
    counts: Mapping[str, Any], settings: SftSettings, student: Student, parts: Split, passes: Passes
) -> Iterator[str]:
    """The lines; `counts` are those of the rows."""
    trained = f"{counts['trained']:,} of them trained"
    yield f"{counts['rows']} traces, {counts['tokens']:,} tokens, {trained}{_dropped(counts)}"
    from_text = counts["rows"] - counts["engine_ids"]
    yield f"ids: {counts['engine_ids']} traces as the engine gave them, {from_text} tokenized from their text"
    if counts["hints"]:
        done = ", ".join(f"{n} {what}" for what, n in counts["hints"].items())
        share = counts["out_of_context"] / counts["trained"]
        yield (
            f"hints: {done}; {counts['out_of_context']:,} trained tokens ({share:.0%}) were written after a hint that "
            "is not there as it was"
        )
    if not student.by_template and (note := template_note(student.tokenizer, student.profile)):
        yield note
    packed = (
        f"packed into {len(parts.train)} rows of {settings.row:,} tokens at most" if settings.packing else "one a row"
    )
    held = f"; held out: {len(parts.held_out)} rows" if parts.held_out is not None else ""
    yield f"{parts.traces} traces {packed}{held}"
    yield _update(settings, parts, passes)


def _update(settings: SftSettings, parts: Split, passes: Passes) -> str:
    share = min(1.0, passes.rows / len(parts.train))
    return (
        f"an update: {parts.traces * share:.1f} traces in {min(passes.rows, len(parts.train))} rows, "
        f"{parts.tokens * share:,.0f} tokens, {parts.trained * share:,.0f} of them trained; "
        f"{passes.updates} updates in {settings.epochs:g} epochs"
    )


def _dropped(counts: Mapping[str, Any]) -> str:
    reasons = {"too_long": "too long", "untrained": "without a token to train"}
    dropped = [f"{counts[key]} {what}" for key, what in reasons.items() if counts[key]]
    return f"; dropped: {', '.join(dropped)}" if dropped else ""
