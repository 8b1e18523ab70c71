"""Triggers by name: the shipped ones, `judge`, and those that other distributions bring by entry point.

A distribution brings one with

    [project.entry-points."cort_data.triggers"]
    long_sentence = "my_triggers:LongSentence"

where `LongSentence` is a `Trigger` whose `name` is `long_sentence`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from cort_data.errors import HintError
from cort_data.hints.triggers import TRIGGERS
from cort_data.hints.triggers.base import Trigger
from cort_data.hints.triggers.judge import Judge
from cort_data.trace import first_problem

GROUP = "cort_data.triggers"
SHIPPED: Mapping[str, type[Trigger]] = {**TRIGGERS, Judge.name: Judge}


def trigger_names() -> list[str]:
    """All names, sorted. Raises HintError where two triggers claim one."""
    return sorted([*SHIPPED, *_brought()])


def find_trigger(name: str) -> type[Trigger]:
    """The trigger of this name. Raises HintError if there is none, or if it cannot be loaded."""
    brought = _brought()
    if name in SHIPPED:
        return SHIPPED[name]
    if name in brought:
        return _load(brought[name])
    close = get_close_matches(str(name), trigger_names(), 1)
    near = f"did you mean {close[0]}? " if close else ""
    raise HintError(f"unknown trigger {name!r}; {near}there are {', '.join(trigger_names())}")


def make_trigger(given: Mapping[str, Any]) -> Trigger:
    """A trigger from its name and parameters. Raises HintError."""
    parameters = {key: value for key, value in given.items() if key != "name"}
    name = given.get("name")
    if name is None:
        raise HintError("a trigger has no name; write {name: manual_arithmetic}")
    try:
        return find_trigger(name).model_validate(parameters)
    except ValidationError as error:
        raise HintError(f"trigger {name}: {first_problem(error)}") from None


def origin(name: str) -> str:
    """Who brings a trigger: `cort`, or a distribution."""
    return "cort" if name in SHIPPED else _distribution(_brought()[name])


def _brought() -> Mapping[str, EntryPoint]:
    """The entry points by name, not loaded. Raises HintError for a name that is taken."""
    return _scan(tuple(sys.path))


@cache  # by path: installed distributions do not change under a running command
def _scan(path: tuple[str, ...]) -> Mapping[str, EntryPoint]:  # noqa: ARG001
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        taken = "cort" if entry.name in SHIPPED else _distribution(found[entry.name]) if entry.name in found else None
        if taken is not None:
            raise HintError(
                f"trigger {entry.name!r} of {_distribution(entry)} (entry point {entry.value}): {taken} has one of "
                "this name already; rename it, or remove that distribution"
            )
        found[entry.name] = entry
    return found


def _load(entry: EntryPoint) -> type[Trigger]:
    who = f"trigger {entry.name!r} of {_distribution(entry)} (entry point {entry.value})"
    try:
        loaded = entry.load()
    except Exception as error:  # noqa: BLE001 - any module may fail in any way when it is imported
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise HintError(f"{who} cannot be loaded: {said}; repair or remove that distribution") from None
    if not (isinstance(loaded, type) and issubclass(loaded, Trigger)):
        raise HintError(f"{who} is no trigger; expected a subclass of cort_data.hints.triggers.Trigger, got {loaded!r}")
    name = getattr(loaded, "name", None)
    if name != entry.name:
        raise HintError(f"{who}: its class says name = {name!r}; the class and the entry point need one name")
    return loaded


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown distribution"
