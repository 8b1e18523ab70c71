"""Loops: the same sentence, or the same words, again and again without progress."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.view import MAX_CLAUSE, Clause, View

_FILLER = re.compile(r"(?:(?:wait|hmm+|but|ok(?:ay)?|so|now|hold on|actually|no|yes|and|again)\b[\s,.!]*)+")
_FILLERS_BEGIN = frozenset({"wa", "hm", "bu", "ok", "so", "no", "ho", "ac", "ye", "an", "ag"})
"""Of the words above; most sentences begin with another one and need no match."""
_EDGES = " \t\n.,;:!?*-"
WINDOW = 60
"""Sentences back that a repeat is looked for."""
SHORT = 8
"""Sentences of fewer characters, fillers not counted, say nothing: they neither repeat nor are new."""
NGRAM = 4
"""Words of the n-grams that a sentence without end is made of."""


class Loop(Trigger):
    """Sentences repeat: the second time adds 0.5, each further time 1, and a new sentence ends it.

    So a list of cases is none: its remarks come again, and so does a new case.

    A sentence that does not end counts too, once most of its n-grams repeat. The span starts at the first repeat.
    """

    name: ClassVar[str] = "loop"

    repeats: Annotated[float, Field(gt=0, description="Weight of the repeats in a row that makes a detection")] = 2.5

    def detector(self) -> Detector:
        """Remembers the sentences of the whole trace."""
        return _Loop(self.repeats)


class _Loop:
    reads = True

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.said: list[tuple[int, str]] = []  # end and normal form of each sentence
        self.recent: dict[str, int] = {}  # how often the last WINDOW of them were said
        self.parts: list[str] = []  # the open sentence
        self.start = self.chars = self.checked = 0
        self.score = 0.0

    def restart(self, view: View) -> Span | None:
        known = len(self.said)
        while self.said and self.said[-1][0] > view.run_start:
            self.said.pop()
        if len(self.said) < known:
            self._recall()
        self._forget()
        return None

    def read(self, view: View, clause: Clause) -> Span | None:  # noqa: ARG002
        text = clause.text
        if clause.ends_sentence:
            if self.parts:
                text = "".join(self.parts) + text
                self.parts, self.chars, self.checked = [], 0, 0
            return self._sentence(clause, text)
        self.parts.append(text)
        self.chars += len(text)
        if self.chars - self.checked >= MAX_CLAUSE:
            self.checked = self.chars
            return self._endless(clause)
        return None

    def _sentence(self, clause: Clause, text: str) -> Span | None:
        form = _normal(text)
        if len(form) < SHORT:
            return None
        recent, said = self.recent, self.said
        times = recent.get(form, 0)
        recent[form] = times + 1
        said.append((clause.end, form))
        if len(said) > WINDOW:
            old = said[-WINDOW - 1][1]
            if recent[old] > 1:
                recent[old] -= 1
            else:
                del recent[old]
        if not times:
            self.score = 0.0
            return None
        if self.score == 0:
            self.start = clause.sentence
        self.score += 0.5 if times == 1 else 1.0
        return Span(self.start, clause.end, self.score, self.threshold, f"said before: {form[:40]!r}")

    def _endless(self, clause: Clause) -> Span | None:
        words = "".join(self.parts)[-MAX_CLAUSE:].split()
        grams = [tuple(words[i : i + NGRAM]) for i in range(len(words) - NGRAM + 1)]
        if len(grams) < 2 * NGRAM or len(set(grams)) * 3 > len(grams):
            return None
        reason = f"the same words over and over: {' '.join(grams[-1])[:40]!r}"
        return Span(clause.sentence, clause.end, self.threshold, self.threshold, reason)

    def _forget(self) -> None:
        self.start = self.chars = self.checked = 0
        self.score = 0.0
        self.parts = []

    def _recall(self) -> None:
        self.recent = {}
        for _, form in self.said[-WINDOW:]:
            self.recent[form] = self.recent.get(form, 0) + 1


def _normal(sentence: str) -> str:
    """The sentence without the words that only fill it, and without its edges."""
    text = sentence.strip(_EDGES).lower()
    if text[:2] not in _FILLERS_BEGIN:
        return text
    filler = _FILLER.match(text)
    return text[filler.end() :] if filler else text
