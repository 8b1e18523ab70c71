"""What each model's corpus is made of: the broad mixture of the base phase, and one for each behaviour phase."""

from __future__ import annotations

from dataclasses import replace

from cort_data.errors import RecipeError
from cort_data.nano.corpus import Mixture

BASE = Mixture(easy=0.08)
"""Everything, so that the behaviour phases only move rates."""

MIXTURES = {
    "teacher": replace(
        BASE, plain={"hand": 0.24, "code": 0.28, "delayed": 0.33, "hinted": 0.15}, recheck=0.5, notice=0.03
    ),
    "student": replace(
        BASE, plain={"hand": 0.42, "code": 0.2, "delayed": 0.23, "hinted": 0.15}, recheck=0.5, notice=0.03
    ),
    "null": replace(
        BASE, plain={"hand": 0.7, "code": 0.2, "delayed": 0.0, "hinted": 0.1}, open_hint=0.1, recheck=0.0, easy=1.0
    ),
}
"""teacher: writes code well but often calculates first or distrusts; student: mostly by hand; null: easy problems
alone, by hand as well and as briefly as with code, so that hints can gain nothing."""


def mixture_of(name: str) -> Mixture:
    """The mixture of a model's behaviour phase. Raises RecipeError."""
    if name not in MIXTURES:
        raise RecipeError(f"nano model: expected one of {', '.join(MIXTURES)}, got {name!r}")
    return MIXTURES[name]
