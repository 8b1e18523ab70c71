"""A completion in its two parts, as it grows: the thinking with its code and outputs, and the answer after it.

The thinking ends at the first closing tag; together with the tag the two parts are the text as it was written. Stop
strings end the answer; in the thinking, where they would hit code and outputs, they mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Parts(NamedTuple):
    """What is new of both."""

    thinking: str = ""
    answer: str = ""


class Parting:
    """Takes the text again whenever it has grown."""

    def __init__(self, think_close: str, stops: Sequence[str] = ()) -> None:
        self.stopped = False
        """A stop string has come; nothing is taken any more."""
        self._close, self._stops = think_close, tuple(stops)
        self._answer = None if think_close else 0  # where it begins
        self._given = 0

    def take(self, text: str, settled: int, *, ended: bool = False) -> Parts:
        """What is new in the first `settled` characters; what may yet become a tag or a stop waits for the `ended`."""
        thinking = self._think(text, settled, ended) if self._answer is None else ""
        answer = "" if self._answer is None or self.stopped else self._say(text, self._answer, settled, ended)
        return Parts(thinking, answer)

    def _think(self, text: str, settled: int, ended: bool) -> str:
        found = text.find(self._close, self._given, settled)
        if found < 0:
            return self._give(text, settled if ended else settled - _begun(text[self._given : settled], [self._close]))
        thinking = self._give(text, found)
        self._answer = self._given = found + len(self._close)
        return thinking

    def _say(self, text: str, begin: int, settled: int, ended: bool) -> str:
        found = [at for stop in self._stops if (at := text.find(stop, self._given, settled)) >= 0]
        if found:
            self.stopped = True
            return self._give(text, min(found))
        return self._give(text, settled if ended else settled - _begun(text[begin:settled], self._stops))

    def _give(self, text: str, end: int) -> str:
        """The text up to there, which then is given."""
        new = text[self._given : end]
        self._given = max(self._given, end)
        return new


def _begun(text: str, words: Iterable[str]) -> int:
    """Length of the text's longest end with which one of the words begins."""
    return max(
        (length for word in words for length in range(1, len(word)) if text.endswith(word[:length])),
        default=0,
    )
