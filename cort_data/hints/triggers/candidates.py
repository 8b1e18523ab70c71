"""A search by hand: all or many candidates are to be tried, one after the other."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints import lexicon
from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.triggers.chain import Chain
from cort_data.hints.view import Clause, View

_VERB = (
    r"(?:try|test|check|go(?:ing)? (?:through|over)|run(?:ning)? through|work(?:ing)? through|step(?:ping)? through|"
    r"iterat\w+|loop(?:ing)? (?:over|through)|enumerat\w+|search|examin\w+|scan|plug(?:ging)? in|list(?: out)?)"
    r"(?:ing)?\b(?! (?:to|that|whether|if)\b)"
)
_MAY_PLAN = lexicon.stems(
    {"try", "test", "check", "through", "over", "numerat", "search", "list", "plug", "terat", "xamin", "scan", "brute"}
    | {"trial"}
)
"""Can a clause hold a plan at all? Most have no such verb and are let go here."""
_MEMBERS = (
    r"(?:\b(?:all|each|every)\b|\bone (?:by one|at a time|after (?:another|the other))\b|\bcandidates?\b|"
    r"\bpossib(?:le|ilities)\b|\b(?:several|many|various|different|small|other|(?:the )?(?:next|first|remaining)) "
    r"(?:\w+ ){0,2}?(?:values|numbers|primes|integers|options|choices|divisors|pairs|triples|combinations)\b|"
    r"\bvalues (?:of|from|for)\b|\bfrom [$\\(]*-?\d+[$\\)]* (?:to|up|through|onwards?)\b|\b(?:up|down) to [$\\(]*\d)"
)
_MANY = re.compile(
    r"all\b|each|every|one (?:by|at a|after)|candidate|possib|values|numbers|primes|integers|options|choices|divisors|"
    r"pairs|triples|combinations|from [$\\(]*-?\d|(?:up|down) to|brute|trial"
)
_PLAN = re.compile(
    r"(?:(?:\blet(?:'s|’s| me| us)\b|\b(?:i|we)(?:['’]ll| will| can| could| should| must| have to| need to| want to|"
    r"['’]d have to)?\b)[^=]{0,25}?|\b(?:to|by|start|begin)\s+(?:\w+\s+)?|"
    r"^\W*(?:(?:so|now|then|next|okay|ok|maybe|perhaps|just)\b[\s,]*)*)"
    rf"(?<![\w-]){_VERB}[^=]{{0,50}}?{_MEMBERS}"
    r"|^\W*(?:(?:so|now|then|okay)\b[\s,]*)*(?:brute[- ]force|trial and error)(?: it(?: is)?)?\W*$",
    re.IGNORECASE,
)
_NOT_MEMBERS = re.compile(
    r"\b(?:all|each|every)\s+(?:of\s+)?(?:(?:the|these|those|our|this|my)\s+)?(?:\w+\s+)?(?:conditions?|constraints?|"
    r"steps?|requirements?|equations?|terms?|work|calculations?|digits?|assumptions?|sides?|arithmetic|facts?|this|that)\b|\bconstraints\b",
    re.IGNORECASE,
)
_NOT_PLANNED = re.compile(
    r"\b(?:without|instead of|rather than|avoid|no need|not|never|unnecessary|too many|impractical|infeasible|"
    r"would take|know|(?:i|we)(?:['’]ve| have)? (?:\w+ )?(?:found|had|saw|listed|got)|exist\w*|holds?|covers?)\b|"
    r"\bas possible\b|\bpossible (?:to|that)\b|n['’]t\b|\?\s*$",
    re.IGNORECASE,
)
_MACHINE = re.compile(r"\b(?:python|code|scripts?|programs?|interpreter|computer|sympy|brute_force)\b", re.IGNORECASE)
_TRIAL = re.compile(
    r"^\W*(?:(?:try|if|for|when|with|take|check|test|then|next|and|now|say|suppose)\s+)*[$\\(]*[a-zA-Z](?:_\w)?\s*=\s*-?\d",
    re.IGNORECASE,
)
_REJECTED = re.compile(
    r"\b(?:no|nope|not|fails?|failed|doesn['’]t|isn['’]t|too (?:big|small|large|high|low|much|few)|wrong|invalid)\b|✗",
    re.IGNORECASE,
)

PLANNED = 1.0
REJECTED = 0.4
NEAR = 60
"""Characters from a trial to the words that reject it."""


class BruteForceSearch(Trigger):
    """The text plans to try all or many candidates, or tries one after the other in vain.

    A plan weighs 1, each value that is tried and rejected 0.4. The span starts at the first sign's sentence.
    """

    name: ClassVar[str] = "brute_force_search"

    score: Annotated[float, Field(gt=0, description="Weight of plans and failed trials that makes a detection")] = 1.0
    gap: Annotated[int, Field(ge=0, description="Characters without a sign after which all are forgotten")] = 240

    def detector(self) -> Detector:
        """Waits for a plan's sentence to end: it may go on with "… in Python"."""
        return _Candidates(self.score, self.gap)


class _Candidates:
    reads = True

    def __init__(self, threshold: float, gap: int) -> None:
        self.threshold = threshold
        self.chain = Chain(gap)
        self.planned: Clause | None = None
        self.tried = -NEAR - 1

    def restart(self, view: View) -> Span | None:  # noqa: ARG002
        self.chain.forget()
        self.planned, self.tried = None, -NEAR - 1
        return None

    def read(self, view: View, clause: Clause) -> Span | None:
        if self.planned is not None:
            return self._after_plan(clause)
        text, stems = clause.text, clause.stems
        if stems & lexicon.EQUAL:
            return self._trial(clause)
        if clause.start - self.tried <= NEAR and _REJECTED.search(text):
            self.tried = -NEAR - 1
            return self._sign(clause, REJECTED)
        if stems & _MAY_PLAN and self._is_plan(view, clause):
            if clause.ends_sentence or text.rstrip()[-1:] == ":":
                return self._sign(clause, PLANNED)
            self.planned = clause
        return None

    def _after_plan(self, clause: Clause) -> Span | None:
        """The rest of the plan's sentence may hand it to a machine."""
        assert self.planned is not None
        if _MACHINE.search(clause.text):
            self.planned = None
        elif clause.ends_sentence or clause.start > self.planned.end:
            plan, self.planned = self.planned, None
            return self._sign(plan._replace(end=clause.end), PLANNED)
        return None

    def _trial(self, clause: Clause) -> Span | None:
        if not _TRIAL.match(clause.text):
            return None
        if _REJECTED.search(clause.text):
            return self._sign(clause, REJECTED)
        self.tried = clause.end
        return None

    def _sign(self, clause: Clause, weight: float) -> Span:
        self.chain.add(clause, weight)
        reason = "candidates are to be tried" if weight == PLANNED else "candidates are tried in vain"
        return Span(self.chain.start, clause.end, self.chain.score, self.threshold, reason)

    @staticmethod
    def _is_plan(view: View, clause: Clause) -> bool:
        text = clause.text
        if (
            _MANY.search(text.lower()) is None
            or _PLAN.search(text) is None
            or _NOT_PLANNED.search(text)
            or _NOT_MEMBERS.search(text)
        ):
            return False
        for earlier in reversed(view.clauses):
            if earlier.sentence < clause.sentence:
                break
            if earlier.start <= clause.start and _MACHINE.search(earlier.text):
                return False
        return True
