"""How fast `local` is, isolated, beside public packages, the published approach and the machine's own fork limit.

    python benchmarks/interpreter.py [--rounds 5] [--sessions 300] [--save]

All figures come from one run: every contender runs the same sessions (`interpreter_work.py`) on the same cores in
every round, one contender after the other, each with the number of sessions in flight that suited it best in a trial
before the first round. A ratio is the median of the rounds' own ratios, so it holds whatever else the machine did;
its spread is given. Latencies are medians over the rounds. Needs the extra `bench`. Exits 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from contextlib import AsyncExitStack

import interpreter_load as load
import interpreter_work as work
from interpreter_baselines.base import Contender, started
from interpreter_baselines.fork_limit import ForkLimit
from interpreter_baselines.in_process import InProcess
from interpreter_baselines.ipython import IPythonProcess
from interpreter_baselines.jupyter import JupyterKernel
from interpreter_baselines.local import Local
from interpreter_baselines.replay_pool import ReplayPool
from interpreter_results import Row, save, say, show

SETTLE_S = 0.5
OPEN_LOOP_S = 5.0
SLOW_SHARE = 50
"""Contenders that start a python a session get this part of the sessions."""
TRIAL_SHARE = 2


class Race:
    """One kind of session, run by several contenders in every round."""

    def __init__(self, name: str, sessions: work.Work, count: int, contenders: list[Contender]) -> None:
        self.name = name
        self._sessions = sessions
        self._counts = {c.name: _count(c, count) for c in contenders}
        self._contenders = contenders
        self._widths: dict[str, int] = {}
        self._first = 0
        self.rates: dict[str, list[float]] = {c.name: [] for c in contenders}

    async def choose_widths(self) -> None:
        """Try every width with a part of the sessions, and keep the fastest."""
        for contender in self._contenders:
            count = max(self._counts[contender.name] // TRIAL_SHARE, max(contender.widths))
            tried = {width: await self._rate(contender, width, count) for width in contender.widths}
            self._widths[contender.name] = max(tried, key=lambda width: tried[width])
            shown = ", ".join(f"{width}: {rate:.1f}" for width, rate in tried.items())
            say(f"{self.name} · {contender.name} · in flight: sessions/s {{{shown}}}")

    async def run_round(self, number: int) -> None:
        """Every contender once."""
        for contender in self._contenders:
            rate = await self._rate(contender, self._widths[contender.name], self._counts[contender.name])
            self.rates[contender.name].append(rate)
            say(f"round {number} · {self.name} · {contender.name}: {rate:.2f} sessions/s")

    async def _rate(self, contender: Contender, width: int, count: int) -> float:
        tasks = list(work.tasks(self._sessions, self._first, count))
        self._first += count
        await asyncio.sleep(SETTLE_S)  # what the one before left to clear up is not this one's work
        began = time.perf_counter()
        await contender.run(tasks, width)
        return count / (time.perf_counter() - began)

    def figures(self) -> dict[str, object]:
        """Medians, and `local` as a multiple of each."""
        ours, *others = [c.name for c in self._contenders]
        return {
            name: {
                "sessions_per_s": statistics.median(self.rates[name]),
                "in_flight": self._widths[name],
                "sessions_a_round": self._counts[name],
                **({"local_is": self.ratio(ours, name)} if name in others else {}),
            }
            for name in self.rates
        }

    def ratio(self, ours: str, theirs: str) -> dict[str, float]:
        """Median, least and most of the rounds' ratios."""
        ratios = [a / b for a, b in zip(self.rates[ours], self.rates[theirs], strict=True)]
        return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


