"""Behaviours that are read from the trace's form: answered before the code, forged output, failing code, length.

The two behaviours that the method is about, delayed computation and result distrust, need detectors and live in
`wasted`.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from cort_data.blocks import blocks
from cort_data.filters.base import Filter, FilterParams
from cort_data.grading import extract_answer
from cort_data.profiles import load_profile
from cort_data.trace import Decision, Origin, Segment, Trace

_CONCLUSION = r"\b(?:(?:final\s+)?(?:answer|result)(?:\s+\w+){0,3}?\s+(?:is|=|equals)|therefore|thus|hence)\b"


class AnswerBeforeCode(Filter[FilterParams]):
    """The answer is stated before the first code: the code could only confirm it."""

    name = "answer_before_code"
    reasons = ("answer_before_code",)

    async def decide(self, trace: Trace) -> Decision:
        """A box, or a conclusion with the final answer's own value, in the prose before the first block."""
        first = next(blocks(trace), None)
        answer = extract_answer(trace.text, load_profile(trace.profile).think_close)
        if first is None or answer is None:
            return self.keep()
        prose = "".join(s.text for s in before(trace, first.start) if s.origin is Origin.MODEL)
        if r"\boxed{" in prose:
            return self.drop("answer_before_code", "boxed before the first block")
        if states(prose, answer):
            return self.drop("answer_before_code", f"{answer} is concluded before the first block")
        return self.keep()


def before(trace: Trace, offset: int) -> list[Segment]:
    """The segments that end at or before an offset of the completion."""
    found, at = [], 0
    for segment in trace.segments:
        at += len(segment.text)
        if at > offset:
            break
        found.append(segment)
    return found


def states(prose: str, answer: str) -> bool:
    """Is this answer drawn as a conclusion in this prose?"""
    value = rf"(?<![\w.]){re.escape(answer)}(?![\w]|\.\d)"
    return re.search(rf"{_CONCLUSION}[^.\n]{{0,40}}?{value}", prose, re.IGNORECASE) is not None


class ForgedOutput(Filter[FilterParams]):
    """The model wrote an interpreter's output itself; live it was cut, in an imported trace it still stands."""

    name = "forged_output"
    reasons = ("forged_output",)

    async def decide(self, trace: Trace) -> Decision:
        """Read from the events, which survive the cut."""
        count = sum(e.count for e in trace.events if e.kind == "forged_output")
        return self.drop("forged_output", f"{count} times") if count else self.keep()


class AllCodeFailed(Filter[FilterParams]):
    """Code was run and none of it worked. A trace without code is not one of these."""

    name = "all_code_failed"
    reasons = ("all_code_failed",)

    async def decide(self, trace: Trace) -> Decision:
        """Failure is read from the traceback's form."""
        ran = [block for block in blocks(trace) if block.output is not None]
        if ran and all(block.failed for block in ran):
            return self.drop("all_code_failed", f"{len(ran)} of {len(ran)} blocks")
        return self.keep()


class OverLengthParams(FilterParams):
    """How long is too long."""

    tokens: Annotated[int, Field(ge=1, description="Most tokens of the completion, whoever wrote them")]


class OverLength(Filter[OverLengthParams]):
    """Longer than what is to be trained on."""

    name = "over_length"
    reasons = ("over_length", "unknown_length")
    Params = OverLengthParams

    async def decide(self, trace: Trace) -> Decision:
        """A trace that came without token counts cannot be judged."""
        tokens = sum(segment.tokens for segment in trace.segments)
        if tokens == 0 and trace.text:
            return self.drop("unknown_length", "the trace was imported without token counts")
        limit = self.params.tokens
        return self.drop("over_length", f"{tokens} > {limit} tokens") if tokens > limit else self.keep()
