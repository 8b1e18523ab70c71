"""A generated problem together with everything needed to write traces about it.

A `Task` is the problem, the words that set it up, and its steps; a `Step` is one dependent piece: code that assigns
named variables, and manual work that arrives at the same values. Only the problem is ever shown to a model.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cort_data.nano.handwork import Hand
from cort_data.trace import Problem

Level = Literal["normal", "easy"]
Values = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One block of a solution. `hand` is given the values of the steps before and writes into a `Hand`."""

    what: str
    """What it finds, as a noun phrase: "the gcd"."""
    code: str
    """Statements that assign `names`; may use names of earlier steps and starts with its imports."""
    names: tuple[str, ...]
    values: Values
    hand: Callable[[Hand, list[Values]], Values]


@dataclass(frozen=True, slots=True)
class Task:
    """A problem and how to solve it. `mental` is one sentence that solves it where code would be a detour."""

    problem: Problem
    setup: str
    steps: tuple[Step, ...]
    mental: str | None = None


def build(family: str, topic: str, text: str, setup: str, steps: tuple[Step, ...], mental: str | None = None) -> Task:
    """The task of a family; its answer is the last value of the last step, its id a hash of the text."""
    identity = hashlib.sha256(text.encode()).hexdigest()[:12]
    answer = str(steps[-1].values[-1])
    problem = Problem(id=f"nano-{family}-{identity}", text=text, answer=answer, source="nano", topic=topic)
    return Task(problem, setup, steps, mental)


def pick(rng: random.Random, *options: str) -> str:
    """One of the wordings."""
    return rng.choice(options)


def span(rng: random.Random, level: Level, normal: tuple[int, int], easy: tuple[int, int]) -> int:
    """A number from the level's range, both ends included."""
    return rng.randint(*(normal if level == "normal" else easy))
