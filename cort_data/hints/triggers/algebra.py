"""Symbolic algebra by hand: expressions with variables are expanded, solved, differentiated step by step."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints import lexicon
from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.triggers.chain import Chain
from cort_data.hints.view import Clause, View

# Searched in lower case without a border in front: so it is known by which letters a match can start.
_WORK = re.compile(
    r"(?:expand|simplif(?!ied version|ying assumption)|substitut(?:e|es|ing)\b|factor(?:ing|ed|ise|ize|s? as)\b|"
    r"rearrang|distribut(?:e|es|ing)\b|collect\w* (?:like )?terms|complet\w* the square|cross[- ]multipl|"
    r"(?:multipl|divid|squar|subtract|add)\w* (?:out|both|the two|these|the (?:first|second|equations?))\b|both sides|"
    r"quadratic formula|differentiat|integrat(?:e|es|ing)\b|derivative|partial fractions|isolat|eliminat|"
    r"plug(?:ging)? (?:in|this|that|it)|(?:can|to|let me|let['’]s|and) factor\b|"
    r"solv(?:e|ing) (?:for|it for|(?:the|this|these) (?:\w+ )?(?:equations?|system|quadratic|cubic)))"
)
_VERBS = frozenset(
    {"expand", "simplif", "substitut", "factor", "rearrang", "distribut", "collect", "complet", "multipl", "divid"}
    | {"squar", "subtract", "add", "sides", "quadratic", "differentiat", "integrat", "derivative", "fraction"}
    | {"isolat", "eliminat", "plug", "solv"}
)
"""Without one of these, no verb of algebra stands there."""
_MAY_WORK = lexicon.stems(_VERBS)
_MACHINE = re.compile(r"(?:python|code|script|program|interpreter|sympy|solver|by machine)")
_HAND = re.compile(r"(?:by hand|manually|on paper|step by step|term by term|longhand)\b")
_VARIABLE = re.compile(
    r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z'’])\)?\s?(?:[-^*+/=²³_)]|\\cdot|\\times)|"
    r"[-+*/^(=]\s?\d*[A-Za-z](?![A-Za-z(])|\d[a-z](?![a-z])"
)
_OPERATION = re.compile(r"\w\s?(?:[-+*/^]|\\cdot|\\times)\s?[\w(\\]|[²³]|\)\s?\(|\d[a-z](?![a-z])|\\frac|\\int|∫")
_TERM = re.compile(r"(?<=[\w)}²³])\s*[-+](?=\s*[\w(\\])")

STEP = 1.0  # an equation after a verb of algebra
NEXT = 0.75  # one more equation
EXPRESSION = 0.5  # an expression that is to be worked on
LONG = 0.5  # more for four terms and more
BY_HAND = 0.5
LONG_TERMS = 4
REACH = 60
"""Characters before an equation in which a verb says what is done with it."""


class SymbolicAlgebra(Trigger):
    """Expressions with variables are worked on by hand. The span starts at the sentence of the first step.

    An equation with a verb of algebra near before it weighs 1, each further one 0.75, a long one 0.5 more, "by hand"
    0.5. Setting up an equation is no step, and numbers alone are arithmetic.
    """

    name: ClassVar[str] = "symbolic_algebra"
    needs: ClassVar[frozenset[str]] = _VERBS | {"=", "^", "²", "³", "\\frac", "\\int", "∫"}

    steps: Annotated[float, Field(gt=0, description="Weight of the steps that make a detection")] = 1.5
    gap: Annotated[int, Field(ge=0, description="Characters without a step that end a chain of steps")] = 160

    def detector(self) -> Detector:
        """Follows the chain of steps that is going on."""
        return _Algebra(self.steps, self.gap)


class _Algebra:
    reads = True

    def __init__(self, threshold: float, gap: int) -> None:
        self.threshold = threshold
        self.chain = Chain(gap)
        self.named = -REACH - 1  # where the last clause with a verb of algebra ends

    def restart(self, view: View) -> Span | None:  # noqa: ARG002
        self.chain.forget()
        self.named = -REACH - 1
        return None

    def read(self, view: View, clause: Clause) -> Span | None:
        text = clause.text
        if clause.stems & _MAY_WORK and _WORK.search(text.lower()):
            self.named = clause.end
        equation = "=" in text
        if not (equation or "^" in text or "²" in text or "³" in text or "\\frac" in text or "∫" in text):
            return None
        named = clause.start - self.named <= REACH
        if not named and not (equation and self.chain.goes_on(clause)):
            return None
        if not _VARIABLE.search(text) or not _OPERATION.search(text):
            return None
        words = _before(view, clause)
        if _MACHINE.search(words):
            return None
        weight = LONG if len(_TERM.findall(text)) >= LONG_TERMS else 0.0
        if named:
            weight += (STEP if equation else EXPRESSION) + (BY_HAND if _HAND.search(words) else 0.0)
        else:
            weight += NEXT
        self.chain.add(clause, weight)
        reason = f"{self.chain.score:g} steps of algebra by hand"
        return Span(self.chain.start, clause.end, self.chain.score, self.threshold, reason)


def _before(view: View, clause: Clause) -> str:
    """The clause and those of its run that end at most REACH characters before it, in lower case."""
    words = clause.text
    for earlier in reversed(view.clauses):
        if earlier.end < clause.start - REACH:
            break
        if earlier.start < clause.start:
            words = earlier.text + words
    return words.lower()
