"""A long mixed load with hostile code in it: nothing may stall, leak or be wrong.

    python benchmarks/interpreter_soak.py [--blocks 50000] [--seed 1] [--save]

Sessions of random length run side by side, with forks in between. One block in ten is hostile
(`interpreter_hostile.py`), the rest have a known right answer that depends on the session's state
(`interpreter_harmless.py`). A session is *spoiled* after a hostile block of a kind that can break what comes after it,
until its state is lost or it is closed; what harmless blocks give there is counted but not judged. Everywhere else
every harmless block must be right, and the loss of state must be announced exactly when it happened.

Exits 1 if a requirement is not met. The same seed gives every session the same blocks.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from typing import TypeVar

import interpreter_census as census
from interpreter_census import Census
from interpreter_harmless import Harmless, harmless
from interpreter_hostile import FAMILY, Hostile, hostile
from interpreter_results import Pace, Row, save, say, show

from cort_data.interpreter import Interpreter, InterpreterError, Limits, Result, Session, open_interpreter

LIMITS = Limits(timeout_s=0.5, memory_mb=256)
IN_FLIGHT = 16
MEAN_LENGTH = 12
HOSTILE_SHARE = 0.1
FORK_SHARE = 0.05
MOST_TWINS = 4
SPOILED_BLOCKS = 3
"""So many blocks a spoiled session still gets."""
STALL_S = 2.0
LOST = "; all variables are lost"
SAID_FAILURES = 20
GROWTH_MB = 50.0
"""Memory at the end may exceed that at the start by so much: caches of the client and the server."""
STOCK = {"processes": 8, "descriptors": 40, "mounts": 0}
"""What is kept ahead of need for the sessions to come may differ by so much between two moments of rest."""

_CELL = re.compile("<cell [0-9]+>")
T = TypeVar("T")


@dataclass(slots=True)
class Tally:
    """Everything that is counted."""

    kinds: Counter[str] = field(default_factory=Counter)
    """Blocks by sort, hostile kind, status, and whether the session was spoiled before."""
    started: int = 0
    ended: int = 0
    sessions: int = 0
    forks: int = 0
    forks_refused: int = 0
    failures: list[str] = field(default_factory=list)
    """What was wrong."""
    stalls: list[str] = field(default_factory=list)
    """What took too long."""
    longest_over_s: float = -math.inf
    """Wall time of a call beyond the wall limit, the most."""
    longest: str = ""
    """Which call that was."""

    def fail(self, what: str) -> None:
        """Keep it, and say the first ones at once."""
        self.failures.append(what)
        if len(self.failures) <= SAID_FAILURES:
            say(f"WRONG: {what}")

    def stall(self, what: str, seconds: float) -> None:
        """The same of a call that took `seconds` more than the wall limit."""
        self.stalls.append(f"{what}: {seconds:+.1f} s")
        if len(self.stalls) <= SAID_FAILURES:
            say(f"STALLED: {self.stalls[-1]}")


@dataclass(slots=True)
class Played:
    """One session and what is known of it."""

    session: Session
    name: str
    total: int = 0
    """What its variable `total` holds."""
    loss_due: bool = False
    """The next result must say that the state was lost."""
    spoiled: str = ""
    """The hostile kind that may have broken it."""
    blocks_since: int = 0
    """Since it was spoiled."""
    history: list[str] = field(default_factory=list)
    """What it has gone through, for the report of a failure."""

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.history)})"


class Soak:
    """One run."""

    def __init__(self, interpreter: Interpreter, blocks: int, seed: int) -> None:
        self._interpreter = interpreter
        self._blocks = blocks
        self._seed = seed
        self._numbers = count(1)
        self._pace = Pace("blocks", blocks)
        self.tally = Tally()

    async def run(self) -> None:
        """All lanes, until the blocks are used up."""
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(self._lane())

    async def _lane(self) -> None:
        while self.tally.started < self._blocks:
            await self._family(next(self._numbers))

    async def _family(self, number: int) -> None:
        """A session and its twins, one call at a time."""
        dice = random.Random(f"{self._seed}:{number}")
        opened = await self._timed(self._interpreter.session(number), f"opening of session {number}")
        self.tally.sessions += 1
        family = [Played(opened, f"session {number}")]
        for _ in range(1 + int(dice.expovariate(1 / MEAN_LENGTH))):
            played = dice.choice(family)
            if dice.random() < FORK_SHARE and len(family) < MOST_TWINS:
                await self._fork(played, family)
            if self.tally.started >= self._blocks:
                break
            if dice.random() < HOSTILE_SHARE:
                await self._hostile(played, family, *hostile(dice))
            else:
                await self._harmless(played, dice)
            if played.blocks_since > SPOILED_BLOCKS:
                break
        dice.shuffle(family)
        for played in family:
            await self._timed(played.session.close(), f"closing of {played.name}")

    async def _fork(self, played: Played, family: list[Played]) -> None:
        """A twin goes its own way from here."""
        name = f"twin {len(family)} of {family[0].name}"
        try:
            twin = await self._timed(played.session.fork(), f"fork of {played.name}{_after(played)}")
        except InterpreterError as exc:
            self.tally.forks_refused += 1
            if not played.spoiled:
                self.tally.fail(f"fork of {played}, which nothing had spoiled: {exc}")
            return
        self.tally.forks += 1
        known = replace(played, session=twin, name=name, history=[*played.history, "FORK"])
        family.append(known)

    async def _hostile(self, played: Played, family: list[Played], kind: Hostile, code: str) -> None:
        result = await self._call(played, code, kind.name)
        self._count(f"hostile {kind.name}", played, result)
        if result.status not in kind.may_end and not played.spoiled:
            self.tally.fail(f"{played}: {kind.name} ended as {_shown(result)}")
        self._follow_state(played, result)
        for twin in family:
            if (twin is not played and kind.spoils == FAMILY) or (twin is played and kind.spoils and not _lost(result)):
                twin.spoiled = twin.spoiled or kind.name

    async def _harmless(self, played: Played, dice: random.Random) -> None:
        block = harmless(dice, played.total)
        before = played.spoiled, played.loss_due
        result = await self._call(played, block.code, block.kind)
        self._count("harmless", played, result)
        self._follow_state(played, result)
        if before == ("", result.state_lost) and not _right(block, result):
            self.tally.fail(f"{played}: {block.kind} gave {_shown(result)}, right is {block.feedback!r}")
        if not _lost(result):
            played.total = block.total if before[1] == result.state_lost else block.total - played.total

    def _follow_state(self, played: Played, result: Result) -> None:
        """Know whether the variables are there, and whether that was said when it had to be."""
        played.blocks_since += bool(played.spoiled)
        if _lost(result):
            played.total, played.loss_due = 0, True
            played.spoiled, played.blocks_since = "", 0
            return
        if not played.spoiled and result.state_lost != played.loss_due:
            self.tally.fail(f"{played}: state_lost is {result.state_lost}, and should not be: {_shown(result)}")
        played.loss_due = False

    async def _call(self, played: Played, code: str, what: str) -> Result:
        self.tally.started += 1
        result = await self._timed(played.session.run(code), f"{what} in {played.name}{_after(played)}")
        self.tally.ended += 1
        played.history.append(f"{what}: {result.status}{' LOST' if _lost(result) else ''}")
        self._pace.at(self.tally.ended, f"· {len(self.tally.failures)} wrong, {len(self.tally.stalls)} stalled")
        return result

    def _count(self, sort: str, played: Played, result: Result) -> None:
        self.tally.kinds[f"{sort} {result.status}{' (spoiled)' if played.spoiled else ''}"] += 1

    async def _timed(self, call: Awaitable[T], what: str) -> T:
        started = time.perf_counter()
        try:
            return await call
        finally:
            over = time.perf_counter() - started - LIMITS.wall_s
            if over > self.tally.longest_over_s:
                self.tally.longest_over_s, self.tally.longest = over, what
            if over > STALL_S:
                self.tally.stall(what, over)


def _after(played: Played) -> str:
    return f" after {played.spoiled}" if played.spoiled else ""


def _lost(result: Result) -> bool:
    """Did this very block end its process?"""
    return result.error is not None and result.error.endswith(LOST)


def _right(block: Harmless, result: Result) -> bool:
    """Addresses of cells aside: a block does not know its number."""
    return result.status == block.status and _CELL.sub("<cell N>", result.feedback) == block.feedback


def _shown(result: Result) -> str:
    return f"{result.status} {result.feedback[-300:]!r} after {result.seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left when the interpreter is closed, beyond what was there before it was opened."""

    processes: int
    descriptors: int
    mounts: int
    folders: int


