"""What a detector may see: the text so far, cut into clauses as they become complete.

Detectors read whole clauses and nothing else, so what they find does not depend on how the engine cuts its chunks,
and text that comes later cannot change it. A clause ends at a line end, at closing punctuation with white space after
it, or after `MAX_CLAUSE` characters. A run is what the model wrote since the last thing that it did not write; a
rewind stays inside the run.
"""

from __future__ import annotations

import copy
import re
from typing import NamedTuple

from cort_data.blocks import feedback_body, is_failure
from cort_data.hints import lexicon
from cort_data.trace import Kind, Origin

MAX_CLAUSE = 400

_CLAUSE = re.compile(r"(?:[^\n.!?;:,。！？；：，]++|[.!?;:,](?=\S))*+(?:\n|[.!?;:,]\s|[。！？；：，])")
_ENDS = frozenset("\n.!?;:,。！？；：，")  # without one of these, no clause can end
_TEXT, _MODEL, _HUMAN = Kind.TEXT, Origin.MODEL, Origin.HUMAN  # looked up for every token
_TOKEN = 12  # characters: to look for an end in longer pieces costs as much as to cut them
_SENTENCE_ENDS = ".!?。！？"
_NUMBERED = re.compile(r"\s*\(?\d{1,2}\.\s$")
_SHORTENED = re.compile(r"\b(?:e\.g|i\.e|vs|approx|cf|etc|Eq|Fig)\.\s$")
_SHORT = 8  # characters that hold the end of all these


class Clause(NamedTuple):
    """A complete clause `[start, end)` of the completion, with the white space that ends it."""

    start: int
    end: int
    text: str
    sentence: int
    """Offset of the first character of its sentence."""
    ends_sentence: bool
    stems: int = 0
    """Which words stand in it, as bits of `lexicon`."""


_clause = tuple.__new__  # half the time of `Clause(...)`, and there are many


class View:
    """The completion so far. The rollout loop appends to it and truncates it after a rewind."""

    def __init__(self, calls: int = 15, think_close: str = "</think>", seed: int = 0) -> None:
        self.seed = seed
        """Of the trace, for detectors that draw."""
        self.length = 0
        self.run_start = 0
        self.epoch = 0
        """Changes whenever `clauses` starts anew: detectors then forget what they read after `run_start`."""
        self.clauses: list[Clause] = []
        """The complete clauses of the current run, in order."""
        self.calls = 0
        """Executed blocks."""
        self.calls_left = calls
        self.in_code = False
        self.last_code = ""
        self.last_output: str | None = None
        """What the last block printed, without fences; None before the first."""
        self.has_code = False
        self.answers_code = False
        """Has no code been written since the last output?"""
        self.follows_output = False
        """Does the run begin directly after an output, with no hint between?"""
        self._parts: list[str] = []
        self._tail = ""  # of the run: what no clause holds yet
        self._sentence: int | None = None  # where the open sentence starts
        self._in_run = True
        self._code = ""  # the block that is being written
        self._think_close = think_close
        self._done = False

    def fork(self) -> View:
        """A copy that grows by itself."""
        twin = copy.copy(self)
        twin.clauses = list(self.clauses)
        twin._parts = list(self._parts)
        return twin

    @property
    def text(self) -> str:
        """The whole completion so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def last_error(self) -> bool:
        """Did the last block end in an error of the cell?"""
        return self.last_output is not None and is_failure(self.last_output)

    def append(self, kind: Kind, origin: Origin, text: str) -> None:
        """Take new text of the model, a hint or the environment."""
        self._parts.append(text)
        self.length += len(text)
        if kind is _TEXT and (origin is _MODEL or origin is _HUMAN):
            if not self._in_run:
                self._start_run(self.length - len(text))
                self.in_code = False
            tail = self._tail
            self._tail = tail + text
            if (
                len(text) > _TOKEN
                or not _ENDS.isdisjoint(text)
                or tail[-1:] in _ENDS
                or len(tail) + len(text) > MAX_CLAUSE
            ):
                self._cut_clauses()
        else:
            self._append_other(kind, text)

    def truncate(self, length: int) -> None:
        """Forget what stands after `length`. Clauses of the run that stay are read again."""
        text = self.text[:length]
        self._parts, self.length = [text], length
        self._start_run(min(self.run_start, length))
        self._tail = text[self.run_start :] if self._in_run else ""
        self._cut_clauses()

    def _append_other(self, kind: Kind, text: str) -> None:
        if kind is Kind.CODE:
            self._code = self._code + text if self.in_code else text
            self.has_code = True
            self.answers_code = False
        elif kind is Kind.OUTPUT:
            self.calls += 1
            self.calls_left -= 1
            self.last_code, self.last_output = self._code, feedback_body(text)
            self.answers_code = True
        self.in_code = kind is Kind.CODE
        self.follows_output = kind is Kind.OUTPUT or (kind is Kind.NOTICE and self.follows_output)
        self._start_run(self.length)
        self._in_run = not self.in_code

    def _start_run(self, at: int) -> None:
        self.run_start = at
        self.epoch += 1
        self.clauses = []
        self._tail, self._sentence, self._in_run = "", None, True

    def _cut_clauses(self) -> None:
        """Every character passes here: one loop without calls of its own."""
        if self._done:
            self._tail = ""
            return
        tail, at, sentence = self._tail, 0, self._sentence
        base = self.length - len(tail)
        closes = self._think_close in tail
        while True:
            match = _CLAUSE.match(tail, at)
            end = match.end() if match else len(tail)
            if end - at > MAX_CLAUSE:
                end = at + MAX_CLAUSE
            elif match is None:
                break
            text = tail[at:end]
            if closes and self._think_close in text:
                self._done = True
                break
            bare = text.rstrip()
            if bare and sentence is None:
                sentence = base + end - len(text.lstrip())
            last = text[-1] == "\n" or (bare[-1:] in _SENTENCE_ENDS and not _goes_on(text))
            if bare:
                stems = lexicon.bits(text)
                self.clauses.append(_clause(Clause, (base + at, base + end, text, sentence, last, stems)))
            if last:
                sentence = None
            at = end
        self._tail, self._sentence = tail[at:], sentence


def _goes_on(text: str) -> bool:
    """Does the full stop at the end of this clause belong to a number in a list or to a shortened word?"""
    if text[-2:-1] != ".":
        return False
    return _NUMBERED.match(text) is not None or _SHORTENED.search(text, max(0, len(text) - _SHORT)) is not None
