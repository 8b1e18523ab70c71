"""What every backend gives, whatever runs the code."""

import asyncio
import re
from collections.abc import Callable

import pytest

from cort_data.errors import InterpreterError
from cort_data.interpreter import Limits, Result, Session, Status, open_interpreter

from .conftest import Driver

Run = Callable[[str], Result]
SPENT = "(1 s of CPU time|3 s)"
IGNORES_INTERRUPTS = """
import signal
for number in (signal.SIGPROF, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
while True:
    pass
"""


@pytest.fixture
def forks(driver: Driver) -> None:
    """Only backends that can fork a session run the test."""
    if not driver.interpreter.forks:
        pytest.skip("sessions of this backend cannot be forked")


def test_state_persists_over_cells(run: Run) -> None:
    run("import math\nx = 20\ndef f(n):\n    return n + x")
    result = run("x += 1\nmath.sqrt(f(15))")
    assert (result.status, result.text, result.error) == (Status.OK, "6.0\n", None)


def test_an_error_keeps_the_state(run: Run) -> None:
    result = run("x = 5\n1 / 0")
    assert result.status is Status.ERROR
    assert result.error == (
        'Traceback (most recent call last):\n  File "<cell 1>", line 2, in <module>\n    1 / 0\n'
        "ZeroDivisionError: division by zero"
    )
    assert run("x").text == "5\n"


def test_cells_are_numbered_over_the_session(run: Run) -> None:
    run("def f():\n    raise KeyError('k')")
    result = run("f()")
    assert result.feedback == (
        'Traceback (most recent call last):\n  File "<cell 2>", line 1, in <module>\n    f()\n'
        "  File \"<cell 1>\", line 2, in f\n    raise KeyError('k')\nKeyError: 'k'"
    )


