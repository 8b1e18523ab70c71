"""What many sessions cost: 1,000 live ones, and 20,000 one after another.

    python benchmarks/interpreter_memory.py [--live 1000] [--serial 20000] [--save]

Memory is the proportional set size of all processes of the interpreter, from the server down. The live sessions are
counted idle and again after the three short blocks, each with its own numbers. Of the sessions one after another,
everything is counted every 1,000, at rest; growth is the slope of a straight line through the counts, first one left
out, with its 95% interval. Exits 1 if a requirement is not met.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
from collections.abc import Iterator
from dataclasses import asdict

import interpreter_census as census
import interpreter_work as work
from interpreter_baselines.base import check, side_by_side
from interpreter_census import Census
from interpreter_results import Pace, Row, save, say, show
from scipy import stats

from cort_data.interpreter import Interpreter, Session, open_interpreter

OPENING = 8
IN_FLIGHT = 4
SAMPLES = 20
SPARE_DESCRIPTORS = 200
IDLE_GB = 2.0
USED_GB = 8.0
NEGLIGIBLE = 0.05
"""Growth over the whole run below this part of the level is none."""


def allow_descriptors(sessions: int) -> str:
    """Every live session costs this process a descriptor; says what had to be done about the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = sessions + SPARE_DESCRIPTORS
    if soft >= needed:
        return f"limit of open files {soft}: enough"
    if hard < needed:
        raise SystemExit(f"{sessions} live sessions need {needed} open files, the hard limit is {hard}: raise it")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return f"limit of open files raised from {soft} to {needed}"


async def live_sessions(interpreter: Interpreter, count: int) -> tuple[Census, Census]:
    """Of `count` live sessions: idle, and after their blocks."""
    sessions: list[Session] = []
    opening = Pace("sessions opened", count)
    rest = iter(range(count))

    async def open_some() -> None:
        for number in rest:
            sessions.append(await interpreter.session(number))
            opening.at(len(sessions))

    async with asyncio.TaskGroup() as group:
        for _ in range(OPENING):
            group.create_task(open_some())
    idle = await census.take()
    running = Pace("sessions run", count)
    tasks = work.tasks(work.short_varied, 0, count)
    for number, (session, task) in enumerate(zip(sessions, tasks, strict=True), 1):
        await _run(session, task)
        running.at(number)
    used = await census.take()
    for session in sessions:
        await session.close()
    return idle, used


async def _run(session: Session, task: work.Task) -> None:
    for block in task.blocks:
        result = await session.run(block)
    check(result.feedback, task)


async def one_after_another(interpreter: Interpreter, count: int) -> list[Census]:
    """A census at the start and after every twentieth part of `count` sessions."""
    every = max(count // SAMPLES, 1)
    pace = Pace("sessions one after another", count)
    taken = [await census.take()]

    async def one(task: work.Task) -> None:
        session = await interpreter.session(0)
        await _run(session, task)
        await session.close()

    for first in range(0, count, every):
        await side_by_side(work.tasks(work.short_varied, first, every), IN_FLIGHT, one)
        taken.append(await census.take())
        pace.at(first + every, f"· {taken[-1].memory_mb:.0f} MiB in {taken[-1].processes} processes")
    return taken


def growth(values: list[float]) -> dict[str, float]:
    """Per sample: slope and its 95% interval; the level is the mean."""
    fit = stats.linregress(range(len(values)), values)
    reach = stats.t.ppf(0.975, len(values) - 2) * fit.stderr if len(set(values)) > 1 else 0.0
    return {
        "level": sum(values) / len(values),
        "slope": fit.slope,
        "low": fit.slope - reach,
        "high": fit.slope + reach,
    }


def growth_rows(taken: list[Census], count: int) -> Iterator[Row]:
    """A row a quantity; memory and counts alike may not grow."""
    samples = [asdict(sample) for sample in taken[1:]]
    every = count // len(samples)
    for name in samples[0]:
        line = growth([float(sample[name]) for sample in samples])
        met = bool(line["low"] <= 0 or line["slope"] * len(samples) < NEGLIGIBLE * line["level"])
        shown = f"{line['level']:.1f}, {line['slope']:+.4f} ({line['low']:+.4f} … {line['high']:+.4f})"
        yield f"{count:,} sessions: {name}, and its slope per {every:,}", shown, "no growth", met


def live_row(what: str, counted: Census, most_gb: float) -> Row:
    """Memory of all live sessions, against its target."""
    gb = counted.memory_mb / 1024
    return f"{what}: {counted.processes:,} processes", f"{gb:.2f} GB", f"≤ {most_gb:g} GB", gb <= most_gb


async def measure(options: argparse.Namespace) -> tuple[tuple[Census, Census], list[Census]]:
    """Both parts, each with an interpreter of its own."""
    async with open_interpreter(isolation=options.isolation) as interpreter:
        taken = await one_after_another(interpreter, options.serial)
    async with open_interpreter(isolation=options.isolation) as interpreter:
        live = await live_sessions(interpreter, options.live)
    return live, taken


def main() -> None:
    """Measure, print the table, write the section `memory`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", type=int, default=1000, help="sessions alive at once")
    parser.add_argument("--serial", type=int, default=20000, help="sessions one after another")
    parser.add_argument("--isolation", default="full")
    parser.add_argument("--save", action="store_true", help="write docs/results/interpreter.json")
    options = parser.parse_args()
    limit = allow_descriptors(options.live)
    say(limit)
    (idle, used), taken = asyncio.run(measure(options))
    rows = [
        live_row(f"{options.live:,} live sessions, idle", idle, IDLE_GB),
        live_row(f"{options.live:,} live sessions, after three blocks", used, USED_GB),
        (
            "page tables beside it, idle and after",
            f"{idle.page_tables_mb:.0f}, {used.page_tables_mb:.0f} MiB",
            "",
            None,
        ),
        *growth_rows(taken, options.serial),
    ]
    met = show(f"local at isolation {options.isolation}: memory and endurance", rows)
    if options.save:
        figures = {"open_files": limit, "idle": asdict(idle), "used": asdict(used)}
        save("memory", {**figures, "sessions": options.serial, "samples": [asdict(sample) for sample in taken]})
    sys.exit(not met)


if __name__ == "__main__":
    main()
