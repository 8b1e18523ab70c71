"""A short soak: the harmless and hostile blocks of the long one, and the same requirements but for time."""

import asyncio
import random
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from cort_data.interpreter import isolation_report, new_namespace, run_cell

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
BLOCKS = 250
NO_STALL_S = 60.0  # how long a call takes is the benchmark's business, not a test's


@pytest.fixture(autouse=True)
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def strongest():
    possible = {feature.name for feature in isolation_report() if feature.available}
    return next((level for level in ("full", "reduced") if f"isolation {level}" in possible), None)


def test_a_short_soak_is_right_and_leaves_nothing(monkeypatch, tmp_path):
    import interpreter_soak

    isolation = strongest()
    if isolation is None:
        pytest.skip("this machine offers no isolation, and hostile blocks are not run without")
    monkeypatch.setattr(interpreter_soak, "STALL_S", NO_STALL_S)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tally, before, after, remains = asyncio.run(interpreter_soak.soak(isolation, BLOCKS, 3, str(tmp_path)))
    assert tally.failures == []
    assert tally.started == sum(tally.kinds.values()) == BLOCKS
    assert {name.split()[0] for name in tally.kinds} == {"harmless", "hostile"}
    assert tally.forks > 0
    for name, most in interpreter_soak.STOCK.items():
        assert getattr(after, name) - getattr(before, name) <= most
    assert set(asdict(remains).values()) == {0}


def test_every_harmless_kind_is_right_about_its_answer():
    from interpreter_harmless import harmless

    dice, seen = random.Random(0), Counter()
    namespace, total = new_namespace(), 0
    for _ in range(300):
        block = harmless(dice, total)
        if block.kind in ("file", "child"):  # they belong into a session of their own
            continue
        output = run_cell(block.code, namespace, 1)
        assert output.feedback.replace("<cell 1>", "<cell N>") == block.feedback
        assert (output.error is None) == (block.status == "ok")
        total = block.total
        seen[block.kind] += 1
    assert len(seen) >= 14


def test_a_wrong_answer_and_a_hidden_loss_of_state_are_failures():
    from interpreter_harmless import harmless
    from interpreter_soak import Played, Soak

    from cort_data.interpreter import Result, Status

    class Forger:
        """A session that always says the same, and never that its state is lost."""

        async def run(self, code):
            return Result(Status.OK, "41", None, 0.0)

    async def play():
        soak = Soak(None, 2, 0)
        await soak._harmless(Played(Forger(), "right state"), random.Random(1))
        await soak._harmless(Played(Forger(), "lost state", loss_due=True), random.Random(1))
        return soak.tally

    tally = asyncio.run(play())
    assert harmless(random.Random(1), 0).feedback != "41"
    assert ["gave ok '41'" in failure for failure in tally.failures] == [True, False]
    assert "state_lost is False" in tally.failures[1]
