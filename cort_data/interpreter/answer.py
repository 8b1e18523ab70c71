"""A session's answer to a cell, checked: it may lie about itself, but not beyond what an honest answer can be."""

from __future__ import annotations

from cort_data.interpreter.base import Limits
from cort_data.interpreter.output import CUT_NOTE_CHARS, cut_text, printable
from cort_data.interpreter.wire import Frame

_FIELDS: dict[str, type | tuple[type, ...]] = {
    "number": int,
    "status": str,
    "text": str,
    "error": (str, type(None)),
    "seconds": float,
    "cpu": float,
    "truncated": int,
}
_STATUSES = {"ok", "error", "timeout", "memory"}
_MOST_CUT = 1 << 53


def checked_answer(frame: Frame, number: int, limits: Limits, elapsed: float) -> Frame | None:
    """The answer to cell `number` with possible values alone; None for what is no answer to it.

    `elapsed` are the seconds since the cell was sent.
    """
    typed = all(isinstance(frame.get(name), kind) for name, kind in _FIELDS.items())
    if not typed or frame["status"] not in _STATUSES or frame["number"] != number:
        return None
    truncated = frame["truncated"]
    return {
        **frame,
        "text": _bounded(frame["text"], limits),
        "error": None if frame["error"] is None else _bounded(frame["error"], limits),
        "seconds": frame["seconds"] if 0 <= frame["seconds"] <= elapsed else elapsed,
        "truncated": truncated if 0 <= truncated < _MOST_CUT else 0,
    }


def _bounded(text: str, limits: Limits) -> str:
    if len(text) > limits.output_chars + CUT_NOTE_CHARS:
        return cut_text(text, limits.output_chars)[0]
    return text if text.isascii() else printable(text)
