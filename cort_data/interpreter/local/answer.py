"""A session's answer to a cell, checked: it may lie about itself, but not beyond what an honest answer can be."""

from __future__ import annotations

from cort_data.interpreter.base import Limits
from cort_data.interpreter.output import CUT_NOTE_CHARS, cut_text, printable
from cort_data.interpreter.wire import Frame

_STATUSES = {"ok", "error", "timeout", "memory"}
_MOST_CUT = 1 << 53


def checked_answer(frame: Frame, number: int, limits: Limits, elapsed: float) -> Frame | None:
    """The answer to cell `number` with possible values alone; None for what is no answer to it.

    `elapsed` are the seconds since the cell was sent.
    """
    get = frame.get
    status, text, error = get("status"), get("text"), get("error")
    seconds, cpu, truncated = get("seconds"), get("cpu"), get("truncated")
    if not (
        get("number") == number
        and isinstance(status, str)
        and status in _STATUSES
        and isinstance(text, str)
        and (error is None or isinstance(error, str))
        and isinstance(seconds, float)
        and isinstance(cpu, float)
        and isinstance(truncated, int)
    ):
        return None
    return {
        "status": status,
        "text": _bounded(text, limits),
        "error": None if error is None else _bounded(error, limits),
        "seconds": seconds if 0 <= seconds <= elapsed else elapsed,
        "cpu": cpu,
        "truncated": truncated if 0 <= truncated < _MOST_CUT else 0,
    }


def _bounded(text: str, limits: Limits) -> str:
    if len(text) > limits.output_chars + CUT_NOTE_CHARS:
        return cut_text(text, limits.output_chars)[0]
    return text if text.isascii() else printable(text)
