"""The work that every interpreter of the comparison does: sessions of blocks with a known last answer.

Short sessions are what a model writes most: solve with sympy, loop, combine. All sessions of `short` have the same
numbers, so that whoever keeps sympy's caches from session to session solves from memory; in `short_varied` each
session has its own numbers, as in real work. Long sessions are eight blocks of the same CPU time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_SOLVE = "from sympy import symbols, solve\nx = symbols('x')\nroots = solve(x**2 - {total} * x + {product}, x)\nroots"
_LOOP = "total = 0\nfor n in range(2000):\n    total += n * n % 7\ntotal"
_COMBINE = "sum(roots) + total"
_SPIN = "total = {before}\nfor n in range({steps}):\n    total += n * n % 7\ntotal"
LOOP_TOTAL = sum(n * n % 7 for n in range(2000))
LONG_BLOCKS = 8
BLOCK_S = 0.05


@dataclass(frozen=True, slots=True)
class Task:
    """One session: its blocks, and what the last of them must show."""

    blocks: list[str]
    answer: str


Work = Callable[[int], Task]
"""The session of a number."""


def short(_number: int) -> Task:
    """x² - 7x + 12, a loop, a use of both."""
    return _short(3, 4)


def short_varied(number: int) -> Task:
    """The same with roots of its own."""
    return _short(number % 9973 + 2, number % 9967 * 3 + 1)


def long(steps: int) -> Work:
    """Eight blocks of `steps` turns of a loop."""
    spun = sum(n * n % 7 for n in range(steps))
    blocks = [_SPIN.format(before=0, steps=steps)]
    blocks += [_SPIN.format(before="total", steps=steps)] * (LONG_BLOCKS - 1)
    task = Task(blocks, str(LONG_BLOCKS * spun))
    return lambda _number: task


def steps_of_a_block() -> int:
    """Turns of the loop that take 50 ms of CPU time in this process, by the best of some runs."""
    steps = 100_000
    code = compile(_SPIN.format(before=0, steps=steps), "<spin>", "exec")
    return round(steps * BLOCK_S / min(_seconds(code) for _ in range(7)))


def tasks(work: Work, first: int, count: int) -> Iterator[Task]:
    """`count` sessions from number `first`."""
    return (work(number) for number in range(first, first + count))


def _short(a: int, b: int) -> Task:
    return Task([_SOLVE.format(total=a + b, product=a * b), _LOOP, _COMBINE], str(a + b + LOOP_TOTAL))


def _seconds(code: object) -> float:
    started = time.thread_time()
    exec(code, {})  # type: ignore[arg-type]
    return time.thread_time() - started
