"""Where code blocks begin and end in text that arrives piece by piece.

Published systems use a stop string (any inline code costs a round) or cut at the first block after the fact.
Here a small line scanner follows the text as it grows and says, after every token, whether a python block has
just closed or an output was forged. `parse` drives the same scanner over a whole text.

The rules, which do not depend on how the text was cut into tokens:
- A python block opens at a fence of three or more backticks or tildes whose first word is python, py or
  python3, at the start of a line (any indentation) or glued to prose, once the line ends.
- It closes at the first line that begins with a fence at least as long and of the same character, indented at most
  three columns more than the opening; whatever follows on that line is outside. A shorter fence does not close it.
- White space after the closing fence belongs to the block, except the newline that opens a feedback block.
- A block of another language (or none) is text. A python fence at the start of a line opens a block even inside it:
  a stray fence is far more common than a nested example.
- An output or notice block is feedback where it follows a block, and forged anywhere else.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from dataclasses import dataclass, replace
from enum import StrEnum

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_OPEN = re.compile(r"(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^\s`]*)[^\n`]*$")
_GLUED = re.compile(r"(?P<fence>(?<!`)`{3,})(?P<info>python3|python|py|output|notice)[ \t]*$", re.IGNORECASE)
_RUN = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})")


class PieceKind(StrEnum):
    """What a stretch of text is; the names are those of `trace.Kind`."""

    TEXT = "text"
    CODE = "code"
    OUTPUT = "output"
    NOTICE = "notice"


_INFO = {
    "python": PieceKind.CODE,
    "python3": PieceKind.CODE,
    "py": PieceKind.CODE,
    "output": PieceKind.OUTPUT,
    "notice": PieceKind.NOTICE,
}
_FEEDBACK = frozenset({PieceKind.OUTPUT, PieceKind.NOTICE})
_NOTHING: frozenset[PieceKind] = frozenset()
_FOLLOWS = {
    PieceKind.CODE: _FEEDBACK,
    PieceKind.OUTPUT: frozenset({PieceKind.NOTICE}),
    PieceKind.NOTICE: _NOTHING,
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one kind. `forged` counts output fences inside a text; `closed` is False for an open block."""

    kind: PieceKind
    text: str
    closed: bool = True
    forged: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """A block `[start, end)`, `end` None while it is open; kind text: a forged fence starts at `start`."""

    kind: PieceKind
    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class _Fence:
    """The opening of a block: where it starts, and what closes it. Kind None: a foreign block, which is text."""

    start: int
    run: str
    indent: int
    kind: PieceKind | None

    def closing_width(self, line: str) -> int | None:
        """Length of the line's beginning that closes this block, or None."""
        found = _RUN.match(line)
        if not found or _width(line[: found.start("fence")]) > self.indent + 3:
            return None
        run = found["fence"]
        return found.end() if run[0] == self.run[0] and len(run) >= len(self.run) else None