@pytest.mark.parametrize(
    ("code", "feedback"),
    [
        ("2 ** 10", "1024"),
        ("2 ** 10;", "(no output)"),
        ("", "(no output)"),
        ("   \n# nothing\n", "(no output)"),
        ("print('größer ≤ 数 🙂')", "größer ≤ 数 🙂"),
        ("import sys\nprint(1, file=sys.stderr)\nprint(2)", "1\n2"),
        ("import sys\nsys.stdout.buffer.write(b'a\\xff\\n');", "a\\xff"),
        ("import os\nos.write(1, b'raw\\xff\\n');", "raw\\xff"),
        ("if __name__ == '__main__':\n    print('main')", "main"),
        ("import warnings\nwarnings.warn('careful')", "<cell 1>:2: UserWarning: careful\n  warnings.warn('careful')"),
        ("x = = 3", '  File "<cell 1>", line 1\n    x = = 3\nSyntaxError: invalid syntax'),
        ("a = 1\0", "SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_feedback(run: Run, code: str, feedback: str) -> None:
    assert run(code).feedback == feedback


@pytest.mark.parametrize(
    ("code", "last_line"),
    [
        ("if True:\n\tx = 1\n        y = 2", "TabError: inconsistent use of tabs and spaces in indentation"),
        ("import sys\nsys.exit(2)", "SystemExit: 2 (the block ended here; the session goes on)"),
        ("exit()", "SystemExit: None (the block ended here; the session goes on)"),
        ("input()", "EOFError: nobody can answer input() here; write the values into the code"),
        ("def f(n): return f(n + 1)\nf(0)", "RecursionError: maximum recursion depth exceeded"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise BaseException('b')", "BaseException: b"),
    ],
)
def test_errors_keep_the_session(run: Run, code: str, last_line: str) -> None:
    run("kept = 'yes'")
    result = run(code)
    assert result.status is Status.ERROR
    assert not result.state_lost
    assert result.feedback.splitlines()[-1] == last_line
    assert run("kept").text == "'yes'\n"


def test_output_over_the_limit_keeps_both_ends(run: Run) -> None:
    result = run("print('a' * 3000, end='')\nprint('b' * 3000, end='')")
    assert result.text == "a" * 500 + "\n... [5000 characters cut] ...\n" + "b" * 500
    assert result.truncated == 5000


def test_huge_output_is_cut_while_it_is_made(run: Run) -> None:
    result = run("for _ in range(2000):\n    print('x' * 100_000)")
    assert result.status is Status.OK
    assert result.truncated == 2000 * 100_001 - 1000


def test_replaced_streams_are_restored(run: Run) -> None:
    run("import sys\nsys.stdout = sys.stderr = None")
    assert run("print(5)").text == "5\n"
    run("import sys\nsys.stdout.close()")
    assert run("print(6)").text == "6\n"


def test_a_log_handler_of_an_earlier_cell_still_writes(run: Run) -> None:
    run("import logging\nlogging.basicConfig(format='%(message)s')")
    assert run("logging.warning('late')").text == "late\n"


def test_megabytes_of_code(run: Run) -> None:
    result = run("x = '" + "é" * 3_000_000 + "'\nlen(x)")
    assert result.text == "3000000\n"


def test_a_timeout_keeps_the_state_when_the_code_can_be_interrupted(run: Run) -> None:
    result = run("x = 7\nprint('begun')\nwhile True: pass")
    assert result.status is Status.TIMEOUT
    assert not result.state_lost
    assert result.text == "begun\n"
    lines = str(result.error).splitlines()
    assert lines[:3] == [
        "Traceback (most recent call last):",
        '  File "<cell 1>", line 3, in <module>',
        "    while True: pass",
    ]
    # on a busy machine the wall limit may come before the CPU limit
    assert re.fullmatch(f"TimeoutError: the block was stopped after {SPENT}; variables set so far are kept", lines[3])
    assert run("x").text == "7\n"


def test_waiting_is_bounded_by_wall_time(run: Run) -> None:
    result = run("import time\nx = 7\ntime.sleep(60)")
    assert result.status is Status.TIMEOUT
    assert str(result.error).endswith("TimeoutError: the block was stopped after 3 s; variables set so far are kept")
    assert run("x").text == "7\n"


def test_swallowing_every_interrupt_is_still_a_timeout(run: Run) -> None:
    result = run(
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
    )
    assert result.status is Status.TIMEOUT


def test_a_kill_loses_the_state_and_the_next_result_says_so(run: Run) -> None:
    run("x = 7")
    killed = run(IGNORES_INTERRUPTS)
    assert (killed.status, killed.state_lost) == (Status.TIMEOUT, True)
    assert killed.error is not None
    assert killed.error.endswith("all variables are lost")
    after = run("x")
    assert (after.status, after.state_lost) == (Status.ERROR, True)
    assert run("1").state_lost is False


def test_code_in_c_is_stopped(run: Run) -> None:
    result = run("import re\nre.match('(a*)*b', 'a' * 64)")
    assert result.status is Status.TIMEOUT
    assert run("1 + 1").text == "2\n"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os\nos._exit(3)", "the process ended itself with exit code 3; all variables are lost"),
        (
            "import ctypes\nctypes.string_at(0)",
            "the process crashed: Segmentation fault; all variables are lost",
        ),
        ("import os\nos.closerange(3, 100)", None),
    ],
)
def test_a_process_that_ends_is_a_result(run: Run, code: str, reason: str | None) -> None:
    run("x = 7")
    result = run(code)
    assert (result.status, result.state_lost) == (Status.DIED, True)
    assert reason is None or result.error == reason
    assert run("2 + 2").state_lost is True


def test_memory_is_bounded_and_the_state_kept(run: Run) -> None:
    result = run("x = 7\ndata = bytearray(1 << 30)")
    assert (result.status, result.state_lost) == (Status.MEMORY, False)
    assert result.feedback.splitlines()[-1] == "MemoryError"
    assert run("x").text == "7\n"


def test_memory_filled_piece_by_piece(run: Run) -> None:
    result = run("x = 7\nkeep = []\nwhile True:\n    keep.append(bytearray(1 << 24))")
    assert result.status is Status.MEMORY
    assert run("del keep\nx").text == "7\n"


def test_memory_full_of_small_objects_can_be_freed(run: Run) -> None:
    assert run("keep = []\nwhile True:\n    keep += [[]] * 100_000").status is Status.MEMORY
    assert run("del keep\n'free'").feedback == "'free'"


def test_memory_filled_again_and_again_ends_the_session(run: Run) -> None:
    fill = "keep = globals().get('keep', [])\nwhile True:\n    keep.append(bytearray(1 << 20))"
    results = [run(fill) for _ in range(8)]
    assert {result.status for result in results} == {Status.MEMORY}
    assert any(result.state_lost for result in results)


RANDOM = (
    "import random, numpy\nimport sympy.core.random\n(random.random(), numpy.random.rand(), sympy.core.random.random())"
)


def test_seeds_make_sessions_reproducible(driver: Driver) -> None:
    values = []
    for seed in (1, 1, 2):
        session = driver.session(seed)
        values.append(driver(session.run(RANDOM)).text)
        driver(session.close())
    assert values[0] == values[1] != values[2]


def test_hashes_do_not_vary(run: Run) -> None:
    assert run("hash('cort'), list({'a', 'b', 'c'})").text == run("hash('cort'), list({'a', 'b', 'c'})").text
    assert run("import sys\nsys.flags.hash_randomization").text == "0\n"


@pytest.mark.usefixtures("forks")
def test_a_twin_goes_its_own_way(driver: Driver, session: Session) -> None:
    driver(session.run("import random\nx = [1]\nopen('note', 'w').write('both') and None"))
    twin = driver(session.fork())
    driver(twin.run("x.append(2)\nopen('note', 'w').write('twin') and None"))
    assert driver(session.run("x, open('note').read()")).text == "([1], 'both')\n"
    assert driver(twin.run("x, open('note').read()")).text == "([1, 2], 'twin')\n"
    draw = "random.random()"
    assert driver(session.run(draw)).text == driver(twin.run(draw)).text
    driver(twin.close())


@pytest.mark.usefixtures("forks")
def test_a_twin_outlives_its_original(driver: Driver) -> None:
    original = driver.session()
    driver(original.run("x = 7\nopen('kept', 'w').close()"))
    twin = driver(original.fork())
    driver(original.close())
    assert driver(twin.run("import os\nx, os.path.exists('kept')")).text == "(7, True)\n"
    driver(twin.close())


@pytest.mark.usefixtures("forks")
def test_twins_of_twins_and_their_deaths(driver: Driver, session: Session) -> None:
    driver(session.run("x = 1"))
    twin = driver(session.fork())
    grandchild = driver(twin.fork())
    assert driver(twin.run("import os\nos._exit(1)")).status is Status.DIED
    assert driver(grandchild.run("x")).text == "1\n"
    assert driver(session.run("x")).text == "1\n"
    for copy in (twin, grandchild):
        driver(copy.close())


@pytest.mark.usefixtures("forks")
def test_a_twin_says_that_threads_are_not_carried(driver: Driver, session: Session) -> None:
    driver(session.run("import threading, time\nthreading.Thread(target=time.sleep, args=(30,), daemon=True).start()"))
    twin = driver(session.fork())
    assert driver(twin.run("1")).text == "[1 background threads are not carried into this copy]\n1\n"
    driver(twin.close())


@pytest.mark.usefixtures("forks")
def test_a_twin_has_open_files_of_its_own(driver: Driver, session: Session) -> None:
    code = """
import tempfile
written, nameless = open('written', 'w+'), tempfile.TemporaryFile()
written.write('before ')
written.flush()
nameless.write(b'12345')
nameless.seek(2)
"""
    driver(session.run(code))
    twin = driver(session.fork())
    driver(twin.run("written.write('twin')\nnameless.read(2)"))
    driver(session.run("written.write('original')"))
    look = "written.seek(0)\nprint(written.read(), nameless.tell(), nameless.read())"
    assert driver(session.run(look)).text == "before original 2 b'345'\n"
    assert driver(twin.run(look)).text == "before twin 4 b'5'\n"
    assert driver(twin.run("written.name, open('written').read()")).text == "('written', 'before twin')\n"
    driver(twin.close())


@pytest.mark.usefixtures("forks")
def test_a_twin_keeps_the_limits_of_its_original(driver: Driver) -> None:
    original = driver(driver.interpreter.session(0, Limits(timeout_s=0.5, memory_mb=100, output_chars=100)))
    twin = driver(original.fork())
    assert driver(twin.run("while True: pass")).status is Status.TIMEOUT
    assert driver(twin.run("print('x' * 1000)")).truncated == 901
    driver(twin.run("import os\nos._exit(0)"))
    assert driver(twin.run("print('x' * 1000)")).truncated == 901
    for copy in (original, twin):
        driver(copy.close())


def test_a_backend_that_cannot_fork_names_one_that_can(driver: Driver, session: Session) -> None:
    if driver.interpreter.forks:
        pytest.skip("sessions of this backend can be forked")
    driver(session.run("x = 7"))
    with pytest.raises(InterpreterError, match=r"cannot be forked.*use the local backend"):
        driver(session.fork())
    assert driver(session.run("x")).text == "7\n"


def test_a_forked_child_does_not_answer_for_the_session(run: Run) -> None:
    result = run("import os\npid = os.fork()\nprint('child' if pid == 0 else 'parent')")
    assert result.text == "parent\n"
    assert run("'still one'").text == "'still one'\n"


def test_a_forked_child_leaves_the_output_to_its_parent(run: Run) -> None:
    forks = "import os\nos.write(1, b'raw ')\nif os.fork() == 0:\n    print('child')\n"
    assert run(f"{forks}else:\n    os.wait()\n    print('parent')").text == "raw parent\n"


def test_plots_need_no_display(run: Run) -> None:
    pytest.importorskip("matplotlib")
    result = run("import matplotlib\nmatplotlib.get_backend()")
    assert result.text == "'agg'\n"


def test_sessions_run_beside_each_other(driver: Driver) -> None:
    async def one(number: int) -> str:
        session = await driver.interpreter.session(number)
        await session.run(f"import sympy\nx = {number}")
        text = (await session.run("sympy.Integer(x) ** 2")).text
        await session.close()
        return text

    async def many() -> list[str]:
        return await asyncio.gather(*map(one, range(count)))

    count = 64 if driver.interpreter.forks else 4  # where each session loads its libraries itself
    assert driver(many()) == [f"{number**2}\n" for number in range(count)]


def test_a_cancelled_cell_is_killed(driver: Driver, session: Session) -> None:
    async def cancel() -> Result:
        cell = asyncio.create_task(session.run("x = 7\nimport time\ntime.sleep(60)"))
        await asyncio.sleep(0.1)
        cell.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cell
        return await session.run("'x' in globals()")

    result = driver(cancel())
    assert (result.text, result.state_lost) == ("False\n", True)


def test_a_closed_session_refuses_cells(driver: Driver) -> None:
    session = driver.session()
    driver(session.close())
    driver(session.close())
    with pytest.raises(InterpreterError, match="session is closed"):
        driver(session.run("1"))


def test_closing_ends_a_running_cell(driver: Driver) -> None:
    async def close() -> None:
        session = await driver.interpreter.session(0)
        cell = asyncio.create_task(session.run("import time\ntime.sleep(60)"))
        await asyncio.sleep(0.1)
        await session.close()
        with pytest.raises(InterpreterError, match="session is closed"):
            await cell

    driver(close())


def test_errors_of_threads_are_shown_like_those_of_cells(run: Run) -> None:
    result = run("import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()")
    assert result.text == (
        "Exception in thread Thread-1 (<lambda>):\nTraceback (most recent call last):\n"
        '  File "<cell 1>", line 2, in <lambda>\n    t = threading.Thread(target=lambda: 1 / 0)\n'
        "ZeroDivisionError: division by zero\n"
    )


def test_errors_that_cannot_be_raised_are_shown(run: Run) -> None:
    result = run("class C:\n    def __del__(self):\n        1 / 0\nc = C()\ndel c")
    assert result.status is Status.OK
    assert result.text.startswith("Exception ignored in <function C.__del__ at ")
    assert result.text.endswith("ZeroDivisionError: division by zero\n")


def test_limits_are_checked() -> None:
    with pytest.raises(InterpreterError, match="timeout_s must be greater than 0, got 0"):
        Limits(timeout_s=0)


@pytest.mark.parametrize("option", [{"backend": "magic"}, {"isolation": "some"}])
def test_unknown_names_are_refused(option: dict[str, str]) -> None:
    with pytest.raises(InterpreterError, match="must be one of"):
        open_interpreter(**option)