def _count(contender: Contender, count: int) -> int:
    slow = isinstance(contender, (JupyterKernel, IPythonProcess))
    return max(count // SLOW_SHARE, 2) if slow else count


async def latencies(local: Local) -> dict[str, dict[str, object]]:
    """All latencies once."""
    return {
        "closed": {"pass_ms": await load.closed_loop(local.interpreter)},
        "open": await load.open_loop(local.interpreter, OPEN_LOOP_S),
        "new": await load.openings(local.interpreter),
        "fork": await load.forks(local.interpreter),
    }


async def measure(options: argparse.Namespace) -> tuple[list[Race], list[dict[str, dict[str, object]]]]:
    """All rounds."""
    local = Local(options.isolation)
    fork, pool, bare = ForkLimit(), ReplayPool(), InProcess("bare exec, a process a core", "exec")
    kernel, shell = JupyterKernel(), IPythonProcess()
    evaluator = InProcess("smolagents LocalPythonExecutor, a process a core", "smolagents")
    long_count = max(options.sessions // 30, 4)
    async with AsyncExitStack() as stack:
        for contender in (local, fork, pool, bare, kernel, shell, evaluator):
            say(f"starting: {contender.name}")
            await stack.enter_async_context(started(contender))
        races = [
            Race("short", work.short, options.sessions, [local, fork, pool, bare, kernel, shell, evaluator]),
            Race("short, own numbers", work.short_varied, options.sessions, [local, fork, pool, bare]),
            Race("long", work.long(work.steps_of_a_block()), long_count, [local, pool, fork, bare]),
        ]
        for race in races:
            await race.choose_widths()
        rounds = []
        for number in range(1, options.rounds + 1):
            for race in races:
                await race.run_round(number)
            await asyncio.sleep(SETTLE_S)
            rounds.append(await latencies(local))
    return races, rounds


def rate_rows(race: Race) -> list[Row]:
    """The rates of one race."""
    figures = race.figures()
    return [
        (f"{race.name}: {name}", f"{row['sessions_per_s']:.2f} sessions/s, {row['in_flight']} in flight", "", None)
        for name, row in figures.items()
        if isinstance(row, dict)
    ]


def ratio_row(race: Race, other: str, least: float) -> Row:
    """`local` to another contender, against its target."""
    ratio = race.ratio(next(iter(race.rates)), other)
    shown = f"{ratio['median']:.2f} × ({ratio['least']:.2f} … {ratio['most']:.2f})"
    return f"{race.name}: local to {other}", shown, f"≥ {least:g} ×", ratio["median"] >= least


def latency_row(
    rounds: list[dict[str, dict[str, object]]], load_name: str, key: str, quantile: str, most: float
) -> Row:
    """The median over the rounds of one percentile, against its target."""
    values = [row[load_name][key][quantile] for row in rounds]  # type: ignore[index]
    value = statistics.median(values)
    shown = f"{value:.3f} ms ({min(values):.3f} … {max(values):.3f})"
    return f"{load_name}: {key.removesuffix('_ms')} {quantile}", shown, f"≤ {most:g} ms", value <= most


def rows_of(races: list[Race], rounds: list[dict[str, dict[str, object]]]) -> list[Row]:
    """The table."""
    short, varied, long = races
    kernel, pool, fork = JupyterKernel.name, ReplayPool.name, ForkLimit.name
    return [
        *rate_rows(short),
        ratio_row(short, fork, 0.8),
        ratio_row(short, kernel, 40),
        ratio_row(short, pool, 1),
        *rate_rows(varied),
        ratio_row(varied, fork, 0.8),
        ratio_row(varied, pool, 1),
        *rate_rows(long),
        ratio_row(long, pool, 4),
        latency_row(rounds, "closed", "pass_ms", "p50", 0.5),
        latency_row(rounds, "open", "pass_ms", "p50", 1),
        latency_row(rounds, "open", "pass_ms", "p99", 5),
        latency_row(rounds, "new", "open_ms", "p50", 3),
        latency_row(rounds, "new", "open_and_pass_ms", "p50", 3),
        latency_row(rounds, "fork", "fork_ms", "p50", 10),
        latency_row(rounds, "fork", "fork_and_pass_ms", "p50", 10),
    ]


def main() -> None:
    """Measure, print the table, write the section `speed`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=300, help="short sessions of a contender a round")
    parser.add_argument("--isolation", default="full")
    parser.add_argument("--save", action="store_true", help="write docs/results/interpreter.json")
    options = parser.parse_args()
    races, rounds = asyncio.run(measure(options))
    rows = rows_of(races, rounds)
    met = show(f"local at isolation {options.isolation}: medians of {options.rounds} rounds (least … most)", rows)
    if options.save:
        save("speed", {"races": {race.name: race.figures() for race in races}, "latency_rounds": rounds})
    sys.exit(not met)


if __name__ == "__main__":
    main()
