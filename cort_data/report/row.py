"""What a report knows of one row, a model under a policy: a few numbers a trace, and what its hints did."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from cort_data.behaviour import Observation
from cort_data.behaviour.rates import BehaviourTable
from cort_data.candidates import CandidateTable
from cort_data.grading import Verdict
from cort_data.statistics import Array, Ratios
from cort_data.trace import Origin, Trace


@dataclass(frozen=True, slots=True)
class Sample:
    """One trace of a row."""

    problem: str
    source: str
    """Problem set."""
    right: bool | None
    """None where it could not be judged."""
    kept: int
    """Model tokens in the trace."""
    generated: int
    """Model tokens that were paid for."""
    interpreter: int
    hint: int
    calls: int


@dataclass
class Hints:
    """What the hints of a row did, by name."""

    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Hint → fired, below, blocked, declined → times."""
    kept: Counter[str] = field(default_factory=Counter)
    """Hint → times that it stands in a trace."""
    rewound: int = 0
    """Model tokens that were taken back so that a hint could stand earlier."""
    candidates: CandidateTable = field(default_factory=CandidateTable)

    def add(self, trace: Trace) -> None:
        """Count a trace's hints."""
        self.candidates.add(trace)
        for event in trace.events:
            if event.kind == "hint":
                self.outcomes[event.name or "?"][event.outcome or "?"] += event.count
            elif event.kind == "rewind":
                self.rewound += event.tokens
        marks = {(s.hint.name, s.hint.span_start, s.hint.wording) for s in trace.segments if s.hint is not None}
        self.kept.update(name for name, _, _ in marks)

    def rows(self) -> list[dict[str, Any]]:
        """One a hint, by name: how often it fired, and what branch search found where there was one."""
        searched = {row["hint"]: row for row in self.candidates.rows()}
        return [
            {"hint": name, "outcomes": self.outcomes[name], "kept": self.kept[name], "search": searched.get(name)}
            for name in sorted({*self.outcomes, *self.kept, *searched})
        ]


@dataclass
class Row:
    """The traces of one model and policy, or of synthesis."""

    name: str
    model: str
    policy: str
    samples: list[Sample] = field(default_factory=list)
    behaviour: BehaviourTable = field(default_factory=BehaviourTable)
    hints: Hints = field(default_factory=Hints)
    stops: Counter[str] = field(default_factory=Counter)
    error: str | None = None
    """Why not all traces of the row could be read."""

    def add(self, trace: Trace, verdict: Verdict, seen: Observation) -> None:
        """Count a trace."""
        right = None if verdict is Verdict.UNSCORED else verdict is Verdict.EQUAL
        problem = trace.problem
        self.samples.append(
            Sample(
                problem=problem.id,
                source=problem.source or "(unnamed)",
                right=right,
                kept=trace.kept_tokens,
                generated=trace.generated_tokens,
                interpreter=trace.tokens_by(Origin.INTERPRETER),
                hint=trace.tokens_by(Origin.HINT),
                calls=trace.calls,
            )
        )
        self.behaviour.add(problem.id, problem.topic, seen, right)
        self.hints.add(trace)
        self.stops[trace.stop_reason] += 1

    @property
    def sources(self) -> list[str]:
        """The problem sets, in the order in which they come."""
        return list(dict.fromkeys(sample.source for sample in self.samples))

    @property
    def counted(self) -> bool:
        """Do the traces know their tokens? Imported ones do not."""
        return any(sample.generated for sample in self.samples)

    @cached_property
    def text_only(self) -> bool:
        """Did no trace run code?"""
        return not any(sample.calls for sample in self.samples)

    def of(self, source: str | None) -> list[Sample]:
        """The samples of one problem set; of all for None."""
        return [s for s in self.samples if source is None or s.source == source]


def ratios(samples: list[Sample], problems: list[str]) -> Ratios:
    """Accuracy, tokens kept and generated, calls as means over problems, and tokens per correct answer.

    `problems` fixes the order, so that two rows on the same problems are paired. A problem without a scored sample
    counts in no accuracy.
    """
    at = {problem: i for i, problem in enumerate(problems)}
    sums: Array = np.zeros((6, len(problems)))  # traces, scored, right, kept, generated, calls
    for s in samples:
        sums[:, at[s.problem]] += (1, s.right is not None, bool(s.right), s.kept, s.generated, s.calls)
    traces, scored, right, kept, generated, calls = sums
    present, judged = np.minimum(traces, 1), np.minimum(scored, 1)
    each = [x / np.maximum(traces, 1) for x in (kept, generated, calls)]
    return Ratios(
        numerator=np.stack([right / np.maximum(scored, 1), *each, generated]),
        denominator=np.stack([judged, *[present] * 3, right]),
    )


MEASURES = ("accuracy", "tokens kept", "tokens generated", "calls", "tokens per correct answer")
"""Of `ratios`, in order."""
