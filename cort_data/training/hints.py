"""What a hint's words become in a training row: kept, taken out, or said in another wording of the same hint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import TemplateError

from cort_data.fences import PieceKind, parse
from cort_data.hints.template import Hint, Wording
from cort_data.trace import HintMark, Kind, Problem, Trace


@dataclass(frozen=True)
class Insertion:
    """The words of one hint in a trace, and the fence that they open."""

    words: str
    fence: str
    """Empty if they open none."""
    mark: HintMark
    trace: Trace


def insertion(trace: Trace, index: int) -> Insertion:
    """The hint whose words are the segment at `index`."""
    segment = trace.segments[index]
    assert segment.hint is not None
    following = trace.segments[index + 1 : index + 2]
    opens = bool(following) and following[0].kind is Kind.CODE and following[0].hint == segment.hint
    return Insertion(segment.text, following[0].text if opens else "", segment.hint, trace)


def owed(insertion: Insertion, hint: Hint | None) -> str:
    """What stands in the words before the wording: the rest of a token that was cut, and a line end.

    It is the model's own text, which the hint wrote again since a rewind cuts between tokens. Where the wording is
    not known any more, a line end alone is recognized.
    """
    wording = _wording(insertion, hint)
    rendered = wording and _rendered(wording, insertion.trace.problem)
    whole = insertion.words + insertion.fence
    if rendered and whole.endswith(rendered):
        return whole[: -len(rendered)]
    return "\n" if insertion.words.startswith("\n") else ""


def paraphrase(insertion: Insertion, hint: Hint | None, seed: int) -> str | None:
    """The words in another wording that opens the same fence, chosen by the seed; None if the hint has no other."""
    if hint is None:
        return None
    others = list(_others(insertion, hint))
    if not others:
        return None
    return owed(insertion, hint) + others[_draw(seed, insertion) % len(others)]


def _others(insertion: Insertion, hint: Hint) -> Iterator[str]:
    """Words of the other wordings in the same language that open the same fence."""
    used = _wording(insertion, hint)
    for i, wording in enumerate(hint.wordings):
        if i == insertion.mark.wording or (used is not None and wording.language != used.language):
            continue
        text = _rendered(wording, insertion.trace.problem)
        if text is None:
            continue
        pieces = parse(text)
        words = "".join(p.text for p in pieces if p.kind is not PieceKind.CODE)
        if words and text == words + insertion.fence:
            yield words


def _wording(insertion: Insertion, hint: Hint | None) -> Wording | None:
    index = insertion.mark.wording
    return hint.wordings[index] if hint is not None and index < len(hint.wordings) else None


def _rendered(wording: Wording, problem: Problem) -> str | None:
    """A wording's text; None if it asks for what a finished trace does not tell (its span, the calls left)."""
    try:
        return wording.render({"problem": problem.text})
    except (TemplateError, TypeError, ValueError, ArithmeticError):
        return None


def _draw(seed: int, insertion: Insertion) -> int:
    """A number for this hint of this trace."""
    key = f"{seed}/{insertion.trace.id}/{insertion.mark.name}/{insertion.mark.span_start}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
