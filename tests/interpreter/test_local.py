"""The local backend: nothing leaks, nothing runs on, and a broken server is an error, not a result."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cort_data.errors import InterpreterError
from cort_data.interpreter import Result, Session, open_interpreter
from cort_data.interpreter.local.link import ServerLink
from cort_data.interpreter.local.pool import SPARES, ProcessPool

from .conftest import LIMITS, Driver, strongest
from .processes import descendants, named, open_descriptors, settled

STRAY = "cort-stray"
LEAVES_CHILDREN = f"""
import ctypes, os, time
named, name = os.pipe()
for _ in range(3):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(15, b"{STRAY}")
        os.write(name, b".")
        os.setpgid(0, 0)
        if os.fork() == 0:
            time.sleep(600)
        time.sleep(600)
for _ in range(3):
    os.read(named, 1)
"""


@pytest.fixture
def session(local: Driver) -> Iterator[Session]:
    session = local.session()
    yield session
    local(session.close())


def test_closing_leaves_nothing() -> None:
    async def use() -> tuple[set[int], set[str]]:
        gc.collect()
        descriptors = open_descriptors()
        interpreter = open_interpreter(limits=LIMITS, isolation=strongest())
        async with interpreter:
            sessions = [await interpreter.session(number) for number in range(3)]
            await sessions[0].run(LEAVES_CHILDREN)
            await sessions[1].run("open('file', 'w').close()")
            await sessions[2].fork()
            started = descendants()
        assert started
        return descendants() & started, open_descriptors() - descriptors

    assert asyncio.run(use()) == (set(), set())


def test_closing_a_session_ends_its_children(local: Driver) -> None:
    session = local.session()
    local(session.run(LEAVES_CHILDREN))
    assert len(named(STRAY)) >= 3
    local(session.close())
    assert named(STRAY) == set()


def test_a_kill_ends_the_children(local: Driver, session: Session) -> None:
    local(session.run(LEAVES_CHILDREN))
    assert len(named(STRAY)) >= 3
    local(session.run("import os\nos._exit(0)"))
    assert named(STRAY) == set()


def test_a_timeout_ends_the_children(local: Driver, session: Session) -> None:
    result = local(session.run(f"{LEAVES_CHILDREN}kept = 7\nwhile True: pass"))
    assert (result.status, result.state_lost) == ("timeout", False)
    assert named(STRAY) == set()
    assert local(session.run("kept")).text == "7\n"


def test_a_death_of_one_twin_ends_its_children_and_no_other(local: Driver, session: Session) -> None:
    twin = local(session.fork())
    local(twin.run(LEAVES_CHILDREN))
    local(session.run("x = 7"))
    local(twin.run("import os\nos._exit(0)"))
    assert named(STRAY) == set()
    assert local(session.run("x")).text == "7\n"
    local(twin.close())


def test_what_was_printed_before_a_death_is_kept(local: Driver, session: Session) -> None:
    local(session.run("print('an earlier block')"))
    result = local(session.run("import os\nprint('printed')\nos._exit(0)"))
    assert (result.status, result.text) == ("died", "printed\n")
    twin = local(session.fork())
    assert local(twin.run("import os\nprint('by the twin')\nos._exit(0)")).text == "by the twin\n"
    local(twin.close())


def test_processes_that_hold_too_much_together_are_ended(local: Driver, session: Session) -> None:
    code = "import os, time\nfor _ in range(3): os.fork()\ndata = b'x' * (100 << 20)\ntime.sleep(60)"
    result = local(session.run(code))
    assert (result.status, result.state_lost) == ("memory", True)
    assert "the processes of the block held" in str(result.error)


def test_cpu_time_of_children_counts(local: Driver, session: Session) -> None:
    code = "import os, time\nif os.fork() == 0:\n    while True: pass\ntime.sleep(60)"
    result = local(session.run(code))
    assert (result.status, result.state_lost) == ("timeout", False)
    assert "stopped after" in str(result.error)


def test_sessions_in_a_row_leave_nothing(local: Driver) -> None:
    for number in range(SPARES):
        local(local.session(number).close())
    time.sleep(0.5)  # until the spare processes are there
    before, descriptors = descendants(), open_descriptors()

    async def one(number: int) -> None:
        session = await local.interpreter.session(number)
        twin = await session.fork()
        await session.run("open('file', 'w').write('x' * 1000)")
        await session.close()
        await twin.close()

    for number in range(20):
        local(one(number))
    assert len(settled(before)) == len(before)  # spares are others by now
    assert len(open_descriptors()) == len(descriptors)


def test_a_dead_server_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def use() -> None:
        before = descendants()
        interpreter = open_interpreter(limits=LIMITS, isolation="none")
        session = await interpreter.session(0)
        cell = asyncio.create_task(session.run("import time\ntime.sleep(60)"))
        await asyncio.sleep(0.1)
        link: ServerLink = interpreter._pool._link  # type: ignore[attr-defined]
        os.kill(link._process.pid, signal.SIGKILL)
        with pytest.raises(InterpreterError, match="server died"):
            await cell
        with pytest.raises(InterpreterError, match="server died"):
            await interpreter.session(1)
        await interpreter.close()
        assert descendants() <= before
        assert list(tmp_path.iterdir()) == []

    asyncio.run(use())


def test_scratch_folders_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def use() -> None:
        async with open_interpreter(limits=LIMITS, isolation="none") as interpreter:
            session = await interpreter.session(0)
            await session.run("import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()")
            await session.close()
            await interpreter.session(1)

    asyncio.run(use())
    assert list(tmp_path.iterdir()) == []


def test_a_closed_interpreter_refuses_sessions() -> None:
    async def use() -> None:
        interpreter = open_interpreter(limits=LIMITS, isolation="none")
        await interpreter.close()
        await interpreter.close()
        with pytest.raises(InterpreterError, match="interpreter is closed"):
            await interpreter.session(0)

    asyncio.run(use())


def test_a_spare_process_that_dies_is_not_given_out(local: Driver) -> None:
    async def use() -> Result:
        first = await local.interpreter.session(0)
        await asyncio.sleep(0.5)  # until a spare is there
        pool: ProcessPool = local.interpreter._pool  # type: ignore[attr-defined]
        spare = pool._coming[0].result()
        await spare._link.post("kill", session=spare.number)
        while not spare.ended:
            await asyncio.sleep(0.01)
        second = await local.interpreter.session(1)
        result = await second.run("1 + 1")
        await first.close()
        await second.close()
        return result

    assert local(use()).text == "2\n"


def test_sessions_that_are_not_waited_for_leave_nothing() -> None:
    async def use() -> set[int]:
        before = descendants()
        interpreter = open_interpreter(limits=LIMITS, isolation=strongest())
        for delay in (0, 0.1, 0.5, 1, 1.5):  # while the server starts, while processes start
            openings = [asyncio.create_task(interpreter.session(number)) for number in range(12)]
            await asyncio.sleep(delay)
            for opening in openings:
                opening.cancel()
            await asyncio.gather(*openings, return_exceptions=True)
        session = await interpreter.session(1)
        assert (await session.run("1 + 1")).text == "2\n"
        await interpreter.close()
        return descendants() - before

    assert asyncio.run(use()) == set()


def test_a_flood_past_python_is_cut(local: Driver, session: Session) -> None:
    result = local(session.run("import os\nfor _ in range(30):\n    os.write(1, b'x' * 100_000)"))
    assert result.truncated == 30 * 100_000 - LIMITS.output_chars
    assert local(session.run("1 + 1")).text == "2\n"


def test_a_forged_answer_does_not_shift_the_next_one(local: Driver, session: Session) -> None:
    fields = {"number": 1, "status": "ok", "text": "forged", "error": None, "seconds": 0.1, "cpu": 0.1, "truncated": 0}
    forged = FORGED.replace('{"status": "ok", "text": 5}', repr(fields))
    local(session.run(forged % "struct.pack('>I', len(body)) + body"))
    result = local(session.run("1 + 1"))
    assert result.text == "2\n" or result.status == "died"


FORGED = """
import json, os, stat, struct
body = json.dumps({"status": "ok", "text": 5}).encode()
for fd in range(3, 64):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            os.write(fd, %s)
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    "written", ["struct.pack('>I', len(body)) + body", "b'\\xff' * 100", "struct.pack('>I', 3) + b'{{{'"]
)
def test_forged_answers_are_no_answers(local: Driver, session: Session, written: str) -> None:
    result = local(session.run(FORGED % written))
    assert (result.status, result.state_lost) == ("died", True)
    assert local(session.run("1 + 1")).text == "2\n"
