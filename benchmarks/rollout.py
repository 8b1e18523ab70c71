"""Model tokens a second of hinted rollouts, against the same engine that writes plainly at the same concurrency.

    python benchmarks/rollout.py [--model nano-teacher] [--in-flight 96] [--traces 600] [--repeats 3]

Both run in one process, in turns, on the same `dev` problems: those of the nano families whose solutions take two
blocks, so that a trace has at least 1.5 executed blocks. Plain writing streams the completion of the prompt to its
end, without hints, interpreter or parsing. Writes docs/results/rollout.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from pathlib import Path

from cort_data.engines.base import Engine, Prefix, Sampling
from cort_data.jobs import Job, rollout_seed
from cort_data.nano.families import TWO_BLOCKS, tasks
from cort_data.recipe import load_recipe
from cort_data.rollout import Rollouts
from cort_data.stages.workshop import open_workshop
from cort_data.trace import Problem, Trace

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "rollout.json"
POLICY = "hint_engineering"


def problems(count: int) -> list[Problem]:
    two_blocks = (t.problem for t in tasks("dev", 11) if t.problem.id.split("-")[1] in TWO_BLOCKS)
    return list(islice(two_blocks, count))


async def in_flight(jobs: Iterable[Callable[[], Awaitable[None]]], width: int) -> float:
    """Run all jobs, `width` at once; seconds."""
    rest = iter(jobs)

    async def worker() -> None:
        for job in rest:
            await job()

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(worker())
    return time.perf_counter() - start


async def plain(engine: Engine, prompts: list[str], width: int) -> tuple[int, float]:
    written = [0]

    async def one(prompt: str, seed: int) -> None:
        prefix = Prefix(prompt, await engine.encode(prompt))
        async for chunk in engine.generate(prefix, Sampling(0.6, 0.95, seed, 1000)):
            written[0] += chunk.tokens

    seconds = await in_flight([lambda p=p, s=s: one(p, s) for s, p in enumerate(prompts)], width)
    return written[0], seconds


async def hinted(rollouts: Rollouts, todo: list[Problem], width: int) -> tuple[list[Trace], float]:
    traces: list[Trace] = []

    async def one(problem: Problem) -> None:
        job = Job(problem=problem, sample=0, stage="benchmark", seed=rollout_seed(1, problem.id, 0))
        traces.append(await rollouts.run(job))

    seconds = await in_flight([lambda p=p: one(p) for p in todo], width)
    return traces, seconds


async def measure(model: str, width: int, count: int, repeats: int) -> dict[str, object]:
    todo = problems(count)
    rows = []
    async with open_workshop(load_recipe("nano"), model) as workshop:
        rollouts = workshop.rollouts(POLICY)
        prompts = [workshop.profile.render(p.text) for p in todo]
        await hinted(rollouts, todo[:width], width)  # warm up both ways
        await plain(workshop.engine, prompts[:width], width)
        for _ in range(repeats):
            tokens, seconds = await plain(workshop.engine, prompts, width)
            traces, hinted_s = await hinted(rollouts, todo, width)
            generated = sum(t.generated_tokens for t in traces)
            blocks = sum(t.calls for t in traces) / len(traces)
            rows.append((tokens / seconds, generated / hinted_s, blocks, generated / len(traces)))
        name = workshop.engine.name
    ratio = statistics.median(r[1] / r[0] for r in rows)
    return {
        "what": "model tokens/s of rollouts under hint_engineering, against plain writing by the same engine",
        "command": f"python benchmarks/rollout.py --in-flight {width} --traces {count} --repeats {repeats}",
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "engine": name,
        "plain_tokens_per_s": [round(r[0]) for r in rows],
        "rollout_tokens_per_s": [round(r[1]) for r in rows],
        "executed_blocks_a_trace": round(rows[-1][2], 2),
        "generated_tokens_a_trace": round(rows[-1][3], 1),
        "ratio_median": round(ratio, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano-teacher")
    parser.add_argument("--in-flight", type=int, default=96)
    parser.add_argument("--traces", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    result = asyncio.run(measure(given.model, given.in_flight, given.traces, given.repeats))
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
