"""What `cort hints score` shows: a trigger's figures in a few lines or as rows, and where it went wrong."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from cort_data.hints.annotations import Marked
from cort_data.hints.scoring import CHARS_PER_TOKEN, ENOUGH, Mistake, Outcome, Quality, mistakes, quality
from cort_data.hints.triggers.registry import find_trigger
from cort_data.statistics import Interval

WITHOUT_TRIGGER = frozenset({"verification"})
"""Labels that nothing detects: said how many there are, and left out."""


def find_labels(marked: Sequence[Marked]) -> list[str]:
    """The triggers that spans are marked for, sorted. Raises HintError for a label that names none."""
    counts = Counter(gold.label for one in marked for gold in one.gold)
    for label in sorted(WITHOUT_TRIGGER & counts.keys()):
        print(f"{counts[label]} spans are labelled {label}, which no trigger detects: left out", file=sys.stderr)
    names = sorted(counts.keys() - WITHOUT_TRIGGER)
    for name in names:
        find_trigger(name)
    return names


def report(name: str, outcomes: Sequence[Outcome], misses: bool) -> str:
    """The figures in words, and the mistakes if they are asked for."""
    lines = list(_figures(name, quality(outcomes)))
    if misses:
        lines += [_mistake(m) for one in outcomes for m in mistakes(one)]
    return "\n".join(lines)


def rows(name: str, outcomes: Sequence[Outcome], misses: bool) -> Iterator[dict[str, Any]]:
    """One object with the figures, then one for each mistake if they are asked for."""
    figures = quality(outcomes)
    yield {"trigger": name, **asdict(figures), "established": figures.established}
    if misses:
        for one in outcomes:
            yield from map(asdict, mistakes(one))


def _figures(name: str, figures: Quality) -> Iterator[str]:
    yield f"{name}: {figures.gold} marked, {figures.fired} fired, {figures.right} right, in {figures.traces} traces"
    yield f"  precision {_shown(figures.precision)}  recall {_shown(figures.recall)}  F1 {_shown(figures.f1)}"
    if figures.wasted_mean is not None:
        yield (
            f"  tokens from where the work starts to the firing: mean {figures.wasted_mean:.0f}, "
            f"median {figures.wasted_median:.0f} (a token counts as {CHARS_PER_TOKEN} characters)"
        )
    yield f"  false firings per 10,000 tokens: {_shown(figures.false_per_10k)}"
    if not figures.established:
        yield f"  not established: fewer than {ENOUGH} marked spans"


def _shown(interval: Interval | None) -> str:
    return (
        "-" if interval is None else f"{interval.value:.2f} (at least {interval.low:.2f}, at most {interval.high:.2f})"
    )


def _mistake(mistake: Mistake) -> str:
    before, text, after = (" ".join(part.split()) for part in (mistake.before, mistake.text, mistake.after))
    return f"  {mistake.kind:<6} {mistake.trace} line {mistake.line}: …{before} ⟦{text}⟧ {after}…"