async def soak(isolation: str, blocks: int, seed: int, home: str) -> tuple[Tally, Census, Census, Remains]:
    """Run it; `home` is an empty folder, in which the interpreter makes its own."""
    descriptors, mounts = len(os.listdir("/proc/self/fd")), census.own_mounts()
    async with open_interpreter("local", LIMITS, isolation) as interpreter:
        for number in range(IN_FLIGHT):  # fills the pool, and every cache that the first sessions fill
            session = await interpreter.session(number)
            await session.run("1")
            await session.close()
        before = await census.take()
        played = Soak(interpreter, blocks, seed)
        try:
            await played.run()
        except* InterpreterError as group:
            played.tally.fail(f"the interpreter broke: {group.exceptions[0]}")
        after = await census.take()
    left = len(census.below()), len(os.listdir("/proc/self/fd")), census.own_mounts(), len(os.listdir(home))
    strays = len(census.of_tree(home))
    return played.tally, before, after, Remains(max(left[0], strays), left[1] - descriptors, left[2] - mounts, left[3])


def rows_of(tally: Tally, before: Census, after: Census, remains: Remains) -> list[Row]:
    """The requirements, and what was counted."""
    by_status: Counter[str] = Counter()
    for name, number in tally.kinds.items():
        sort, _, status = name.replace(" (spoiled)", "").rpartition(" ")
        by_status[f"{sort.split()[0]} {status}"] += number
    over = f"{tally.longest_over_s:+.2f} s: {tally.longest}"
    grown = after.memory_mb + after.own_memory_mb - before.memory_mb - before.own_memory_mb
    held = [(name, getattr(after, name) - getattr(before, name), most) for name, most in STOCK.items()]
    counted = sum(by_status.values())
    return [
        *((f"blocks: {name}", f"{number:,}", "", None) for name, number in sorted(by_status.items())),
        ("sessions, twins", f"{tally.sessions:,}, {tally.forks:,}", "", None),
        ("forks refused", f"{tally.forks_refused:,}", "", None),
        ("calls started, accounted for", f"{tally.started:,}, {counted:,}", "equal", tally.started == counted),
        ("wrong: answer, status, timeout, loss of state", str(len(tally.failures)), "0", not tally.failures),
        ("stalled calls", str(len(tally.stalls)), "0", not tally.stalls),
        ("longest call beyond the wall limit", over, f"≤ +{STALL_S:g} s", tally.longest_over_s <= STALL_S),
        *((f"{name} more than before, sessions closed", f"{n:+}", f"≤ +{most}", n <= most) for name, n, most in held),
        ("memory more than before, sessions closed", f"{grown:+.1f} MiB", f"≤ {GROWTH_MB:g} MiB", grown <= GROWTH_MB),
        *((f"{name} left, interpreter closed", f"{left:+}", "0", left == 0) for name, left in asdict(remains).items()),
    ]


def main() -> None:
    """Run, print the table, write the section `soak`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--isolation", default="full", choices=("full", "reduced"))
    parser.add_argument("--save", action="store_true", help="write docs/results/interpreter.json")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        tempfile.tempdir = home  # so that what the interpreter leaves there is seen
        tally, before, after, remains = asyncio.run(soak(options.isolation, options.blocks, options.seed, home))
    minutes = (time.perf_counter() - started) / 60
    title = f"Soak of local at isolation {options.isolation}: {options.blocks:,} blocks in {minutes:.1f} min"
    met = show(title, rows_of(tally, before, after, remains))
    if options.save:
        kinds = dict(sorted(tally.kinds.items()))  # `asdict` cannot copy a Counter
        counted = {**asdict(replace(tally, kinds=Counter())), "kinds": kinds}
        save("soak", {**counted, "before": asdict(before), "after": asdict(after), "remains": asdict(remains)})
    sys.exit(not met)


if __name__ == "__main__":
    main()
