"""How fast sessions start and cells run, against a bare `exec` (no sessions at all) and a fresh python a session.

    python benchmarks/interpreter.py [--sessions 200] [--in-flight 4] [--isolation full]

All figures come from one run, so their ratios hold whatever else the machine does. A session is three cells: a sympy
solve, a loop, a use of both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time

from cort_data.interpreter import Interpreter, Session, new_namespace, open_interpreter, run_cell
from cort_data.interpreter.preload import load

CELLS = (
    "from sympy import symbols, solve\nx = symbols('x')\nroots = solve(x**2 - 7 * x + 12, x)\nroots",
    "total = 0\nfor n in range(2000):\n    total += n * n % 7\ntotal",
    "sum(roots) + total",
)
SUBPROCESS_SESSIONS = 4
PASS_CELLS = 2000


def bare_sessions(count: int) -> float:
    """Sessions a second by `exec` in this process, the libraries and caches loaded."""
    load()
    started = time.perf_counter()
    for _ in range(count):
        namespace = new_namespace()
        for number, code in enumerate(CELLS, 1):
            run_cell(code, namespace, number)
    return count / (time.perf_counter() - started)


def subprocess_sessions(count: int) -> float:
    """Sessions a second when each starts a python."""
    started = time.perf_counter()
    for _ in range(count):
        subprocess.run([sys.executable, "-c", "\n".join(CELLS)], check=True, capture_output=True)
    return count / (time.perf_counter() - started)


async def local_sessions(interpreter: Interpreter, count: int, in_flight: int) -> float:
    """Sessions a second, `in_flight` beside each other."""
    free = asyncio.Semaphore(in_flight)

    async def one(seed: int) -> None:
        async with free:
            session = await interpreter.session(seed)
            for code in CELLS:
                result = await session.run(code)
                assert result.status == "ok", result
            await session.close()

    started = time.perf_counter()
    await asyncio.gather(*map(one, range(count)))
    return count / (time.perf_counter() - started)


async def milliseconds(count: int, session: Session) -> dict[str, float]:
    """Latency of `run("pass")` in a closed loop."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        await session.run("pass")
        taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    return {"p50": taken[count // 2], "p99": taken[count * 99 // 100]}


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """All figures of the local backend."""
    async with open_interpreter(isolation=options.isolation) as interpreter:
        await local_sessions(interpreter, 20, options.in_flight)
        rate = await local_sessions(interpreter, options.sessions, options.in_flight)
        session = await interpreter.session(0)
        latency = await milliseconds(PASS_CELLS, session)
        started = time.perf_counter()
        await session.fork()
        forked = (time.perf_counter() - started) * 1000
    return {"sessions_per_s": rate, "pass_ms": latency, "fork_ms": forked}


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--isolation", default="full")
    options = parser.parse_args()
    local = asyncio.run(measure(options))
    started_python = subprocess_sessions(SUBPROCESS_SESSIONS)
    bare = bare_sessions(options.sessions)
    rate = float(str(local["sessions_per_s"]))
    figures = {
        "local": {"isolation": options.isolation, **local},
        "bare_exec_sessions_per_s_one_core": bare,
        "python_a_session_per_s": started_python,
        "local_to_bare_exec": rate / bare,
        "local_to_python_a_session": rate / started_python,
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
