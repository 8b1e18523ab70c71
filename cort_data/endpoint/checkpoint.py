"""How a model is served: a recipe made of what was asked for, and of what the checkpoint says of itself.

A checkpoint of `cort sft` knows the profile, the prompt and the interpreter limits of its training, and is served with
these unless something else is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cort_data.engines.settings import EngineKind
from cort_data.errors import RecipeError
from cort_data.profiles import profile_names
from cort_data.recipe import Recipe, load_recipe, parse_recipe
from cort_data.stages.workshop import NANO

_BARE = "name: serve\nproblems: {}\nengine: {model: MODEL}\nrollout: {prompt: plain}\nstages: [filter]\n"
"""No stage is run; this one needs nothing."""
_LIMITS = ("timeout_s", "memory_mb", "output_chars")


@dataclass(frozen=True)
class ServeRequest:
    """What was asked for; None and empty: as the recipe or the checkpoint says, or by default."""

    model: str
    recipe: str | None = None
    url: str | None = None
    profile: str | None = None
    options: Sequence[tuple[str, Any]] = ()
    """(key of the recipe, value)."""
    settings: Sequence[str] = ()
    """`KEY=VALUE`, on top of everything."""

    def resolve(self) -> Recipe:
        """The recipe; a Hub id that is to run in this process is downloaded. Raises CortError."""
        engine = self._recipe([]).engine
        if engine.kind is not EngineKind.TRANSFORMERS:
            return self._checked(self._recipe([]), known=())
        from cort_data.training.model import find_base

        folder = find_base(self.model, "MODEL")
        known = [] if self.recipe else list(_of_checkpoint(self.model, folder))
        name = self.model if self.model.startswith(NANO) else str(folder)
        return self._checked(self._recipe([*known, ("engine.model", name)]), known=[key for key, _ in known])

    def _recipe(self, known: Sequence[tuple[str, Any]]) -> Recipe:
        asked = [("engine.model", self.model), *known, *self._given()]
        settings = [*(f"{key}={json.dumps(value)}" for key, value in asked), *self.settings]
        if self.recipe is not None:
            return load_recipe(self.recipe, settings)
        return parse_recipe(_BARE, "cort serve", settings)

    def _given(self) -> Iterator[tuple[str, Any]]:
        if self.url is not None:
            yield "engine.kind", "openai"
            yield "engine.url", self.url
        if self.profile is not None:
            yield "engine.profile", self.profile
        yield from ((key, value) for key, value in self.options if value is not None)

    def _checked(self, recipe: Recipe, known: Sequence[str]) -> Recipe:
        named = self.profile or self.recipe or any(s.startswith("engine.profile=") for s in self.settings)
        if not named and "engine.profile" not in known:
            raise RecipeError(
                f"--profile is required: how the model's family is prompted; there are {', '.join(profile_names())}"
            )
        return recipe


def _of_checkpoint(model: str, folder: Path) -> Iterator[tuple[str, Any]]:
    """What a checkpoint's lineage says, or is known of a shipped model."""
    from cort_data.training.lineage import read_lineage

    if model.startswith(NANO):
        yield "engine.profile", "nano"
    lineage = read_lineage(folder)
    if lineage is None:
        return
    yield "engine.profile", lineage["settings"]["profile"]
    yield "rollout.prompt", lineage["settings"]["prompt"]
    semantics = lineage["interpreter"]["semantics"]
    if len(semantics) == 1:
        yield from ((f"interpreter.{name}", semantics[0][name]) for name in _LIMITS)
