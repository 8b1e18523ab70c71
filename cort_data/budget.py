"""Limits on what a command may spend on writing traces, and when they let one more begin.

No trace is cut short. One is begun only if it and all that run then will probably end within the limit, by what the
finished ones cost and three standard deviations in reserve; what cheap ones leave is used by further ones. So the limit
is passed by less than one trace's worth, the most that one may cost, however many run at once, and less than that is
left of it.

Tokens are those that the model wrote, rewound and branch tokens included. Tokens and money count over the whole life of
a run directory, hours from the start of the command.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cort_data.errors import RecipeError
from cort_data.prices import HOUR_S, Prices, Tokens, tokens_of
from cort_data.recipe import Recipe
from cort_data.runs import RunDirectory, write_atomically
from cort_data.shards import written_traces
from cort_data.statistics import Array
from cort_data.trace import Trace

NOTHING = Tokens()
SESSIONS_FILE = "sessions.jsonl"
SPREADS = 3.0  # standard deviations that are kept in reserve
WINDOW = 1000  # finished traces that are looked at


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits that a command was given; None: no limit."""

    tokens: int | None = None
    cost: float | None = None
    hours: float | None = None


class Costs:
    """What running traces will cost, judged by the finished ones.

    The short ones finish first, so finished traces alone say too little: a running trace is judged by those that took
    longer than it has run, and the running ones count among those that have not finished (Kaplan and Meier's
    product-limit estimate). A first guess stands for a trace that takes longer than all.
    """

    def __init__(self, guess: float) -> None:
        self._guess = self._most = guess
        self._finished: deque[tuple[float, float]] = deque(maxlen=WINDOW)

    def add(self, cost: float, seconds: float) -> None:
        """Count a finished trace."""
        self._finished.append((seconds, cost))
        self._most = max(self._most, cost)

    def fits(self, room: float, ages: Sequence[float]) -> bool:
        """Will one more trace and those that have run for `ages` seconds end within `room`?"""
        return self._most * (len(ages) + 1) <= room or self.of(ages) <= room

    def of(self, ages: Sequence[float]) -> float:
        """Cost of one more trace and of those that have run for `ages` seconds, with the reserve that these need."""
        finished = np.array(sorted(self._finished), dtype=np.float64).reshape(-1, 2)
        seconds, costs = finished[:, 0], np.append(finished[:, 1], self._guess)
        still_running = len(ages) - np.searchsorted(np.sort(ages), seconds)
        at_risk = np.arange(len(seconds), 0, -1) + still_running + 1
        left = np.cumprod(np.append(1.0, 1 - 1 / at_risk))  # share that takes at least as long; the last is the guess's
        weights = left / np.append(at_risk, 1)
        mass = _tails(weights)
        mean = _tails(weights * costs) / mass
        variance = np.maximum(0, _tails(weights * costs**2) / mass - mean**2)
        place = np.searchsorted(seconds, np.asarray(ages), side="right")
        return float(mean[0] + mean[place].sum() + SPREADS * math.sqrt(variance[place].sum()))


def _tails(values: Array) -> Array:
    """Sums from each place to the end."""
    return np.cumsum(values[::-1])[::-1]


