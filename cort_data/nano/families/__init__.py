"""The problem families, and the problems of each split.

A problem's split follows from the hash in its id, so the splits are disjoint by construction, whatever seeds are
used: `pretrain` (the models' corpus), `synth` (data sets and training), `dev` (all tuning), `test` (tables only).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Literal, get_args

from cort_data.errors import RecipeError
from cort_data.nano.families import arithmetic, numbers, stories
from cort_data.nano.task import Level, Task
from cort_data.trace import Problem

Split = Literal["pretrain", "synth", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
LEVELS: tuple[Level, ...] = get_args(Level)
BOUNDS: tuple[tuple[Split, int], ...] = (("pretrain", 70), ("synth", 82), ("dev", 91), ("test", 100))
"""Upper bounds, in percent of the hash range."""

FAMILIES: dict[str, Callable[[random.Random, Level], Task]] = {
    make.__name__: make
    for make in (
        arithmetic.product,
        arithmetic.expression,
        arithmetic.squares,
        arithmetic.polynomial,
        arithmetic.last_digit,
        arithmetic.digit_sum,
        arithmetic.recurrence,
        numbers.power_mod,
        numbers.lcm,
        numbers.multiples,
        numbers.divisors,
        numbers.square_residues,
        numbers.committee,
        stories.series,
        stories.crates,
        stories.tickets,
    )
}
TWO_BLOCKS = frozenset({"digit_sum", "recurrence", "lcm", "multiples", "committee"})
"""Families whose second block uses the variables of the first."""
NEEDS_SETUP = frozenset({"crates", "tickets"})
"""Families that must be put into words before code helps."""
BETTER_WITHOUT_CODE = frozenset({"last_digit"})


def split_of(problem_id: str) -> Split:
    """The split that owns a problem; a function of the id alone."""
    place = int(hashlib.sha256(f"split:{problem_id}".encode()).hexdigest()[:8], 16) * 100 >> 32
    return next(split for split, bound in BOUNDS if place < bound)


def check_split(name: str) -> Split:
    """The name as a split. Raises RecipeError."""
    for split in SPLITS:
        if name == split:
            return split
    raise RecipeError(f"nano split: expected one of {', '.join(SPLITS)}, got {name!r}")


def check_level(name: str) -> Level:
    """The name as a level. Raises RecipeError."""
    for level in LEVELS:
        if name == level:
            return level
    raise RecipeError(f"nano level: expected one of {', '.join(LEVELS)}, got {name!r}")


def tasks(split: Split, seed: int, level: Level = "normal", unique: bool = True) -> Iterator[Task]:
    """An endless stream of tasks of one split; each problem once unless `unique` is off."""
    check_split(split)
    check_level(level)
    seen: set[str] = set()
    names = sorted(FAMILIES)
    for i in count():
        rng = random.Random(f"nano/{seed}/{i}")
        task = FAMILIES[rng.choice(names)](rng, level)
        if split_of(task.problem.id) == split and task.problem.id not in seen:
            if unique:
                seen.add(task.problem.id)
            yield task


def problems(split: Split, n: int, seed: int, level: Level = "normal") -> list[Problem]:
    """`n` different problems of a split; the same for the same seed, and a prefix of those for a larger `n`."""
    return [task.problem for task in islice(tasks(split, seed, level), n)]
