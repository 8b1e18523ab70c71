"""Hint wordings that a nano model's corpus has, and those it has never seen: which of the two a trace got."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from cort_data.errors import RecipeError
from cort_data.stages.workshop import known_folder
from cort_data.trace import Trace

Wordings = Mapping[str, frozenset[str]]
"""Hint → its wordings in the corpus."""
SEEN, UNSEEN = "seen", "unseen"


def seen_wordings(model: str) -> Wordings | None:
    """The wordings in a nano model's corpus; None for other models, where nobody knows."""
    file = known_folder(model) / "seen_wordings.json"  # also where a server has the model
    if not file.is_file():
        return None
    by_hint = json.loads(file.read_text("utf-8"))
    return {name: frozenset(text.strip() for text in texts) for name, texts in by_hint.items()}


def kind_of(seed: int) -> str:
    """The seed of a trace, not its outcome, decides which wordings it gets."""
    return UNSEEN if seed % 2 else SEEN


def checked(traces: Iterable[Trace], seen: Wordings | None) -> Iterator[Trace]:
    """The same traces. Raises RecipeError if hints are not of the kind that a trace's seed stands for."""
    for trace in traces:
        if seen is not None:
            _check(trace, seen)
        yield trace


def _check(trace: Trace, seen: Wordings) -> None:
    hints: dict[tuple[str, int, int], str] = {}
    for segment in trace.segments:
        if segment.hint is not None:
            mark = (segment.hint.name, segment.hint.span_start, segment.hint.wording)
            hints[mark] = hints.get(mark, "") + segment.text
    kind = kind_of(trace.seed)
    for (name, _, wording), text in hints.items():
        if name in seen and (text.strip() in seen[name]) != (kind == SEEN):
            raise RecipeError(
                f"trace {trace.id}: wording {wording} of hint {name!r} should be {kind} for this model and is not; "
                "the hint's file and the model's seen_wordings.json have come apart"
            )