class Allowance:
    """What a budget still allows. Belongs to one command, whose stages share it."""

    def __init__(self, budget: Budget, prices: Prices, spent: Tokens = NOTHING, seconds: float = 0.0) -> None:
        """`spent` and `seconds` are what earlier commands have used in the same run directory."""
        self._budget, self._prices = budget, prices
        self._spent, self._seconds_before = spent, seconds
        self._started = time.monotonic()
        self._writing_since: float | None = None
        self._seconds = 0.0
        self.traces = 0
        self.written = NOTHING
        self.expect(0)

    def expect(self, tokens: int) -> None:
        """A stage begins, of whose traces no more is known than what the model may write for one."""
        self._tokens = Costs(tokens)
        self._money = Costs(self._prices.money(Tokens(fresh=tokens, output=tokens)))
        self._times: deque[float] = deque(maxlen=WINDOW)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The engine's time, which may have to be paid, runs."""
        self._writing_since = time.monotonic()
        try:
            yield
        finally:
            self._seconds, self._writing_since = self.seconds, None

    @property
    def seconds(self) -> float:
        """Of this command, in which traces were written."""
        return self._seconds + (time.monotonic() - self._writing_since if self._writing_since is not None else 0)

    def count(self, trace: Trace, seconds: float) -> None:
        """A trace is finished; it took so many seconds."""
        tokens = tokens_of(trace)
        self.traces += 1
        self.written += tokens
        self._tokens.add(tokens.output, seconds)
        self._money.add(self._prices.money(tokens), seconds)
        self._times.append(seconds)

    def reached(self, ages: Sequence[float]) -> str | None:
        """The limit that stands against one more trace, as it was given; None: it may begin.

        `ages` are the seconds for which those have run that run now.
        """
        budget = self._budget
        if budget.tokens is not None and not self._tokens.fits(budget.tokens - self.tokens, ages):
            return f"--max-tokens {budget.tokens}"
        if budget.cost is not None and not self._money.fits(budget.cost - self.cost - self._paid_time, ages):
            return f"--max-cost {budget.cost:g}"
        if budget.hours is not None and self._elapsed + self._time > budget.hours * HOUR_S:
            return f"--max-hours {budget.hours:g}"
        return None

    @property
    def _time(self) -> float:
        """Seconds that a trace takes; 0 before one is finished."""
        return sum(self._times) / max(1, len(self._times))

    @property
    def _paid_time(self) -> float:
        return self._prices.a_second * self._time

    @property
    def tokens(self) -> float:
        """Model tokens that were written in the run so far, by earlier commands too."""
        return self._spent.output + self.written.output

    @property
    def cost(self) -> float:
        """Money that the run has cost so far, for tokens and for time."""
        seconds = self._seconds_before + self.seconds
        return self._prices.money(self._spent + self.written) + self._prices.a_second * seconds

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def summary(self) -> str:
        """What was spent so far."""
        money = f", {self.cost:,.2f} {self._prices.currency}" if self._prices.known else ""
        return f"{self.tokens:,.0f} model tokens{money}, {self._elapsed / HOUR_S:.2f} hours in this command"


def unlimited() -> Allowance:
    """Allows everything."""
    return Allowance(Budget(), Prices())


def open_allowance(run: RunDirectory, recipe: Recipe, budget: Budget) -> Allowance:
    """What a budget allows in this run. Raises RecipeError if money is limited and nothing has a price."""
    if budget.cost is None and budget.tokens is None:
        return Allowance(budget, recipe.prices)
    if budget.cost is not None and not recipe.prices.known:
        raise RecipeError(
            "--max-cost: the recipe names no prices; set prices.input_per_million and prices.output_per_million, or "
            "prices.gpus and prices.gpu_hour"
        )
    spent = sum(map(tokens_of, written_traces(run.path)), NOTHING)
    return Allowance(budget, recipe.prices, spent, sum(session["seconds"] for session in sessions(run)))


def sessions(run: RunDirectory) -> list[dict[str, Any]]:
    """What each command has written here; those that were killed are missing."""
    path = run.path / SESSIONS_FILE
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]


def record(run: RunDirectory, allowance: Allowance) -> None:
    """Note what this command has written, if anything. Raises RunError."""
    if not allowance.traces:
        return
    entry = {
        "traces": allowance.traces,
        "seconds": round(allowance.seconds, 1),
        "tokens": {name: round(n) for name, n in asdict(allowance.written).items()},
    }
    lines = [json.dumps(session) for session in [*sessions(run), entry]]
    write_atomically(run.path / SESSIONS_FILE, "\n".join(lines) + "\n")
