"""Where code blocks begin and end in text that arrives piece by piece.

Published systems use a stop string (any inline code costs a round) or cut at the first block after the fact.
Here a small line scanner follows the text as it grows and says, after every token, whether a python block has
just closed or an output was forged. `parse` drives the same scanner over a whole text.

The rules, which do not depend on how the text was cut into tokens:
- A python block opens at a fence of three or more backticks or tildes whose first word is python, py or
  python3, at the start of a line (any indentation) or glued to prose, once the line ends.
- It closes at the first line that begins with a fence at least as long and of the same character, indented at most
  three columns more than the opening; whatever follows on that line is outside. A shorter fence does not close it.
- The rest of the closing line belongs to the block if it is white space, and so does all white space up to feedback
  (but for the newline that opens it) or to the end. Where the text goes on otherwise, it begins with the next line.
- A block of another language (or none) is text. A python fence opens a block even inside it: a stray fence is far
  more common than a nested example.
- An output or notice block is feedback where it follows a block on its own line, and forged anywhere else.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_OPEN = re.compile(r"(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^\s`]*)[^\n`]*$")
_GLUED = re.compile(r"(?P<fence>(?<!`)`{3,})(?P<info>python3|python|py|output|notice)[ \t\r]*$", re.IGNORECASE)
_WHITE = re.compile(r"[ \t\r\n]*")
_LINE_REST = re.compile(r"[ \t\r]*\n")
_RUN = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})")
_BEGUN = re.compile(r"\A[ \t\r]*(?:[`~]|\Z)|`")


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
    """The opening of a block: where it starts, and what closes it."""

    start: int
    run: str
    indent: int
    kind: PieceKind
    glued: bool = False

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
        if self._open is None or self._open.kind is not PieceKind.CODE or self._closing:
            return None
        return self._open.start

    @property
    def certain(self) -> int:
        """How much of the text is what it is, whatever comes next: after it, the last line may become a fence."""
        begun = _BEGUN.search(self._line)
        return self._line_start + (begun.start() if begun else len(self._line))

    def feed(self, text: str) -> Mark | None:
        """Take more text; return the first block closed or forged fence found in it, if any."""
        known = len(self.marks)
        for part in _LINES.findall(text):
            self._line += part
            if self._open is not None and ("`" in part or "~" in part):
                self._try_close(self._open)
            if part.endswith("\n"):
                self._end_line()
        return self.marks[known] if len(self.marks) > known else None

    def refuse_feedback(self) -> None:
        """From here on the model writes: feedback that comes next is forged."""
        self._may_follow = _NOTHING

    def finish(self) -> None:
        """The text has ended: an open block stays open."""
        if self._open is not None and not self._closing:
            self.marks.append(Mark(self._open.kind, self._open.start, None))

    def _try_close(self, fence: _Fence) -> None:
        """Close a block as soon as its line shows a long enough fence; a longer run only moves the end."""
        width = fence.closing_width(self._line)
        if width is None:
            return
        if self._closing:
            self.marks.pop()
        else:
            self._closing = True
            self._may_follow = _FOLLOWS[fence.kind]
        self.marks.append(Mark(fence.kind, fence.start, self._line_start + width))

    def _end_line(self) -> None:
        if self._open is None:
            self._outside(0)
        elif self._closing:
            width = self._open.closing_width(self._line) or 0
            self._open, self._closing = None, False
            self._outside(width)
        self._line_start += len(self._line)
        self._line = ""

    def _outside(self, column: int) -> None:
        """Read the line from `column` on, which is outside any block."""
        fence = self._opening(column)
        if fence is None:
            if self._line[column:].strip():
                self._may_follow = _NOTHING
            return
        forged = fence.kind in _FEEDBACK and (fence.glued or fence.kind not in self._may_follow)
        if forged:
            self.marks.append(Mark(PieceKind.TEXT, fence.start, None))
        else:
            self._open = fence
        self._may_follow = _NOTHING

    def _opening(self, column: int) -> _Fence | None:
        """The python or feedback fence that the line opens after `column`."""
        line = self._line[:-1]
        at_start = None if column else _OPEN.match(line)
        match = at_start or _GLUED.search(line, column)
        if match is None or (kind := _kind_of(match["info"])) is None:
            return None
        if at_start:
            return _Fence(self._line_start, at_start["fence"], _width(at_start["indent"]), kind)
        return _Fence(self._line_start + match.start("fence"), match["fence"], 0, kind, glued=True)


def parse(text: str) -> list[Piece]:
    """Cut a completion into pieces; their texts joined are the text again."""
    scanner = FenceScanner()
    scanner.feed(text)
    scanner.finish()
    blocks = [mark for mark in scanner.marks if mark.kind is not PieceKind.TEXT]
    forgeries = [mark.start for mark in scanner.marks if mark.kind is PieceKind.TEXT]
    starts = [_piece_start(text, mark) for mark in blocks] + [len(text)]
    pieces: list[Piece] = []
    at = 0
    followed = [mark.kind is PieceKind.CODE for mark in blocks[1:]] + [False]
    for mark, begin, limit, by_code in zip(blocks, starts, starts[1:], followed, strict=False):
        start = max(at, begin)
        pieces += _text_piece(text, at, start, forgeries)
        at = _piece_end(text, mark, max(limit, mark.end or 0), by_code)
        pieces.append(Piece(mark.kind, text[start:at], closed=mark.end is not None))
    return pieces + _text_piece(text, at, len(text), forgeries)


def unclosed(block: str) -> bool:
    """Does a block that begins like this lack its closing fence? Its opening fence may still be incomplete."""
    return "\n" not in block or not parse(block)[-1].closed


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


def _kind_of(info: str) -> PieceKind | None:
    """Kind of a block from the first word after its fence: `python`, `{.python}`, `python:main.py`."""
    return _INFO.get(info.strip("{}.").lower().partition(":")[0])


def _text_piece(text: str, start: int, end: int, forgeries: Sequence[int]) -> list[Piece]:
    """The text between two blocks, if there is any, with the number of forged fences in it."""
    if start >= end:
        return []
    return [Piece(PieceKind.TEXT, text[start:end], forged=sum(start <= f < end for f in forgeries))]


def _piece_start(text: str, mark: Mark) -> int:
    """Feedback begins with the newline before its fence."""
    newline = mark.kind is not PieceKind.CODE and mark.start > 0 and text[mark.start - 1] == "\n"
    return mark.start - 1 if newline else mark.start


def _piece_end(text: str, mark: Mark, limit: int, followed_by_code: bool) -> int:
    """A block's end with the white space it owns: feedback its newline, python that before its feedback or the end.

    `limit` is where the next block begins.
    """
    if mark.end is None:
        return len(text)
    if mark.kind is not PieceKind.CODE:
        return mark.end + 1 if text[mark.end : mark.end + 1] == "\n" else mark.end
    white = _WHITE.match(text, mark.end, limit)
    if white and white.end() == limit and not followed_by_code:
        return limit
    rest = _LINE_REST.match(text, mark.end, limit)
    return rest.end() if rest else mark.end


def _width(indent: str) -> int:
    return len(indent.expandtabs(4))
