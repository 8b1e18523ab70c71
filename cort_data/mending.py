"""Completions from elsewhere, brought into the form of our traces; what had to be done is kept as events.

Kinds of events, each with its count:
- `stop_token`: closing tokens at the end of the text, cut;
- `line_ends`: line ends of another system, made ours;
- `other_think_tags`: think tags of another family, replaced;
- `extra_think_tags`: further think tags, taken out; the last closing one counts;
- `no_think_close`: no closing think tag; put before the paragraph of the last box, if code does not follow it;
- `odd_fence`: code or output in other tags or under another name, put into our fences;
- `several_outputs`: outputs that follow each other, joined: a block has one;
- `unanswered_block`: blocks without output; `unclosed_block`: the text ends in one;
- `forged_output`: outputs that follow no block, or that the row says the model wrote.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from cort_data.blocks import feedback_body
from cort_data.dialects import parse as parse_dialect
from cort_data.dialects import program_of
from cort_data.fences import Piece, PieceKind, feedback_fence, parse
from cort_data.profiles import Profile
from cort_data.steps import fenced
from cort_data.trace import Event

NOT_CLOSED = "no box after the last block: left open"

_ENDS = r"<\|(?:im_end|endoftext|eot_id|end_of_text|return|end|end_of_solution)\|>|<｜end▁of▁sentence｜>|</s>"
_END = re.compile(rf"\s*(?:{_ENDS})\s*\Z")
_THINK_TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
)
_SOLUTION = r"<\|begin_of_solution\|>"  # follows the thinking of Sky-T1
_CODE_NAMES = "llm-code|tool_call|code|python|execute"
_OUTPUT_NAMES = "llm-code-output|tool_response|interpreter|execution_results?|output"
_OTHER_NAMES = r"stdout|results?|execution(?:[_ -]results?)?|console(?:[_ -]output)?|(?:code|python)[_ -]output"
_TAGGED = r"^[ \t]*<(?P<tag>{})>\s*?\n?(?:```\w*\n)?(?P<body>.*?)(?:\n?```)?\s*</(?P=tag)>[ \t]*\n?"
_CODE_TAGS = re.compile(_TAGGED.format(_CODE_NAMES), re.DOTALL | re.MULTILINE)
_OUTPUT_TAGS = re.compile(_TAGGED.format(_OUTPUT_NAMES), re.DOTALL | re.MULTILINE)
_OTHER_NAME = re.compile(rf"(?P<fence>`{{3,}}|~{{3,}})[ \t]*(?:{_OTHER_NAMES})[ \t]*(?=\n)", re.IGNORECASE)
_NEXT_OUTPUT = re.compile(r"\s*(?P<fence>`{3,})output[ \t]*\n(?P<body>.*?)\n?(?P=fence)`*[ \t]*(?:\n|\Z)", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")


class Mended(NamedTuple):
    """A completion in our form, and what was odd about it."""

    text: str
    events: list[Event]


def mend(text: str, profile: Profile) -> Mended:
    """The completion with the fences and think tags of the profile, without its opening tag."""
    found: Counter[str] = Counter()
    text = _plain_ends(text, found)
    if profile.tags is not None and f"{profile.tags.call[0].partition('>')[0]}>" in text:
        text = "".join(segment.text for segment in fenced(parse_dialect(text, profile), profile))
    text = _own_think_tags(text, profile, found)
    text = _own_fences(text, found)
    text = _one_output_a_block(text, found)
    text, reason = _one_closing_tag(text, profile, found)
    _count_blocks(text, found)
    events = [
        Event(kind=kind, count=n, reason=reason if kind == "no_think_close" else None) for kind, n in found.items()
    ]
    return Mended(text, events)


def _plain_ends(text: str, found: Counter[str]) -> str:
    if "\r\n" in text:
        found["line_ends"] += text.count("\r\n")
        text = text.replace("\r\n", "\n")
    while match := _END.search(text):
        found["stop_token"] += 1
        text = text[: match.start()]
    return text


def _own_think_tags(text: str, profile: Profile, found: Counter[str]) -> str:
    for opening, closing in _THINK_TAGS:
        if closing == profile.think_close or (opening not in text and closing not in text):
            continue
        found["other_think_tags"] += text.count(opening) + text.count(closing)
        text = re.sub(rf"\s*{re.escape(closing)}\s*(?:{_SOLUTION}\s*)?", lambda _: profile.answer_joint, text)
        text = re.sub(rf"{re.escape(opening)}\n*", profile.think_open, text)
    if text.lstrip().startswith(profile.think_open):  # the prompt ends with it
        text = text.lstrip().removeprefix(profile.think_open).lstrip("\n")
    return text


def _own_fences(text: str, found: Counter[str]) -> str:
    text, n_code = _CODE_TAGS.subn(lambda m: f"```python\n{program_of(m['body']) or m['body']}\n```\n", text)
    text, n_output = _OUTPUT_TAGS.subn(lambda m: feedback_fence("output", m["body"]), text)
    parts: list[str] = []
    pieces = parse(text)
    for before, piece in zip([None, *pieces], pieces, strict=False):
        stripped = piece.text.lstrip()
        match = _OTHER_NAME.match(stripped) if before is not None and before.kind is PieceKind.CODE else None
        if match is None:
            parts.append(piece.text)
        else:
            n_output += 1
            parts.append(f"{match['fence']}output{stripped[match.end() :]}")
    if n_code + n_output:
        found["odd_fence"] += n_code + n_output
    return "".join(parts)


def _one_output_a_block(text: str, found: Counter[str]) -> str:
    pieces = parse(text)
    parts: list[str] = []
    for before, piece in zip([None, *pieces], pieces, strict=False):
        rest, bodies = piece.text, []
        if before is not None and before.kind is PieceKind.OUTPUT and piece.kind is PieceKind.TEXT:
            bodies = [feedback_body(before.text)]
            while match := _NEXT_OUTPUT.match(rest):
                bodies.append(match["body"])
                rest = rest[match.end() :]
        if len(bodies) > 1:
            found["several_outputs"] += len(bodies) - 1
            parts[-1] = feedback_fence("output", "\n".join(bodies))
        parts.append(rest)
    return "".join(parts)


def _one_closing_tag(text: str, profile: Profile, found: Counter[str]) -> tuple[str, str | None]:
    pieces = parse(text)
    texts = [i for i, piece in enumerate(pieces) if piece.kind is PieceKind.TEXT]
    closing = next((i for i in reversed(texts) if profile.think_close in pieces[i].text), None)
    tags = re.compile(rf"\s*(?:{re.escape(profile.think_open)}|{re.escape(profile.think_close)})\s*")
    parts = [piece.text for piece in pieces]
    extra = 0
    for i in texts:
        halves = parts[i].rpartition(profile.think_close) if i == closing else (parts[i], "", "")
        before, n_before = tags.subn("\n\n", halves[0])
        after, n_after = tags.subn("\n\n", halves[2])
        parts[i] = before + halves[1] + after
        extra += n_before + n_after
    if extra:
        found["extra_think_tags"] += extra
    if closing is not None:
        return "".join(parts), None
    found["no_think_close"] += 1
    return _closed(parts, pieces, profile)


def _closed(parts: list[str], pieces: list[Piece], profile: Profile) -> tuple[str, str]:
    """The thinking closed before the paragraph of the last box, where no block follows it."""
    boxes = list(_BOX.finditer(parts[-1])) if pieces and pieces[-1].kind is PieceKind.TEXT else []
    if not boxes:
        return "".join(parts), NOT_CLOSED
    before = "".join(parts[:-1])
    start = parts[-1].rfind("\n\n", 0, boxes[-1].start())
    thoughts, said = ("", parts[-1]) if start < 0 else (parts[-1][:start], parts[-1][start:])
    thinking = (before + thoughts).rstrip(" \t\n") if thoughts.strip() else before
    joint = profile.answer_joint.removeprefix("\n" if not thinking or thinking.endswith("\n") else "")
    return thinking + joint + said.lstrip(), "put before the last box"


def _count_blocks(text: str, found: Counter[str]) -> None:
    pieces = parse(text)
    for piece, following in zip(pieces, [*pieces[1:], None], strict=False):
        if piece.kind is not PieceKind.CODE:
            continue
        if not piece.closed:
            found["unclosed_block"] += 1
        elif following is None or following.kind is PieceKind.TEXT or following.kind is PieceKind.CODE:
            found["unanswered_block"] += 1
