"""An evaluation that was asked for on the command line, as a recipe: the same stage runs both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cort_data.errors import RecipeError
from cort_data.evaluation.protocols import of_set, protocol_settings
from cort_data.evaluation.settings import EvalSet
from cort_data.profiles import profile_names
from cort_data.recipe import Recipe, load_recipe, parse_recipe

MODES = {"text": "text", "code": "none", "hinted": "hint_engineering"}
"""Mode → policy."""

_BARE = "name: eval\nproblems: {}\nengine: {model: MODEL}\nstages: [eval]\n"


@dataclass(frozen=True)
class Request:
    """What was asked for; None and empty: as the recipe says, or by default."""

    recipe: str | None = None
    models: Sequence[str] = ()
    url: str | None = None
    profile: str | None = None
    sets: Sequence[str] = ()
    modes: Sequence[str] = ()
    protocol: str | None = None
    samples: int | None = None
    ks: Sequence[int] = ()
    limit: int | None = None
    cutoff: str | None = None
    settings: Sequence[str] = ()
    """`KEY=VALUE`, on top of everything."""

    def resolve(self) -> Recipe:
        """The recipe. Raises RecipeError."""
        settings = [*(f"{key}={json.dumps(value)}" for key, value in self._settings()), *self.settings]
        if self.recipe is not None:
            return load_recipe(self.recipe, settings)
        for given, option, example in (
            (self.models, "--model", "nano-teacher"),
            (self.sets, "--problems", "math500"),
        ):
            if not given:
                raise RecipeError(f"cort eval: without --recipe, {option} is required, as in {option} {example}")
        return parse_recipe(_BARE, "cort eval", settings)

    def _settings(self) -> Iterator[tuple[str, Any]]:
        if self.protocol is not None:
            yield from protocol_settings(self.protocol)
        yield from self._engine()
        if self.sets:
            yield "eval.sets", [self._set(name) for name in self.sets]
        if self.samples is not None:
            yield "eval.samples", self.samples
        if self.modes:
            yield "eval.policies", [_policy(mode) for mode in self.modes]
        elif self.recipe is None:
            yield "eval.policies", [MODES["code"]]
        if self.ks:
            yield "eval.k", list(self.ks)
        if self.cutoff is not None:
            if not self.models:
                raise RecipeError("--cutoff is that of a model: name it with --model, or use --set eval.cutoffs")
            yield "eval.cutoffs", dict.fromkeys(self.models, self.cutoff)

    def _engine(self) -> Iterator[tuple[str, Any]]:
        if self.models:
            yield "engine.model", self.models[0]
            yield "eval.models", list(self.models)
        if self.url is not None:
            yield "engine.kind", "openai"
            yield "engine.url", self.url
        if self.profile is not None:
            yield "engine.profile", self.profile
        elif self.recipe is None and self.models:
            if not all(model.startswith("nano-") for model in self.models):
                raise RecipeError(
                    f"--profile is required: how the model's family is prompted; there are {', '.join(profile_names())}"
                )
            yield "engine.profile", "nano"

    def _set(self, name: str) -> dict[str, Any]:
        part = EvalSet.model_validate(name).model_dump(exclude_none=True)
        own = of_set(self.protocol, part["name"]) if self.protocol is not None else {}
        if self.samples is not None:
            own.pop("samples", None)
        return part | own | ({"n": self.limit} if self.limit is not None else {})


def _policy(mode: str) -> str:
    if mode not in MODES:
        raise RecipeError(f"--mode {mode}: there are {', '.join(MODES)}; other policies with --set eval.policies=[…]")
    return MODES[mode]