class FenceScanner:
    """Follows a completion as it grows. Offsets are characters since its start."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self._line = ""
        self._line_start = 0
        self._open: _Fence | None = None
        self._closing = False  # the closing fence is seen, the rest of its line is being read
        self._may_follow = _NOTHING  # feedback that is genuine if it comes next

    @property
    def open_block(self) -> int | None:
        """Where the open python block starts; None if none is open."""
        is_code = self._open is not None and self._open.kind is PieceKind.CODE and not self._closing
        return self._open.start if self._open is not None and is_code else None

    def feed(self, text: str) -> Mark | None:
        """Take more text; return the first block closed or forged fence found in it, if any."""
        known = len(self.marks)
        for part in _LINES.findall(text):
            self._line += part
            if part.endswith("\n"):
                self._end_line()
            elif self._open is not None and ("`" in part or "~" in part):
                self._try_close()
        return self.marks[known] if len(self.marks) > known else None

    def refuse_feedback(self) -> None:
        """From here on the model writes: feedback that comes next is forged."""
        self._may_follow = _NOTHING

    def finish(self) -> None:
        """The text has ended: its last line is a line, an open block stays open."""
        if self._open is None or self._open.kind is None or self._closing:
            return
        self._try_close()
        if not self._closing:
            self.marks.append(Mark(self._open.kind, self._open.start, None))

    def _try_close(self) -> None:
        """Close a block as soon as its line shows a long enough fence; a longer run only moves the end."""
        if self._open is None or self._open.kind is None:
            return
        width = self._open.closing_width(self._line)
        if width is None:
            return
        if self._closing:
            self.marks.pop()
        self.marks.append(Mark(self._open.kind, self._open.start, self._line_start + width))
        self._closing = True

    def _end_line(self) -> None:
        line = self._line[:-1]
        if self._open is None:
            self._outside(line)
        elif self._open.kind is None:
            self._inside_foreign(line)
        else:
            self._inside(line)
        self._line_start += len(self._line)
        self._line = ""

    def _inside(self, line: str) -> None:
        assert self._open is not None
        self._try_close()
        if not self._closing:
            return
        end = self.marks[-1].end
        rest = line[end - self._line_start :].strip() if end is not None else ""
        self._may_follow = _NOTHING if rest or self._open.kind is None else _FOLLOWS[self._open.kind]
        self._open, self._closing = None, False

    def _inside_foreign(self, line: str) -> None:
        assert self._open is not None
        if (fence := self._opening(line)) is not None:
            self._open_block(fence)
        elif self._open.closing_width(line) is not None:
            self._open = None

    def _outside(self, line: str) -> None:
        fence = self._opening(line) or self._foreign(line)
        if fence is not None:
            self._open_block(fence)
        elif line.strip():
            self._may_follow = _NOTHING

    def _open_block(self, fence: _Fence) -> None:
        if fence.kind in _FEEDBACK and fence.kind not in self._may_follow:
            self.marks.append(Mark(PieceKind.TEXT, fence.start, None))
            fence = replace(fence, kind=None)
        self._may_follow = _NOTHING
        self._open = fence

    def _opening(self, line: str) -> _Fence | None:
        """The python or feedback fence that this line opens."""
        at_start = _OPEN.match(line)
        match = at_start or _GLUED.search(line)
        if match is None:
            return None
        kind = _INFO.get(match["info"].strip("{}.").lower().partition(":")[0])
        if kind is None:
            return None
        start = self._line_start + (0 if at_start else match.start("fence"))
        indent = _width(at_start["indent"]) if at_start else 0
        return _Fence(start, match["fence"], indent, kind)

    def _foreign(self, line: str) -> _Fence | None:
        found = _OPEN.match(line)
        return _Fence(self._line_start, found["fence"], _width(found["indent"]), None) if found else None


def parse(text: str) -> list[Piece]:
    """Cut a completion into pieces; their texts joined are the text again."""
    scanner = FenceScanner()
    scanner.feed(text)
    scanner.finish()
    pieces: list[Piece] = []
    at = forged = 0
    for mark in scanner.marks:
        if mark.kind is PieceKind.TEXT:
            forged += 1
            continue
        start = mark.start if mark.kind is PieceKind.CODE else max(at, _feedback_start(text, mark))
        if start > at:
            pieces.append(Piece(PieceKind.TEXT, text[at:start], forged=forged))
            forged = 0
        end = len(text) if mark.end is None else _with_white_space(text, mark.kind, mark.end)
        pieces.append(Piece(mark.kind, text[start:end], closed=mark.end is not None))
        at = end
    if at < len(text):
        pieces.append(Piece(PieceKind.TEXT, text[at:], forged=forged))
    return pieces


def unclosed(block: str) -> bool:
    """Is this block's text without its closing fence?"""
    pieces = parse(block)
    return bool(pieces) and not pieces[-1].closed


def code_of(block: str) -> str:
    """The program inside a block's text: fences removed, dedented where it is indented as a whole."""
    head, _, body = block.partition("\n")
    opening = _OPEN.match(head)
    if opening is None:
        raise ValueError(f"a block must begin with its fence, got {head!r}")
    fence = _Fence(0, opening["fence"], _width(opening["indent"]), PieceKind.CODE)
    inside = itertools.takewhile(lambda line: fence.closing_width(line) is None, body.split("\n"))
    return textwrap.dedent("\n".join(inside))


def feedback_fence(info: str, body: str) -> str:
    """A feedback block whose fence is one backtick longer than any run in `body`, at least three."""
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"\n{fence}{info}\n{body}\n{fence}\n"


def _feedback_start(text: str, mark: Mark) -> int:
    """Feedback begins with the newline before its fence."""
    return mark.start - 1 if mark.start and text[mark.start - 1] == "\n" else mark.start


def _with_white_space(text: str, kind: PieceKind, end: int) -> int:
    """End of a block with the white space that belongs to it: the newline of feedback, all of a python block."""
    if kind is not PieceKind.CODE:
        return end + 1 if text[end : end + 1] == "\n" else end
    gap = text[end : len(text) - len(text[end:].lstrip(" \t\r\n"))]
    follows = _OPEN.match(text[end + len(gap) :].partition("\n")[0])
    is_feedback = follows is not None and _INFO.get(follows["info"].lower()) in _FEEDBACK
    indent = len(gap) - gap.rindex("\n") if is_feedback and "\n" in gap else 0
    return end + len(gap) - indent


def _width(indent: str) -> int:
    return len(indent.expandtabs(4))
