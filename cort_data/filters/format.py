"""Format: is the trace whole? Thinking closed, answer boxed, every block closed, non-empty and answered."""

from __future__ import annotations

import ast

from cort_data.blocks import Block, blocks
from cort_data.filters.base import Filter, FilterParams
from cort_data.grading import extract_answer
from cort_data.profiles import load_profile
from cort_data.trace import Decision, Trace


class Format(Filter[FilterParams]):
    """Drops what could not be shown to a reader as a finished piece of work."""

    name = "format"
    reasons = (
        "not_answered",
        "thinking_unclosed",
        "thinking_closed_twice",
        "no_box",
        "unclosed_block",
        "empty_block",
        "unpaired_block",
    )

    async def decide(self, trace: Trace) -> Decision:
        """The first defect in the order of `reasons`."""
        if trace.stop_reason != "answered":
            return self.drop("not_answered", trace.error or trace.stop_reason)
        close = load_profile(trace.profile).think_close
        prose = "".join(text for kind, text in trace.pieces() if kind == "text")
        if (count := prose.count(close)) != 1:
            return self.drop("thinking_closed_twice" if count else "thinking_unclosed", f"{count} {close}")
        if extract_answer(trace.text, close) is None:
            return self.drop("no_box")
        return next((d for block in blocks(trace) if (d := self._block(block))), self.keep())

    def _block(self, block: Block) -> Decision | None:
        where = f"block {block.number}"
        if not block.closed:
            return self.drop("unclosed_block", where)
        if is_empty(block.code):
            return self.drop("empty_block", where)
        if block.output is None and not block.refused:
            return self.drop("unpaired_block", f"{where} has no output")
        return None


def is_empty(code: str) -> bool:
    """Nothing to run: blank, or comments alone."""
    try:
        return not ast.parse(code).body
    except (SyntaxError, ValueError):
        return False
