"""What sessions cannot do. Each level is tested where the machine offers it."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cort_data.interpreter import Limits, Result, Status, isolation_report, open_interpreter
from cort_data.interpreter.link import _refusal

Run = Callable[[str], Result]
LIMITS = Limits(timeout_s=1.0, memory_mb=400)


@pytest.fixture(scope="module")
def possible() -> set[str]:
    return {feature.name for feature in isolation_report() if feature.available}


@pytest.fixture(scope="module", params=["full", "reduced"])
def run(request: pytest.FixtureRequest, possible: set[str]) -> Iterator[Run]:
    """Run one cell in a fresh session of an isolated interpreter."""
    if f"isolation {request.param}" not in possible:
        pytest.skip(f"this machine offers no isolation {request.param}")
    with asyncio.Runner() as runner:
        interpreter = open_interpreter(limits=LIMITS, isolation=request.param)

        async def one_cell(code: str) -> Result:
            session = await interpreter.session(0)
            try:
                return await session.run(code)
            finally:
                await session.close()

        yield lambda code: runner.run(one_cell(code))
        runner.run(interpreter.close())


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "open('/proc/1/environ').read()",
        "open('/proc/self/environ').read()",
        "import os; os.listdir('/proc')",
        "import os; os.listdir('/root')",
        "import os; os.listdir('/home')",
        "import os; os.listdir('../..')",
        "open('/tmp/written', 'w')",
        "open('/usr/written', 'w')",
        "import json; open(json.__file__, 'a')",
        "import os; os.chmod('/usr/bin', 0o755)",
        "import os; os.symlink('/etc/passwd', 'link'); open('link').read()",
        "import os; os.mknod('device', 0o60666, os.makedev(8, 0))",
        "import socket; socket.socket()",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.create_connection(('127.0.0.1', 80))",
        "import urllib.request; urllib.request.urlopen('http://169.254.169.254/')",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.kill(1, 0)",
        "import os; os.setpriority(os.PRIO_PROCESS, 0, -5)",
        "import time; time.clock_settime(time.CLOCK_REALTIME, 0)",
        "import os; os.chroot('.')",
        "import os; os.memfd_create('hidden')",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    ],
)
def test_refused(run: Run, code: str) -> None:
    result = run(code)
    assert result.status is Status.ERROR, result
    assert result.error is not None
    last = result.error.splitlines()[-1]
    assert last.startswith(
        ("PermissionError", "FileNotFoundError", "OSError", "ProcessLookupError", "ValueError", "urllib.error.URLError")
    ), last


@pytest.mark.parametrize(("call", "number"), [("ptrace", 101), ("unshare", 272), ("bpf", 321), ("keyctl", 250)])
def test_system_calls_by_number_are_refused(run: Run, call: str, number: int) -> None:
    libc = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    assert run(f"{libc}libc.syscall({number}, 0, 0, 0, 0), ctypes.get_errno()").text == "(-1, 1)\n"


def test_signals_to_everyone_reach_nobody(run: Run) -> None:
    run("import os; os.kill(-1, 9)")
    assert run("1").text == "1\n"


def test_the_environment_is_empty(run: Run) -> None:
    assert run("import os\nsorted(os.environ)").text == "['HOME', 'LANG', 'MPLBACKEND', 'PATH', 'TMPDIR']\n"


def test_no_descriptors_are_inherited(run: Run) -> None:
    code = "import os\n[fd for fd in range(64) if os.path.exists('/') and not _free(fd)]"
    helper = "import os\ndef _free(fd):\n    try:\n        os.fstat(fd)\n    except OSError:\n        return True\n"
    assert len(run(helper + code).text.split(",")) == 6  # null, thrice the console, the transcript, the socket


def test_scratch_is_private_and_writable(run: Run) -> None:
    assert run("import os\nopen('a', 'w').write('x')\nos.listdir()").text == "['a']\n"
    assert run("import os\nos.listdir()").text == "[]\n"


def test_a_file_has_a_size_limit(run: Run) -> None:
    result = run("with open('big', 'wb') as f:\n    for _ in range(100):\n        f.write(bytes(1 << 20))")
    assert result.status is Status.ERROR
    assert result.error is not None
    assert "File too large" in result.error or "No space left" in result.error


def test_full_limits_processes_and_hides_the_tree(possible: set[str], tmp_path: Path) -> None:
    if "isolation full" not in possible:
        pytest.skip("this machine offers no isolation full")
    mine = tmp_path / "mine"
    mine.touch()

    async def use() -> tuple[Result, Result, Result]:
        async with open_interpreter(limits=LIMITS) as interpreter:
            session = await interpreter.session(0)
            forks = "import os, time\nfor n in range(1000):\n    if os.fork() == 0: time.sleep(60)"
            bomb = await session.run(forks)
            other = await (await interpreter.session(1)).run("import os\nos.fork() and None")
            tree = await session.run(
                f"import os\n[p for p in ('/etc/shadow', '/etc/passwd', {str(mine)!r}) if os.path.lexists(p)]"
            )
            return bomb, other, tree

    bomb, other, tree = asyncio.run(use())
    assert bomb.error is not None
    assert bomb.error.splitlines()[-1].startswith("BlockingIOError")
    assert other.status is Status.OK
    assert tree.text == "[]\n"


def test_what_the_machine_cannot_give_is_refused_with_the_flag_to_type() -> None:
    message = _refusal("full", "unshare: Operation not permitted")
    assert message.startswith("isolation 'full' is not possible on this machine: unshare: Operation not permitted;")
    assert "--isolation " in message


def test_the_report_names_every_feature() -> None:
    report = isolation_report()
    assert [feature.name for feature in report] == [
        "namespaces",
        "landlock",
        "seccomp",
        "isolation full",
        "isolation reduced",
    ]
    assert all(feature.how for feature in report)
