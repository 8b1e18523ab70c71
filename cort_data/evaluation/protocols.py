"""How the papers evaluate, as settings of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from cort_data.errors import RecipeError


@cache
def protocols() -> Mapping[str, Any]:
    """The protocols by name."""
    tree: dict[str, Any] = yaml.safe_load((resources.files(__package__) / "protocols.yaml").read_text("utf-8"))
    return tree


def protocol_settings(name: str) -> Iterator[tuple[str, Any]]:
    """(key of the recipe, value), as `sampling.temperature`, 0.6. Raises RecipeError."""
    for section, values in _find(name)["settings"].items():
        for key, value in values.items():
            yield f"{section}.{key}", value


def of_set(name: str, part: str) -> dict[str, Any]:
    """What a protocol has of its own for a problem set."""
    return dict(_find(name)["sets"].get(part, {}))


def _find(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = protocols().get(name)
    if found is None:
        raise RecipeError(f"--protocol {name}: there are {', '.join(protocols())}")
    return found
