"""Cases that are listed one after the other: "Case 1 … Case 2 …", "n = 1: …, n = 2: …"."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.triggers.chain import Chain
from cort_data.hints.view import Clause, View

_LABELLED = re.compile(
    r"\W*(?:sub-?)?(?:case|scenario|possibility|option)\s+\(?(\d{1,2}|[ivx]{1,4}|[a-h])\b\)?"
    r"(?:\*|\s)*(?:[:.)(\-–—]|,?\s*(?:when|where|if|is|with)\b|$)",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"[\s\-*•(]*((?:(?:if|for|when|with|take|try|and|then|next|now|say|suppose|case)\s+)*)[$\\(]*"
    r"([a-zA-Z](?:_\{?\w\}?)?)\s*=\s*(-?\d{1,4})(?![\d.]*\d|\w)[$\\)]*\s*"
    r"(?:([:→⇒|]|=>|\\to|\\Rightarrow)|[,;.(]|-\s|(?:gives?|gave|yields?|we|then|is|there|it|this|that|has|works?)\b)",
    re.IGNORECASE,
)
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "x": 10}

LABELLED = 1.5
VALUE = 1.0


class CaseEnumeration(Trigger):
    """Cases are listed. A numbered one weighs 1.5, a value of a running variable 1, if it follows the one before.

    The span starts at the first case's sentence.
    """

    name: ClassVar[str] = "case_enumeration"
    needs: ClassVar[frozenset[str]] = frozenset({"=", "case", "scenario", "possibility", "option"})

    cases: Annotated[float, Field(gt=0, description="Weight of the cases in a row that makes a detection")] = 3.0
    gap: Annotated[int, Field(ge=0, description="Characters between two values that end a list of them")] = 300

    def detector(self) -> Detector:
        """Numbered cases may be far apart, values of a variable must be near."""
        return _Cases(self.cases, self.gap)


class _Cases:
    reads = True

    def __init__(self, threshold: float, gap: int) -> None:
        self.threshold = threshold
        self.labels = Chain(1_000_000)
        self.values = Chain(gap)
        self.label = 0
        self.variable = ""
        self.value = 0

    def restart(self, view: View) -> Span | None:  # noqa: ARG002
        self.labels.forget()
        self.values.forget()
        return None

    def read(self, view: View, clause: Clause) -> Span | None:  # noqa: ARG002
        text = clause.text
        if "=" in text:
            value = _VALUE.match(text)
            return self._listed(clause, value) if value and _leads(clause, value) else None
        if "ase " in text or "cenario " in text or "bility " in text or "ption " in text:
            label = _LABELLED.match(text)
            return self._labelled(clause, label[1].lower()) if label else None
        return None

    def _labelled(self, clause: Clause, name: str) -> Span | None:
        number = int(name) if name.isdigit() else _ROMAN.get(name) or ord(name) - ord("a") + 1
        if number != self.label + 1 or not self.labels.score:
            self.labels.forget()
        self.label = number
        return self._add(self.labels, clause, LABELLED, f"case {name}")

    def _listed(self, clause: Clause, match: re.Match[str]) -> Span | None:
        variable, value = match[2], int(match[3])
        if value == self.value and variable == self.variable:
            return None
        if variable != self.variable or abs(value - self.value) != 1:
            self.values.forget()
        self.variable, self.value = variable, value
        return self._add(self.values, clause, VALUE, f"{variable} = {value}")

    def _add(self, chain: Chain, clause: Clause, weight: float, case: str) -> Span:
        chain.add(clause, weight)
        return Span(chain.start, clause.end, chain.score, self.threshold, f"cases are listed, up to {case}")


def _leads(clause: Clause, match: re.Match[str]) -> bool:
    """Does the value open its case? In "if x = 1, y = 2." the second one does not."""
    return bool(match[1] or match[4]) or clause.sentence >= clause.start
