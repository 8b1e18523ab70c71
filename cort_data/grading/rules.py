"""More than one rule: where two of them disagree, nobody knows, and the verdict is `unscored`.

The first rule (`compare`, with math-verify for the algebra) always judges. The others have a veto: `numeric` ships with
cort, and other distributions bring more by entry point:

    [project.entry-points."cort_data.graders"]
    physics = "my_graders:judge"

where `judge(first, second)` returns a `Grade`, or None where it has no opinion. Verdicts must not depend on the order
of the two answers. Brought rules run in worker processes that are killed when they take too long.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from cort_data.errors import RecipeError
from cort_data.grading.numeric import judge as numeric
from cort_data.grading.verdict import Grade, Verdict, unscored

GROUP = "cort_data.graders"
FIRST = "cort"
"""Name of the first rule in messages."""

Rule = Callable[[str, str], Grade | None]
"""The verdict on two answers; None: no opinion."""

SHIPPED: Mapping[str, Rule] = {"numeric": numeric}
DEFAULT = ("numeric",)
DISAGREE = "the rules disagree"
"""How the reason of a verdict starts that is unscored because of it."""


def rule_names() -> list[str]:
    """The rules beside the first one, sorted."""
    return sorted({*SHIPPED, *_brought()})


def find_rule(name: str) -> Rule:
    """The rule of this name. Raises RecipeError if there is none, or if it cannot be loaded."""
    if name in SHIPPED:
        return SHIPPED[name]
    entry = _brought().get(name)
    if entry is not None:
        return _load(entry)
    close = get_close_matches(name, rule_names(), 1)
    near = f"did you mean {close[0]}? " if close else ""
    raise RecipeError(f"unknown grading rule {name!r}; {near}there are {', '.join(rule_names())}")


def settle(first: Grade, opinions: Iterable[tuple[str, Grade | None]]) -> Grade:
    """The first rule's verdict, unless another rule says the opposite."""
    if first.verdict is Verdict.UNSCORED:
        return first
    for name, opinion in opinions:
        if opinion is not None and opinion.verdict not in (first.verdict, Verdict.UNSCORED):
            said = f"{FIRST} {first.verdict} ({first.reason}), {name} {opinion.verdict} ({opinion.reason})"
            return unscored(f"{DISAGREE}: {said}")
    return first


def _brought() -> Mapping[str, EntryPoint]:
    return _scan(tuple(sys.path))


@cache  # by path: installed distributions do not change under a running command
def _scan(path: tuple[str, ...]) -> Mapping[str, EntryPoint]:  # noqa: ARG001
    return {entry.name: entry for entry in entry_points(group=GROUP) if entry.name not in SHIPPED}


def _load(entry: EntryPoint) -> Rule:
    try:
        loaded: Rule = entry.load()
    except Exception as error:  # noqa: BLE001 - any module may fail in any way when it is imported
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise RecipeError(
            f"grading rule {entry.name!r} (entry point {entry.value}) cannot be loaded: {said}; repair or remove "
            "that distribution"
        ) from None
    if not callable(loaded):
        raise RecipeError(f"grading rule {entry.name!r} (entry point {entry.value}) is no function, got {loaded!r}")
    return loaded
