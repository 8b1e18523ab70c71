"""Control policies: what remains of a hint's effect when its place, or what it says, is taken away.

Each changes the two hints that `hint_engineering` places by measurement; the opening hint and the one after an error
stay as they are, so that a difference to `hint_engineering` is one of the placed hints alone.

- `random`: the same words, at random places. The rates give about as many hints a trace as
  detection does in the nano world.
- `conjunction`: the delayed-computation hint wherever a sentence starts with "Wait" or "Alternatively", as START
  (arXiv 2503.04625) inserts its hints.
- `sham`: a sentence that says nothing, where the hint was detected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cort_data.hints.template import Hint, Place, reword
from cort_data.hints.triggers import RandomPlace, Regex

CHARS_BEFORE_CODE = 1100.0
CHARS_AFTER_OUTPUT = 140.0
CONJUNCTION = r"^(?:Wait|Alternatively)\b"
SHAM = (
    "So much for this part of the problem.",
    "Let me go on with what comes next.",
    "This is where things stand at this point.",
    "I continue from here, one step after the other.",
)


def random_place(hint: Hint) -> Hint:
    """The hint at random places of the kind of text where its detector looks."""
    if hint.name == "delayed_computation":
        trigger = RandomPlace(chars=CHARS_BEFORE_CODE)
    elif hint.name == "result_distrust":
        trigger = RandomPlace(chars=CHARS_AFTER_OUTPUT, after_output=True)
    else:
        return hint
    return replace(hint, trigger=trigger, place=Place.HERE)


def conjunction(hint: Hint) -> Hint:
    """The hint after "Wait" and "Alternatively"."""
    if hint.name != "delayed_computation":
        return hint
    return replace(hint, trigger=Regex(pattern=CONJUNCTION), place=Place.HERE)


def sham(hint: Hint) -> Hint:
    """A neutral sentence where the hint was detected."""
    if hint.name not in ("delayed_computation", "result_distrust"):
        return hint
    return replace(reword(hint, SHAM, f"{Path(__file__).name}:SHAM"), name=f"sham_{hint.name}")


CONTROLS: dict[str, Callable[[Hint], Hint]] = {"random": random_place, "conjunction": conjunction, "sham": sham}
