"""Delayed code computation: the model starts to carry out by hand what a short program would do (METHOD §1).

Each clause is for or against: numbers, operations and evaluations speak for computing, words that set up, reason or
plan against it, and so does mere length. The sum of what was said falls back to nothing in other text and fires where
it reaches a threshold. The weights are those of a logistic regression on clauses of the development half of the
public traces, rounded (`docs/LOG.md`).
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints import lexicon
from cort_data.hints.triggers import steps
from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.view import Clause, View

_WORDS = (
    (0.55, "compute computes computed computing calculate calculated calculating calculation evaluate evaluating "
           "simplify simplifying simplifies simplified expand expanding expands substitute substituting plug plugging "
           "subtract subtracting multiply multiplying multiplied divide dividing divided add adding combine combining "
           "cancel rearrange rearranging solve solving distribute"),
    (0.3, "numerator denominator remainder quotient digit digits sides terms sqrt squared column row carry borrow"),
    (0.25, "now next first second third similarly me again so then gives get equals becomes same plus times minus"),
    (-0.35, "maybe perhaps could might possible possibly think approach strategy idea recall remember know known "
            "theorem lemma general seems likely need needs want goal should try alternatively however"),
    (-0.25, "because since must cannot any every exists exist prove proof bound contradiction condition conditions "
            "constraint constraints minimal maximal minimum maximum distinct arrange construct where when only unless "
            "implies there least most"),
    (-0.75, "define denote suppose assume consider given problem question statement represent answer final boxed you"),
    (-0.6, "python code program script brute search simulate loop print"),
)  # fmt: skip
_BITS = [(lexicon.words(words), weight) for weight, words in _WORDS]
_SAID = sum(bit for bit, _ in _BITS)
_WEIGHTS: dict[int, float] = {}
"""Of each combination of bits that was met."""

BASE = -0.2
EVALUATION = 0.25  # up to three in a clause
OPERATION = 0.25
NUMBER = 0.15  # up to nine
COLON = 0.5
COMPARISON = -0.25
LETTER = -0.026  # up to a hundred
BY_HAND = 1.5  # "let me compute this by hand"
KEPT = 3.0
"""So many times the threshold is the most that counts: what is over has to be talked away before the next span."""
APART = 40
"""Characters after the last computing from which on "by hand" announces another span."""
BEGIN = 0.5
"""The span starts at the sentence in which this share of the threshold was reached."""

_OPERATION = re.compile(r"\d\s?(?:[-+*/^×·÷]|\\(?:times|cdot|div))\s?[\d(]")
_EVALUATED = re.compile(
    r"(?:[-+*/^%×·⋅÷√²³!]|\\(?:times|cdot|div|frac)|sqrt)[\s\d.,(){}\[\]$²³!√]*"
    r"(?:[=≈≡]|\\approx|\\equiv| (?:is|equals|gives|makes) )[\s$({\[~√-]*(?:\\[dt]?frac\{|\\?sqrt[({])?\d"
)
_NO_LETTERS = bytes(c for c in range(128) if not chr(c).isalpha())
_DIGITS = bytes(c if 48 <= c <= 57 else 32 for c in range(256))
_EQUAL = lexicon.EQUAL | lexicon.stems({"≈", "≡"}) | lexicon.words("approx equiv is equals gives makes")
_DIGIT, _MANNER = lexicon.DIGIT, steps.MANNER
_COMPARED = lexicon.stems({"<", ">", "≤", "≥"})


class ManualArithmetic(Trigger):
    """So much speaks for computing by hand. The span starts where half of it was said.

    For: evaluations, operations, numbers, words such as compute or expand (0.15 to 0.55 each; "by hand" 1.5).
    Against: words that define, reason or plan, and every 25 letters (0.25 to 0.75).
    """

    name: ClassVar[str] = "manual_arithmetic"

    steps: Annotated[float, Field(gt=0, description="Weight of the computing that makes a detection")] = 3.0

    def detector(self) -> Detector:
        """Weighs the clauses as they come."""
        return _Computing(self.steps)


class _Computing:
    reads = True

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.start = self.last = 0
        self.score, self.fired = 0.0, False

    def restart(self, view: View) -> Span | None:  # noqa: ARG002
        self.score, self.fired = 0.0, False
        return None

    def read(self, view: View, clause: Clause) -> Span | None:  # noqa: ARG002
        stems, before = clause.stems, self.score
        if stems & _MANNER and steps.announces_by_hand(clause.text):
            if not self.fired or clause.start - self.last >= APART:
                before, self.fired = 0.0, False
            now = before + BY_HAND + weight(clause.text, stems)
        elif before > 0 or stems & _DIGIT:
            now = before + weight(clause.text, stems)
        else:
            return None
        if now > before and now > 0:
            self.score = min(now, KEPT * self.threshold)
            return self._rise(clause, before, now)
        if now <= 0:
            now, self.fired = 0.0, False
        self.score = now
        return None

    def _rise(self, clause: Clause, before: float, now: float) -> Span | None:
        self.last = clause.end
        begin = BEGIN * self.threshold
        if now <= begin:
            return None
        if before <= begin and not self.fired:
            self.start = clause.sentence
        self.fired = self.fired or now >= self.threshold
        return Span(self.start, clause.end, round(now, 2), self.threshold, "computing by hand")


def weight(text: str, stems: int) -> float:
    """How much a clause speaks for computing by hand; below 0, against it."""
    said = _WEIGHTS.get(stems & _SAID)
    if said is None:
        said = _WEIGHTS[stems & _SAID] = BASE + sum(weight for bit, weight in _BITS if stems & bit)
    plain = text.encode("ascii", "replace")
    said += LETTER * min(100, len(plain.translate(None, _NO_LETTERS)))
    if stems & _DIGIT:
        said += NUMBER * min(9, len(plain.translate(_DIGITS).split()))
        if _OPERATION.search(text):
            said += OPERATION
        if stems & _EQUAL:
            said += EVALUATION * min(3, len(_EVALUATED.findall(text)))
    if stems & _COMPARED:
        said += COMPARISON
    return said + COLON if text[-2:-1] == ":" or text[-1] == "：" else said
