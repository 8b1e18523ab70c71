"""What if a filter's parameter were another: kept counts and each filter's unique drops, in one pass over the traces.

What the other filters say of a trace alone is found once; the filters that compare with kept traces run once a value,
since what is kept before depends on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from rich.table import Table

from cort_data.errors import RecipeError
from cort_data.filters import (
    FILTERS,
    Filter,
    OrderedFilter,
    Resources,
    decide_alone,
    decide_in_order,
    parse_filters,
)
from cort_data.filters.registry import suggest
from cort_data.stages.filter import decided_ahead
from cort_data.trace import Trace

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """`over_length.tokens=500,1000`."""

    filter: str
    parameter: str
    values: tuple[Any, ...]


@dataclass
class Variant:
    """The filters with one value, and what they keep."""

    value: Any
    filters: tuple[Filter[Any], ...]
    kept: int = 0
    unique: Counter[str] = field(default_factory=Counter)
    """Filter → traces that it alone dropped."""

    def as_dict(self) -> dict[str, Any]:
        """One line of `--json`."""
        return {
            "value": self.value,
            "kept": self.kept,
            "unique_drops": {f.name: self.unique[f.name] for f in self.filters},
        }


def parse_question(text: str) -> Question:
    """Raises RecipeError."""
    key, equals, values = text.partition("=")
    name, dot, parameter = key.partition(".")
    if not (equals and dot and values):
        raise RecipeError(f"--what-if {text}: expected FILTER.PARAMETER=A,B,…, as in over_length.tokens=500,1000")
    if name not in FILTERS:
        raise RecipeError(f"--what-if {text}: unknown filter {name!r}; {suggest(name, list(FILTERS))}")
    return Question(name, parameter, tuple(yaml.safe_load(value) for value in values.split(",")))


async def what_if(
    traces: Iterable[Trace],
    entries: Sequence[Entry],
    question: Question,
    resources: Resources,
    in_flight: int = 32,
) -> list[Variant]:
    """One variant a value, in the order asked. Raises RecipeError for a value that the filter refuses."""
    variants = _variants(entries, question, resources)
    shared = [f for f in variants[0].filters if f.name != question.filter]
    async for trace, alone in decided_ahead(traces, shared, in_flight):
        for variant in variants:
            own = await decide_alone(trace, [f for f in variant.filters if f.name == question.filter])
            drops = [d for d in await decide_in_order(trace, variant.filters, alone | own) if not d.keep]
            variant.kept += not drops
            if len(drops) == 1:
                variant.unique[drops[0].filter] += 1
    return variants


def what_if_table(question: Question, variants: Sequence[Variant]) -> Table:
    """For people: one column a value."""
    table = Table(title="Traces kept, and those that one filter alone drops", title_justify="left")
    table.add_column(f"{question.filter}.{question.parameter}")
    for variant in variants:
        table.add_column(str(variant.value), justify="right")
    table.add_row("kept", *(f"{variant.kept:,}" for variant in variants), end_section=True)
    for f in variants[0].filters:
        table.add_row(f.name, *(f"{variant.unique[f.name]:,}" for variant in variants))
    return table


def _variants(entries: Sequence[Entry], question: Question, resources: Resources) -> list[Variant]:
    """One filter list a value. Filters that look at one trace alone and do not change are the same objects."""
    shared: dict[str, Filter[Any]] = {}
    variants = []
    for value in question.values:
        filters = []
        for spec in parse_filters(_with(entries, question, value)):
            f = shared.get(spec.cls.name) or spec.build(resources)
            if not isinstance(f, OrderedFilter) and f.name != question.filter:
                shared[f.name] = f
            filters.append(f)
        variants.append(Variant(value, tuple(filters)))
    return variants


def _with(entries: Sequence[Entry], question: Question, value: Any) -> list[Entry]:  # noqa: ANN401 - a YAML value
    """The filter list with this value; a filter that is not in it comes last."""
    asked = {question.parameter: value}
    changed = [{**e, **asked} if e["name"] == question.filter else e for e in entries]
    known = any(e["name"] == question.filter for e in entries)
    return changed if known else [*changed, {"name": question.filter, **asked}]
