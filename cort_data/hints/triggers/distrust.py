"""Code result distrust: after an output, its numbers are computed again by hand (METHOD §1).

Checking the program's logic is good and no distrust. What counts: a sentence that wants to verify the number, and
hand computing with the numbers of the code or towards those of the output.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints import lexicon
from cort_data.hints.triggers import steps
from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.view import Clause, View

_VERIFY = re.compile(
    r"\b(?:let(?:'s|’s| me| us)|i(?:'ll|'d better| will| should| want to| need to| must| can)?|"
    r"we(?:'ll| should| can| need to| must)?|to)\s+(?:\w+\s+){0,2}?"
    r"(?:(?:double|re|cross)[- ]?check|verify|re-?comput|re-?calculat|confirm|redo|validate|"
    r"(?:check|make sure)(?=.*\b(?:that|this|it|output|result|number|value|total|by hand|manually|myself|digits?|"
    r"step by step|on paper)\b))",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\bis (?:that|this|it) (?:really )?(?:right|correct)\b|\b(?:seems|looks|sounds) (?:off|wrong|too )"
    r"|\bcan(?:'t|not) be right\b|\bnot (?:so )?sure (?:about|of) (?:that|this|the (?:output|result|number))\b",
    re.IGNORECASE,
)
_WISHES = frozenset(
    {"check", "verif", "comput", "calculat", "confirm", "redo", "validat", "sure"}
    | {"right", "correct", "off", "wrong", "too"}
)
"""Without one of these, neither pattern can match: most clauses are let go here."""
_STEMS = lexicon.stems(_WISHES)
_LOGIC = re.compile(
    r"\b(?:logic|code|loops?|range|conditions?|program|script|python|assum\w+|formula|interpret\w*|reasoning|approach|"
    r"problem|question|statement|cases?|definition|whether|if|pattern|claim|(?:small|simpl|other)\w* (?:\w+ )?\w+)\b",
    re.IGNORECASE,
)
_BY_MACHINE = re.compile(
    r"\b(?:with|in|using|by|via)\s+(?:\w+\s+){0,3}?(?:code|python|script|program|running)\b", re.IGNORECASE
)
_NUMBER = re.compile(r"\d+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")

ASKED = 1.0  # a wish to verify
BY_HAND = 1.0  # ... "by hand", "myself"
AGAIN = 1.0  # after a wish: an evaluation with numbers of the code or the output
OTHER = 0.35  # after a wish: an evaluation of other numbers
REDONE = 0.7  # without a wish: an evaluation with the code's own numbers, or towards the output
TABLE = 12  # an output of more numbers holds some of any computation
NEAR = 2000
"""Characters after the output within which its numbers are computed again; later the text is about something else."""


class ResultDistrust(Trigger):
    """The output's number is doubted and computed again. The span starts at the sentence of the doubt.

    A wish to verify weighs 1, "by hand" 1 more; each evaluation after it 1 with known numbers, else 0.35. Without a
    wish, an evaluation weighs 0.7 if its operands stand in the code, or its value in the output.
    """

    name: ClassVar[str] = "result_distrust"
    needs: ClassVar[frozenset[str]] = _WISHES | {"0"}

    score: Annotated[float, Field(gt=0, description="Weight of the signs that make a detection")] = 2.0
    gap: Annotated[int, Field(ge=0, description="Characters without a sign after which all are forgotten")] = 240

    def detector(self) -> Detector:
        """Active from an output to the next code."""
        return _Distrust(self.score, self.gap)


class _Distrust:
    def __init__(self, threshold: float, gap: int) -> None:
        self.reads = False  # before the first output
        self.threshold = threshold
        self.gap = gap
        self.start = self.last = self.until = 0
        self.total = 0.0
        self.asked = False
        self.inputs: frozenset[str] = frozenset()
        self.outputs: frozenset[str] = frozenset()

    def restart(self, view: View) -> Span | None:
        self._forget()
        self.reads = view.answers_code and not view.last_error
        self.until = view.run_start + NEAR if self.reads else 0
        if self.reads:
            self.inputs = _numbers(view.last_code)
            printed = _numbers(view.last_output or "")
            self.outputs = printed if len(printed) <= TABLE else frozenset()
        return None

    def read(self, view: View, clause: Clause) -> Span | None:  # noqa: ARG002
        if clause.start >= self.until:
            return None
        if self.total and clause.start - self.last > self.gap:
            self._forget()
        wish = self._wish(clause)
        sign = wish or self._again(clause)
        if not sign:
            return None
        if not self.total or (wish and self.total < self.threshold):
            self.start = clause.sentence
        self.last = clause.end
        self.total += sign
        return Span(self.start, clause.end, self.total, self.threshold, self._reason())

    def _wish(self, clause: Clause) -> float:
        """A wish to verify, once a chain; checking the logic, or with code, is none."""
        text = clause.text
        if self.asked or not clause.stems & _STEMS:
            return 0.0
        if not (_VERIFY.search(text) or _DOUBT.search(text)) or _BY_MACHINE.search(text):
            return 0.0
        hand = steps.by_hand(text)
        if not hand and _LOGIC.search(text):
            return 0.0
        self.asked = True
        return ASKED + (BY_HAND if hand else 0.0)

    def _again(self, clause: Clause) -> float:
        if not clause.stems & lexicon.DIGIT:
            return 0.0
        text = steps.plain(clause.text)
        count = steps.evaluations(text)
        if not count:
            return 0.0
        operands, _, value = text.rpartition("=")
        known = bool(_numbers(operands) & self.inputs or _numbers(value) & self.outputs)
        if self.asked:
            return count * (AGAIN if known else OTHER)
        return count * REDONE if known else 0.0

    def _reason(self) -> str:
        return "the output is to be verified by hand" if self.asked else "numbers of the code are computed again"

    def _forget(self) -> None:
        self.start = self.last = 0
        self.total = 0.0
        self.asked = False


def _numbers(text: str) -> frozenset[str]:
    """Numbers of two digits or more: single digits are everywhere."""
    return frozenset(n for n in _NUMBER.findall(_THOUSANDS.sub("", text)) if len(n) > 1)
