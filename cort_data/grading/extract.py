r"""The answer that a completion states: its last \boxed{} outside the thinking, and nothing else.

A box inside the thinking is a guess on the way, so it does not count, and no number is fished out of prose.
"""

import re
from dataclasses import dataclass

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # an escaped brace is text, not structure


@dataclass(frozen=True)
class Extraction:
    """The stated answer, or None and why there is none."""

    answer: str | None
    reason: str


def extract_answer(completion: str, think_close: str = "</think>") -> str | None:
    """The content of the last box after the closing think tag; None where `extract` finds none."""
    return extract(completion, think_close).answer


def extract(completion: str, think_close: str = "</think>") -> Extraction:
    """Like `extract_answer`, with the reason.

    The completion starts inside the thinking; without its closing tag nothing lies outside. A model that does
    not think has an empty `think_close`: then the whole completion counts.
    """
    _, tag, outside = completion.rpartition(think_close) if think_close else ("", "none", completion)
    if not tag:
        return Extraction(None, "the thinking is not closed")
    boxes = list(_BOX.finditer(outside))
    if not boxes:
        return Extraction(None, "no box outside the thinking")
    content = _balanced(outside, boxes[-1].end())
    if content is None:
        return Extraction(None, "the last box is not closed")
    if not content.strip():
        return Extraction(None, "the last box is empty")
    return Extraction(content.strip(), "last box")


def _balanced(text: str, start: int) -> str | None:
    """The text from `start` to the brace that closes an opened one, or None."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return text[start : brace.start()]
    return None
