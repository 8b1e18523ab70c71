"""The baselines run the work and notice a wrong answer; how fast they are is the benchmark's business."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from cort_data.interpreter import new_namespace, run_cell

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def contender(name):
    from interpreter_baselines.fork_limit import ForkLimit
    from interpreter_baselines.in_process import InProcess
    from interpreter_baselines.replay_pool import ReplayPool

    return {"fork limit": ForkLimit, "pool": ReplayPool, "exec": lambda: InProcess("exec", "exec")}[name]()


def test_the_work_is_right_about_its_answers():
    from interpreter_work import long, short, short_varied

    for task in (short(0), short_varied(7), short_varied(8), long(1000)(0)):
        namespace = new_namespace()
        shown = [run_cell(block, namespace, number).text for number, block in enumerate(task.blocks, 1)]
        assert shown[-1].strip() == task.answer
    assert short_varied(7) != short_varied(8)


@pytest.mark.parametrize("name", ["fork limit", "pool", "exec"])
def test_a_baseline_runs_sessions_and_notices_a_wrong_answer(name):
    from interpreter_baselines.base import WrongAnswer, started
    from interpreter_work import long, tasks

    right = list(tasks(long(10), 0, 5))
    wrong = [*right, replace(right[0], answer="another")]

    async def play():
        async with started(contender(name)) as baseline:
            await baseline.run(right, baseline.widths[0])
            await baseline.run(wrong, baseline.widths[0])

    with pytest.raises((WrongAnswer, ExceptionGroup)) as raised:
        asyncio.run(play())
    assert isinstance(raised.value, WrongAnswer) or raised.value.subgroup(WrongAnswer)
