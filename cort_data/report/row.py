"""What a report knows of a model under a policy: the scores of its traces, what they do, and what hints did."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from cort_data.behaviour import Observation
from cort_data.behaviour.rates import BehaviourTable, Group
from cort_data.candidates import CandidateTable
from cort_data.evaluation.scores import Score
from cort_data.evaluation.settings import TEST
from cort_data.trace import Trace
from cort_data.training.lineage import MODEL

SYNTH = "synth"
"""The problem set of what synthesis and rejection fine-tuning write: problems.synth."""


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
    """The traces of one model and policy on all problem sets, or of synthesis."""

    name: str
    model: str
    policy: str
    scores: list[Score] = field(default_factory=list)
    sources: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Problem set → where its problems say that they come from."""
    behaviour: BehaviourTable = field(default_factory=BehaviourTable)
    by_set: dict[str, Group] = field(default_factory=lambda: defaultdict(Group))
    """Behaviour on each problem set."""
    hints: Hints = field(default_factory=Hints)

    def add(self, trace: Trace, score: Score, seen: Observation) -> None:
        """Count a trace."""
        self.scores.append(score)
        self.sources[score.set].add(trace.problem.source)
        self.behaviour.add(score.problem, trace.problem.topic, seen, score.right)
        self.by_set[score.set].add(score.problem, seen, score.right)
        self.hints.add(trace)

    @property
    def sets(self) -> list[str]:
        """The problem sets, in the order in which they come."""
        return list(dict.fromkeys(score.set for score in self.scores))

    @property
    def counted(self) -> bool:
        """Do the traces know their tokens? Imported ones do not."""
        return any(score.generated for score in self.scores)

    def of(self, part: str) -> list[Score]:
        """The scores on one problem set."""
        return [score for score in self.scores if score.set == part]


def title_of(part: str, rows: list[Row]) -> str:
    """A problem set's name; problems.test goes by the source of its problems if that is one."""
    sources = set().union(*(row.sources.get(part, ()) for row in rows))
    return sources.pop() if part == TEST and len(sources) == 1 and all(sources) else part


def short_names(models: list[str]) -> dict[str, str]:
    """Models → as much of the end of their paths as tells them apart, and more than the folder's name `model`."""
    paths = {model: model.strip("/").split("/") for model in models}

    def short(model: str) -> str:
        tails = (paths[model][-n:] for n in range(1, len(paths[model]) + 1))
        others = [path for name, path in paths.items() if name != model]
        told = (tail for tail in tails if tail != [MODEL] and not any(path[-len(tail) :] == tail for path in others))
        return "/".join(next(told, paths[model]))

    return {model: short(model) for model in models}
