"""Limits on what a command may spend on writing traces, and when they let one more begin.

No trace is cut short. A trace is begun only if all that then run end within the limit, each at the mean cost of the
finished ones, with two standard deviations of the sum of those before it in reserve; what cheap ones leave is used by
further ones. So the limit is passed by more than one trace's worth about once in forty times, however many run at once.

Tokens are those that the model wrote, rewound and branch tokens included. Tokens and money count over the whole life of
a run directory, hours from the start of the command.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from cort_data.errors import RecipeError
from cort_data.prices import HOUR_S, Prices, Tokens, tokens_of
from cort_data.recipe import Recipe
from cort_data.runs import RunDirectory, write_atomically
from cort_data.shards import written_traces
from cort_data.trace import Trace

NOTHING = Tokens()
SESSIONS_FILE = "sessions.jsonl"
SPREADS = 2.0  # standard deviations that are kept in reserve


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits that a command was given; None: no limit."""

    tokens: int | None = None
    cost: float | None = None
    hours: float | None = None


class Costs:
    """Costs of finished traces. A first guess counts as one of them, so that little is begun before much is known."""

    def __init__(self, guess: float) -> None:
        self._number, self._sum, self._squares = 1, guess, guess * guess

    def add(self, cost: float) -> None:
        """Count a finished trace."""
        self._number += 1
        self._sum += cost
        self._squares += cost * cost

    @property
    def mean(self) -> float:
        """Of a trace."""
        return self._sum / self._number

    def of(self, running: int) -> float:
        """What `running` traces and one more will cost, with the reserve that the running ones need."""
        spread = math.sqrt(max(0.0, self._squares / self._number - self.mean**2))
        return (running + 1) * self.mean + SPREADS * spread * math.sqrt(running)


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
        self._money = Costs(self._prices.money(Tokens(output=tokens)))
        self._time = Costs(0)

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
        self._tokens.add(tokens.output)
        self._money.add(self._prices.money(tokens))
        self._time.add(seconds)

    def reached(self, running: int) -> str | None:
        """The limit that stands against one more trace beside `running` ones, as it was given; None: it may begin."""
        budget = self._budget
        if budget.tokens is not None and self.tokens + self._tokens.of(running) > budget.tokens:
            return f"--max-tokens {budget.tokens}"
        if budget.cost is not None and self.cost + self._cost_of(running) > budget.cost:
            return f"--max-cost {budget.cost:g}"
        if budget.hours is not None and self._elapsed + self._time.mean > budget.hours * HOUR_S:
            return f"--max-hours {budget.hours:g}"
        return None

    def _cost_of(self, running: int) -> float:
        return self._money.of(running) + self._prices.a_second * self._time.mean

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
