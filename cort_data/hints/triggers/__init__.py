"""Named detectors over the trace so far: where a hint may go."""

from __future__ import annotations

from cort_data.hints.triggers.algebra import SymbolicAlgebra
from cort_data.hints.triggers.approximation import Approximation
from cort_data.hints.triggers.arithmetic import ManualArithmetic
from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.triggers.candidates import BruteForceSearch
from cort_data.hints.triggers.cases import CaseEnumeration
from cort_data.hints.triggers.closing import BoxMissing, BudgetLow
from cort_data.hints.triggers.distrust import ResultDistrust
from cort_data.hints.triggers.errors import RepeatedError
from cort_data.hints.triggers.loop import Loop
from cort_data.hints.triggers.outputs import UnusedOutput
from cort_data.hints.triggers.pattern import Regex
from cort_data.hints.triggers.places import CodeError, NoCodeYet, RandomPlace, ThinkOpen

TRIGGERS: dict[str, type[Trigger]] = {
    trigger.name: trigger
    for trigger in (
        ThinkOpen,
        NoCodeYet,
        ManualArithmetic,
        SymbolicAlgebra,
        BruteForceSearch,
        CaseEnumeration,
        Approximation,
        ResultDistrust,
        UnusedOutput,
        CodeError,
        RepeatedError,
        Loop,
        BudgetLow,
        BoxMissing,
        Regex,
        RandomPlace,
    )
}
"""The shipped ones that read the text alone. `registry` also knows `judge` and those of other distributions."""

__all__ = ["TRIGGERS", "Detector", "RandomPlace", "Regex", "Span", "Trigger"]
