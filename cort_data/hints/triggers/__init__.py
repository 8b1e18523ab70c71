"""Named detectors over the trace so far: where a hint may go."""

from __future__ import annotations

from cort_data.hints.triggers.arithmetic import ManualArithmetic
from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.triggers.distrust import ResultDistrust
from cort_data.hints.triggers.loop import Loop
from cort_data.hints.triggers.pattern import Regex
from cort_data.hints.triggers.places import CodeError, NoCodeYet, RandomPlace, ThinkOpen

TRIGGERS: dict[str, type[Trigger]] = {
    trigger.name: trigger
    for trigger in (ThinkOpen, NoCodeYet, ManualArithmetic, ResultDistrust, CodeError, Loop, Regex, RandomPlace)
}

__all__ = ["TRIGGERS", "Detector", "RandomPlace", "Regex", "Span", "Trigger"]
