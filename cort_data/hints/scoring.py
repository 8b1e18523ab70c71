"""How good triggers are: their firings on a growing prefix, against spans that were marked by reading.

A firing is right when it starts within a gold span of the trigger's name or within one sentence before it. One firing
a span counts, further ones are false. Intervals are 95%, by bootstrap over traces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cort_data.hints.annotations import Gold, Marked
from cort_data.hints.scan import firings
from cort_data.hints.triggers import Span, Trigger
from cort_data.statistics import Interval, Ratios, intervals

CHARS_PER_TOKEN = 4
"""Most completions come without token ids: a token is counted as so many characters."""
ENOUGH = 40
"""Gold spans that it takes to establish a figure."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trigger did in one annotated completion."""

    marked: Marked
    trigger: str
    hits: tuple[tuple[Gold, Span], ...]
    misses: tuple[Gold, ...]
    false: tuple[Span, ...]

    @property
    def tokens(self) -> float:
        """What the model wrote."""
        return self.marked.completion.written / CHARS_PER_TOKEN

    @property
    def wasted(self) -> list[float]:
        """Tokens from the start of each gold span that was found to the end of what its firing had read."""
        return [max(0, span.end - gold.start) / CHARS_PER_TOKEN for gold, span in self.hits]


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of a trigger over traces; None where there is nothing to divide by."""

    traces: int
    gold: int
    fired: int
    right: int
    precision: Interval | None
    recall: Interval | None
    f1: Interval | None
    false_per_10k: Interval | None
    """False firings per 10,000 tokens that the model wrote."""
    wasted_mean: float | None
    """Tokens from the start of a gold span to its firing."""
    wasted_median: float | None

    @property
    def established(self) -> bool:
        """Are there enough gold spans?"""
        return self.gold >= ENOUGH


def outcome(marked: Marked, trigger: Trigger) -> Outcome:
    """Run a trigger over a completion and compare."""
    completion = marked.completion
    fired = firings(completion.segments, trigger, completion.think_close)
    return match(marked, trigger.name, list(fired))


def match(marked: Marked, label: str, fired: Sequence[Span]) -> Outcome:
    """Give each firing, in order, the first gold span of its own that it starts in and that has none yet."""
    free = marked.of(label)
    hits, false = [], []
    for span in fired:
        gold = next((gold for gold in free if gold.meets(span.start)), None)
        if gold is None:
            false.append(span)
        else:
            free.remove(gold)
            hits.append((gold, span))
    return Outcome(marked, label, tuple(hits), tuple(free), tuple(false))


def quality(outcomes: Sequence[Outcome], seed: int = 0) -> Quality:
    """The figures of one trigger over these completions."""
    right, missed, false = (np.array([len(part) for part in parts], dtype=np.float64) for parts in (
        [o.hits for o in outcomes], [o.misses for o in outcomes], [o.false for o in outcomes])
    )  # fmt: skip
    tokens = np.array([o.tokens for o in outcomes])
    numerators = [right, right, 2 * right, 10_000 * false]
    denominators = [right + false, right + missed, 2 * right + false + missed, tokens]
    found = intervals(Ratios(np.array(numerators), np.array(denominators)), seed=seed) if outcomes else [None] * 4
    wasted = [w for o in outcomes for w in o.wasted]
    precision, recall, f1, false_per_10k = found
    return Quality(
        traces=len(outcomes),
        gold=int((right + missed).sum()),
        fired=int((right + false).sum()),
        right=int(right.sum()),
        precision=precision,
        recall=recall,
        f1=f1,
        false_per_10k=false_per_10k,
        wasted_mean=float(np.mean(wasted)) if wasted else None,
        wasted_median=float(np.median(wasted)) if wasted else None,
    )


def agreement(first: Sequence[Marked], second: Sequence[Marked], label: str) -> tuple[Quality, Quality]:
    """Two annotations of the same completions, each taken as firings and scored against the other."""
    return _as_firings(second, first, label), _as_firings(first, second, label)


def _as_firings(fired: Sequence[Marked], gold: Sequence[Marked], label: str) -> Quality:
    by_id = {marked.completion.id: marked for marked in gold}
    pairs = [(by_id[m.completion.id], m) for m in fired if m.completion.id in by_id]
    return quality(
        [match(g, label, [Span(s.start, s.end, 1.0, 1.0, "annotated") for s in m.of(label)]) for g, m in pairs]
    )


@dataclass(frozen=True, slots=True)
class Mistake:
    """A gold span without a firing (`missed`), or a firing without one (`false`), with the text around it."""

    trace: str
    trigger: str
    kind: str
    start: int
    end: int
    line: int
    """Of the completion, from 1."""
    before: str
    text: str
    after: str


def mistakes(outcome: Outcome, around: int = 80, shown: int = 240) -> list[Mistake]:
    """What a trigger got wrong in a completion, in order, with so many characters before and after."""
    text = outcome.marked.completion.text
    wrong = [("missed", gold.start, gold.end) for gold in outcome.misses]
    wrong += [("false", span.start, span.end) for span in outcome.false]
    return [
        Mistake(
            outcome.marked.completion.id, outcome.trigger, kind, start, end, text.count("\n", 0, start) + 1,
            text[max(0, start - around) : start], text[start : min(end, start + shown)], text[end : end + around],
        )
        for kind, start, end in sorted(wrong, key=lambda mistake: mistake[1])
    ]  # fmt: skip
