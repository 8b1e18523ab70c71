"""Decimals where exact values are needed: rounded intermediate results, closed forms guessed from digits."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.triggers.chain import Chain
from cort_data.hints.view import Clause, View

_ABOUT = re.compile(
    r"(?:≈|≃|~|\\approx|\\sim(?:eq)?\b|\b(?:about|approx(?:imately|\.)?|roughly|nearly|around|close to|almost)\b)"
    r"[\s$({\\]*-?\d*\.\d\d+",
    re.IGNORECASE,
)
_ROUNDED = re.compile(
    r"\bround(?:ed|ing|s)?\b[^.]{0,30}\d*\.\d|\b\d*\.\d\d+\b[^.]{0,20}\bround(?:ed|ing)\b|\bkeep \w+ decimals?\b",
    re.IGNORECASE,
)
_GUESSED = re.compile(
    r"\b(?:looks? (?:\w+ ){0,3}?like|seems? (?:to be|like)|(?:very|suspiciously|really)? ?close to|probably|presumably|"
    r"suggests?|reminds me of|must be|might be|could be|likely|i guess|i recogni[sz]e|equal to)\b[^.]{0,40}?"
    r"(?:sqrt|√|\bpi\b|π|\\pi|\\[dt]?frac|(?<![\d/])\d+\s?/\s?\d+(?![\d/])|\be\^|golden ratio)",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"(?<![\d.])\d*\.\d\d\d+")
_ASKED = re.compile(
    r"\b(?:problem|question|answer|task|asked|asks|wants?|required)\b.{0,60}\b(?:nearest|decimal|round|approximat)|"
    r"\bnearest (?:tenth|hundredth|thousandth|integer|whole|cent|dollar|degree)",
    re.IGNORECASE,
)

ABOUT = 1.0
GUESSED = 2.0
NEAR = 160
"""Characters before a guess in which the decimal stands that it is made from."""


class Approximation(Trigger):
    """Decimals stand in for exact values. The span starts at the first such sentence.

    A rounded value that is gone on with weighs 1, a closed form that is guessed from a decimal 2. Where the text says
    that the problem asks for a rounded value, nothing is detected from then on.
    """

    name: ClassVar[str] = "approximation"
    needs: ClassVar[frozenset[str]] = frozenset(
        {"≈", "≃", "~", "approx", "\\sim", "about", "roughly", "nearly", "almost", "round", "decimal", "nearest"}
        | {"looks", "look ", "seem", "close to", "probably", "presumably", "suggest", "remind", "must be", "might be"}
        | {"could be", "likely", "i guess", "recogni", "equal to"}
    )

    score: Annotated[float, Field(gt=0, description="Weight of the signs that make a detection")] = 2.0
    gap: Annotated[int, Field(ge=0, description="Characters without a sign after which all are forgotten")] = 300

    def detector(self) -> Detector:
        """Knows, once it was said, that a rounded answer is asked for."""
        return _Approximation(self.score, self.gap)


class _Approximation:
    reads = True

    def __init__(self, threshold: float, gap: int) -> None:
        self.threshold = threshold
        self.chain = Chain(gap)
        self.asked: int | None = None

    def restart(self, view: View) -> Span | None:
        self.chain.forget()
        if self.asked is not None and self.asked > view.run_start:
            self.asked = None
        return None

    def read(self, view: View, clause: Clause) -> Span | None:
        text = clause.text
        if self.asked is not None:
            return None
        if "ound" in text or "nearest" in text or "decimal" in text:
            if _ASKED.search(text):
                self.asked = clause.end
                return None
            if _ROUNDED.search(text):
                return self._sign(clause, ABOUT, "a value is rounded")
        if _may_be_about(text) and (count := len(_ABOUT.findall(text))):
            return self._sign(clause, count * ABOUT, "a decimal stands in for an exact value")
        if _may_guess(text) and _GUESSED.search(text) and _decimal_near(view, clause):
            return self._sign(clause, GUESSED, "a closed form is guessed from a decimal")
        return None

    def _sign(self, clause: Clause, weight: float, reason: str) -> Span:
        self.chain.add(clause, weight)
        return Span(self.chain.start, clause.end, self.chain.score, self.threshold, reason)


def _may_be_about(text: str) -> bool:
    """A clause without a decimal cannot; most end here."""
    return "." in text[:-2] and (
        "≈" in text
        or "pprox" in text
        or "bout " in text
        or "~" in text
        or "oughly " in text
        or "lose to" in text
        or "round " in text
        or "early " in text
        or "lmost " in text
        or "\\sim" in text
        or "≃" in text
    )


def _may_guess(text: str) -> bool:
    """A clause without a closed form cannot."""
    return (
        "/" in text
        or "qrt" in text
        or "√" in text
        or "pi" in text
        or "π" in text
        or "frac" in text
        or "e^" in text
        or "olden" in text
    )


def _decimal_near(view: View, clause: Clause) -> bool:
    """Does a decimal stand in the clause, shortly before it, or in the output that it reads?"""
    for earlier in reversed(view.clauses):
        if earlier.end < clause.start - NEAR:
            return False
        if earlier.start <= clause.start and _DECIMAL.search(earlier.text):
            return True
    near_output = view.answers_code and clause.start - view.run_start <= NEAR
    return near_output and _DECIMAL.search(view.last_output or "") is not None
