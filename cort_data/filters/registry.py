"""Which filters there are, and how a recipe's `filters:` list becomes filter objects."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cort_data.errors import RecipeError
from cort_data.filters.answer import Answer
from cort_data.filters.base import Filter, FilterParams, Resources
from cort_data.filters.behaviours import AllCodeFailed, AnswerBeforeCode, ForgedOutput, OverLength
from cort_data.filters.contamination import Decontamination
from cort_data.filters.duplicates import ExactDuplicate, NearDuplicate
from cort_data.filters.format import Format
from cort_data.filters.replay import Replay
from cort_data.filters.suitable import SuitableProblem
from cort_data.filters.wasted import DelayedComputation, Loop, ResultDistrust

FilterClass = type[Filter[Any]]

FILTERS: Mapping[str, FilterClass] = {
    cls.name: cls
    for cls in (
        Format,
        Answer,
        ForgedOutput,
        AllCodeFailed,
        Replay,
        AnswerBeforeCode,
        DelayedComputation,
        ResultDistrust,
        Loop,
        OverLength,
        SuitableProblem,
        Decontamination,
        ExactDuplicate,
        NearDuplicate,
    )
}


@dataclass(frozen=True)
class FilterSpec:
    """One checked entry of a recipe's filter list."""

    cls: FilterClass
    params: FilterParams

    def build(self, resources: Resources) -> Filter[Any]:
        """Raises RecipeError if it lacks a resource."""
        return self.cls(self.params, resources)


def parse_filters(entries: Iterable[str | Mapping[str, Any]]) -> tuple[FilterSpec, ...]:
    """Check a filter list: names or mappings `{name, …parameters}`. Raises RecipeError that names the key."""
    specs = tuple(_parse(entry, f"filters.{i}") for i, entry in enumerate(entries))
    names = [spec.cls.name for spec in specs]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise RecipeError(f"filters.{i}: {name} stands twice; each filter runs once, remove one")
    return specs


def build_filters(specs: Sequence[FilterSpec], resources: Resources) -> tuple[Filter[Any], ...]:
    """The filters in list order."""
    return tuple(spec.build(resources) for spec in specs)


def default_filters() -> tuple[FilterSpec, ...]:
    """All filters that can do without a parameter, with their defaults."""
    required = [n for n, cls in FILTERS.items() if any(f.is_required() for f in cls.Params.model_fields.values())]
    return parse_filters(name for name in FILTERS if name not in required)


def _parse(entry: str | Mapping[str, Any], key: str) -> FilterSpec:
    if isinstance(entry, str):
        entry = {"name": entry}
    name = entry.get("name")
    if not isinstance(name, str) or name not in FILTERS:
        raise RecipeError(f"{key}: unknown filter {name!r}; {suggest(str(name), list(FILTERS))}")
    given = {k: v for k, v in entry.items() if k != "name"}
    cls = FILTERS[name]
    try:
        return FilterSpec(cls, cls.Params.model_validate(given))
    except ValidationError as error:
        raise RecipeError(_explain(error, f"{key} ({name})", cls)) from None


def _explain(error: ValidationError, key: str, cls: FilterClass) -> str:
    first = error.errors(include_url=False)[0]
    parameter = ".".join(str(part) for part in first["loc"])
    names = list(cls.Params.model_fields)
    if first["type"] == "extra_forbidden":
        there = suggest(parameter, names) if names else "it takes no parameters"
        return f"{key}: unknown parameter {parameter!r}; {there}"
    if first["type"] == "missing":
        return f"{key}: {parameter} is required: {cls.Params.model_fields[parameter].description}"
    return f"{key}: {parameter}: {first['msg']}, got {first['input']!r}"


def suggest(given: str, names: Sequence[str]) -> str:
    """A did-you-mean, and all names."""
    near = difflib.get_close_matches(given, names, n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"there are {', '.join(names)}"
