"""What has been written so far in one rollout: committed segments, and the run of model tokens that is growing.

All cutting happens here, on token boundaries: where a block closes, where a forged output starts, where a hint
rewinds to. Token ids are only ever appended or dropped, never recomputed.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from cort_data.engines.base import Chunk, Prefix, Sent, Turn
from cort_data.fences import FenceScanner, Mark, PieceKind, code_of, parse
from cort_data.trace import HintMark, Kind, Origin, Segment

T = TypeVar("T", int, float)
Encode = Callable[[str], Awaitable[tuple[int, ...] | None]]
_LINE_END = re.compile(r"[ \t\r]*\n")
CHARS_A_TOKEN = 4  # of prefixes that nobody counts: no ids, and no word of the engine


@dataclass(frozen=True, slots=True)
class Dropped:
    """Model tokens that were generated and taken out again."""

    text: str
    tokens: int


class Transcript:
    """Grows by model chunks, hints and feedback. Offsets are characters of the completion."""

    def __init__(self, prompt: str, encode: Encode, turn: Turn | None = None) -> None:
        self.prompt = prompt
        self._turn = turn  # the prompt as messages
        self.prompt_ids: tuple[int, ...] | None = None
        self.segments: list[Segment] = []
        self.text = ""
        self._ids: list[int] | None = None
        self._known = 0  # how much of the prefix an earlier stream had, in tokens or, without ids, in characters
        self._encode = encode
        self._scanner = FenceScanner()
        self._run: list[Chunk] = []
        self._ends: list[int] = []  # offset after each chunk of the run
        self._run_start = 0

    async def open(self) -> None:
        """Encode the prompt, where the engine takes ids."""
        self.prompt_ids = await self._encode(self.prompt)
        self._ids = list(self.prompt_ids) if self.prompt_ids is not None else None

    def fork(self) -> Transcript:
        """A copy that grows by itself."""
        twin = copy.copy(self)
        twin.segments = list(self.segments)
        twin._ids = list(self._ids) if self._ids is not None else None
        twin._scanner = copy.deepcopy(self._scanner)
        twin._run, twin._ends = list(self._run), list(self._ends)
        return twin

    @property
    def in_code(self) -> bool:
        """Is a python block open?"""
        return self._scanner.open_block is not None

    @property
    def settled(self) -> int:
        """Characters that nothing takes back but a hint: whole tokens, up to where a fence may have begun."""
        certain = self._scanner.certain
        return next((end for end in reversed(self._ends) if end <= certain), self._run_start)

    @property
    def tokens(self) -> int:
        """Tokens of prompt and completion so far; an underestimate where the engine gives no ids."""
        if self._ids is not None:
            return len(self._ids)
        return sum(s.tokens for s in self.segments) + sum(c.tokens for c in self._run)

    def prefix(self) -> Prefix:
        """What the engine is to continue."""
        turn = self._turn and replace(self._turn, completion=self.text, lead=self._lead())
        return Prefix(self.prompt + self.text, tuple(self._ids) if self._ids is not None else None, turn)

    def _lead(self) -> int:
        """Characters that hints wrote before the model's first word."""
        leading = itertools.takewhile(lambda s: s.origin is Origin.HINT, self.segments)
        return sum(len(segment.text) for segment in leading)

    def sent(self) -> Sent:
        """The prefix as it is now, by count: cached is what the streams before had of it."""
        unit = 1 if self._ids is not None else CHARS_A_TOKEN
        return Sent(total=-(-self._length // unit), cached=self._known // unit)

    def known(self) -> None:
        """The engine has had everything that stands here."""
        self._known = self._length

    @property
    def _length(self) -> int:
        return len(self._ids) if self._ids is not None else len(self.prompt) + len(self.text)

    def write(self, chunk: Chunk) -> Mark | None:
        """Take a model chunk; return the block that it closed or the forged fence that it completed."""
        self._run.append(chunk)
        self.text += chunk.text
        self._ends.append(len(self.text))
        if self._ids is not None:
            self._ids.extend(chunk.ids or ())
        return self._scanner.feed(chunk.text) if chunk.text else None

    async def close_block(self, mark: Mark, ends_line: bool = False) -> tuple[str, Dropped]:
        """Commit the run that ended in this block; return its program and what its last token had too much.

        White space in the closing token stays. If the token carries anything else it is dropped, and what it had
        of the block is appended as a system segment. `ends_line`: nothing of the environment follows, and what the
        model writes next must not change the block, so it is made to end with its line in the same way.
        """
        assert mark.end is not None
        block = self.text[mark.start : mark.end]
        rest = self.text[mark.end :]
        dropped = Dropped("", 0)
        owed = ""
        ends_line = ends_line and not _LINE_END.fullmatch(rest)
        if rest.strip() or ends_line:
            begin = self._ends[-1] - len(self._run[-1].text)
            owed = self.text[begin : mark.end] + "\n" * ends_line
            dropped = self.drop_from(min(mark.end, len(self.text) - 1))
            dropped = Dropped(rest, dropped.tokens)
        self.commit(code_start=mark.start)
        if owed:
            await self._append(Segment(kind=Kind.CODE, origin=Origin.SYSTEM, text=owed))
        return code_of(block), dropped

    def drop_from(self, offset: int) -> Dropped:
        """Take out the run's tokens from the one that holds `offset` on."""
        keep = sum(1 for _ in itertools.takewhile(lambda end: end <= offset, self._ends))
        gone = self._run[keep:]
        length = self._ends[keep - 1] if keep else self._run_start
        dropped = Dropped(self.text[length:], sum(c.tokens for c in gone))
        if self._ids is not None:
            n_ids = sum(len(c.ids or ()) for c in gone)
            del self._ids[len(self._ids) - n_ids :]
        del self._run[keep:], self._ends[keep:]
        self.text = self.text[:length]
        self._known = min(self._known, self._length)
        self._scanner = FenceScanner()
        self._scanner.feed(self.text)
        self._scanner.refuse_feedback()
        return dropped

    def commit(self, code_start: int | None = None) -> None:
        """Turn the growing run into segments: text, then the python block that starts at `code_start`."""
        if code_start is None:
            code_start = self._scanner.open_block
        if not self._run:
            return
        cut = len(self.text) if code_start is None else max(code_start, self._run_start)
        # a token that straddles the start of a block counts to the text, where it begins
        starts = [self._run_start, *self._ends[:-1]]
        n_text = len(self._run) if code_start is None else sum(start < cut for start in starts)
        self._commit(Kind.TEXT, self.text[self._run_start : cut], self._run[:n_text])
        self._commit(Kind.CODE, self.text[cut:], self._run[n_text:])
        self._run, self._ends = [], []
        self._run_start = len(self.text)

    def _commit(self, kind: Kind, text: str, chunks: list[Chunk]) -> None:
        if not text and not chunks:
            return
        self.segments.append(
            Segment(
                kind=kind,
                origin=Origin.MODEL,
                text=text,
                tokens=sum(c.tokens for c in chunks),
                token_ids=_join([c.ids for c in chunks]),
                logprobs=_join([c.logprobs for c in chunks]),
            )
        )

    async def insert_hint(self, text: str, mark: HintMark) -> list[Segment]:
        """Append a hint and return its segments; a fence that it opens becomes a code segment of its own."""
        self.commit()
        known = len(self.segments)
        for piece in parse(text):
            kind = Kind.CODE if piece.kind is PieceKind.CODE else Kind.TEXT
            await self._append(Segment(kind=kind, origin=Origin.HINT, text=piece.text, hint=mark))
        return self.segments[known:]

    async def adopt(self, segment: Segment) -> None:
        """Append a segment that was written elsewhere, with the ids that this engine has for its text."""
        await self._append(segment)

    async def append_feedback(self, kind: Kind, text: str) -> None:
        """Append an output of the interpreter or a notice of the system; what the model writes next is its own."""
        self.commit()
        origin = Origin.INTERPRETER if kind is Kind.OUTPUT else Origin.SYSTEM
        await self._append(Segment(kind=kind, origin=origin, text=text))

    async def _append(self, segment: Segment) -> None:
        ids = await self._encode(segment.text)
        if ids is not None:
            segment = segment.model_copy(update={"token_ids": ids, "tokens": len(ids)})
            if self._ids is not None:
                self._ids.extend(ids)
        self.segments.append(segment)
        self.text += segment.text
        self._scanner.feed(segment.text)
        self._run_start = len(self.text)

    def model_continues(self) -> None:
        """From here on the model writes: feedback that comes next is forged."""
        self._scanner.refuse_feedback()


def _join(parts: list[tuple[T, ...] | None]) -> tuple[T, ...] | None:
    if any(part is None for part in parts):
        return None
    return tuple(x for part in parts for x in part or ())
