"""What only the jupyter backend has: kernels, no isolation."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cort_data.errors import InterpreterError
from cort_data.interpreter import Limits, Result, Status, open_interpreter
from cort_data.interpreter.jupyter.session import JupyterInterpreter

from .conftest import Driver, open_jupyter
from .processes import descendants, open_descriptors, settled


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    with asyncio.Runner() as runner:
        driver = Driver(runner, open_jupyter())
        yield driver
        runner.run(driver.interpreter.close())


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test's kernels have their folders."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("isolation", ["full", "reduced"])
def test_isolation_is_refused_at_once_with_what_to_type(isolation: str) -> None:
    with pytest.raises(InterpreterError) as error:
        open_interpreter("jupyter", isolation=isolation)
    assert str(error.value) == (
        f"the jupyter interpreter has no isolation, got isolation '{isolation}'; accept that a model's code can do "
        "everything that you can with --isolation none (in a recipe: interpreter.isolation: none)"
    )


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    code = "from cort_data.interpreter import open_interpreter as o; o('jupyter', isolation='none')"
    blocked = "import sys; sys.modules['ipykernel'] = None; "
    done = subprocess.run([sys.executable, "-c", blocked + code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr.splitlines()[-1].endswith(
        "the jupyter interpreter needs jupyter_client and ipykernel: pip install 'cort-data[jupyter]'"
    )


def test_closing_leaves_nothing(scratch: Path) -> None:
    async def main() -> tuple[set[int], set[str], list[str]]:
        descriptors = open_descriptors()
        interpreter = open_jupyter()
        kept = await interpreter.session(0)
        closed = await interpreter.session(0)
        await kept.run("import os\nos.makedirs('a/b')\nopen('a/b/file', 'w').close()\nos.fork()")
        await kept.run("import subprocess\nsubprocess.Popen(['sleep', '60'])")
        await kept.run("import os\nos._exit(1)")
        await kept.run("1")
        await closed.close()
        assert len(os.listdir(scratch)) == 1
        await interpreter.close()
        await interpreter.close()
        return settled(before), open_descriptors() - descriptors, os.listdir(scratch)

    before = descendants()
    assert asyncio.run(main()) == (before, set(), [])


def test_a_kernel_ends_with_its_client(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\n"
        "from cort_data.interpreter import open_interpreter\n"
        "async def main():\n"
        "    session = await open_interpreter('jupyter', isolation='none').session(0)\n"
        "    print((await session.run('import os\\nos.getpid()')).text, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as client:
        assert client.stdout
        kernel = int(client.stdout.readline())
        client.kill()
    end = asyncio.run(_gone(kernel, tmp_path))
    assert end == []


async def _gone(pid: int, folder: Path) -> list[str]:
    """What is left of a process and in a folder after at most ten seconds."""
    left = [str(pid)]
    async with asyncio.timeout(10):
        while left:
            alive = [str(pid)] if Path(f"/proc/{pid}").exists() else []
            left = alive + os.listdir(folder)
            await asyncio.sleep(0.05)
    return left


def test_a_cell_works_in_a_private_empty_folder(scratch: Path, driver: Driver) -> None:
    session = driver.session()
    result = driver(session.run("import os\nprint(os.getcwd(), os.listdir())\nos.environ['HOME'] == os.getcwd()"))
    assert result.text.startswith(f"{scratch}/cort-")
    assert result.text.endswith("/work []\nTrue\n")
    driver(session.close())


def test_the_users_variables_stay_outside(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    session = driver.session()
    assert driver(session.run("import os\n'HF_TOKEN' in os.environ, 'PATH' in os.environ")).text == "(False, True)\n"
    driver(session.close())


def test_a_kernel_killed_from_outside_is_noticed(driver: Driver) -> None:
    session = driver.session()
    pid = int(driver(session.run("import os\nos.getpid()")).text)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    result = driver(session.run("1 + 1"))
    assert (result.status, result.text, result.state_lost) == (Status.OK, "2\n", True)
    driver(session.close())


def test_a_kernel_killed_while_it_runs_is_a_result(driver: Driver) -> None:
    session = driver.session()
    result = driver(session.run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"))
    assert (result.status, result.state_lost) == (Status.MEMORY, True)
    assert result.error == (
        "MemoryError: the process was killed, most likely for the memory it used; all variables are lost"
    )
    driver(session.close())


def test_what_a_dead_cell_had_printed_is_shown(driver: Driver) -> None:
    session = driver.session()
    driver(session.run("print('before')"))
    result = driver(session.run("import os\nprint('begun ≤')\nos._exit(0)"))
    assert (result.status, result.text) == (Status.DIED, "begun ≤\n")
    driver(session.close())


def test_a_child_of_the_code_ends_well(driver: Driver) -> None:
    session = driver.session()
    result = driver(session.run("import os\npid = os.fork()\npid and os.waitpid(pid, 0)[1]"))
    assert result.text == "0\n"
    driver(session.close())


def test_a_folder_deeper_than_python_can_follow_is_removed(scratch: Path, driver: Driver) -> None:
    session = driver.session()
    result = driver(session.run("import os\nfor _ in range(1500):\n    os.mkdir('d'); os.chdir('d')"))
    assert result.status is Status.OK
    driver(session.close())
    assert os.listdir(scratch) == []


TAMPER = """
import gc
from cort_data.interpreter.runner import CellRunner
runner, = [it for it in gc.get_objects() if type(it) is CellRunner]
runner.run = lambda **cell: {}
"""


@pytest.mark.parametrize("answer", ["{}", "{'number': 1, 'status': 'odd'}", "{'text': 'x' * (1 << 21)}", "object()"])
def test_garbage_is_a_result(driver: Driver, answer: str) -> None:
    session = driver(driver.interpreter.session(0, Limits(timeout_s=0.5)))
    assert driver(session.run(TAMPER.replace("{}", answer))).status is Status.OK
    result = driver(session.run("1"))
    assert result.state_lost
    assert result.status in {Status.DIED, Status.TIMEOUT}
    assert driver(session.run("1")).text == "1\n"
    driver(session.close())


def test_a_cell_may_run_an_event_loop(driver: Driver) -> None:
    session = driver.session()
    code = "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 7\nasyncio.run(f())"
    assert [driver(session.run(code)).text for _ in range(2)] == ["7\n", "7\n"]
    driver(session.close())


def test_there_are_no_magics(driver: Driver) -> None:
    session = driver.session()
    assert driver(session.run("%time 1")).feedback.splitlines()[-1] == "SyntaxError: invalid syntax"
    assert driver(session.run("display(1)")).feedback.splitlines()[-1] == "NameError: name 'display' is not defined"
    driver(session.close())


def test_seeds_are_those_of_the_local_backend(driver: Driver, local: Driver) -> None:
    code = "import random, sympy.core.random as s\nimport numpy\nrandom.random(), numpy.random.rand(), s.random()"
    texts = []
    for backend in (driver, local):
        session = backend.session(2**40 + 5)
        texts.append(backend(session.run(code)).text)
        backend(session.close())
    assert texts[0] == texts[1]


def test_cells_of_one_session_follow_each_other(driver: Driver) -> None:
    async def both() -> list[Result]:
        session = await driver.interpreter.session(0)
        cells = [session.run("import time\ntime.sleep(0.2)\nx = 1"), session.run("x")]
        results = await asyncio.gather(*cells)
        await session.close()
        return results

    assert [result.text for result in driver(both())] == ["", "1\n"]


def test_a_folder_too_deep_for_sockets(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it speaks over loopback ports, as on Windows."""
    deep = scratch / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    async def main() -> list[str]:
        async with open_jupyter() as interpreter:
            sessions = await asyncio.gather(*map(interpreter.session, range(3)))
            return [(await session.run("1 + 1")).text for session in sessions]

    assert asyncio.run(main()) == ["2\n"] * 3
    assert os.listdir(deep) == []


def test_closing_while_a_session_starts(scratch: Path) -> None:
    async def main() -> set[int]:
        interpreter = JupyterInterpreter(Limits())
        starting = asyncio.create_task(interpreter.session(0))
        await asyncio.sleep(0.05)
        await interpreter.close()
        with pytest.raises(InterpreterError, match="session is closed"):
            await starting
        with pytest.raises(InterpreterError, match="interpreter is closed"):
            await interpreter.session(0)
        return settled(before)

    before = descendants()
    assert asyncio.run(main()) == before
    assert os.listdir(scratch) == []


def test_a_start_that_fails_says_why_and_leaves_nothing(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that cannot start, because its interpreter of python is another program."""
    monkeypatch.setattr(sys, "executable", "/bin/false")

    async def main() -> None:
        async with open_jupyter() as interpreter:
            with pytest.raises(InterpreterError, match="could not start: the process ended itself with exit code 1"):
                await interpreter.session(0)

    before = descendants()
    asyncio.run(main())
    assert settled(before) == before
    assert os.listdir(scratch) == []
