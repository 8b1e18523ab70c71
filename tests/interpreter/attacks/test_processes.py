"""Bombs of processes and threads, processes that try to outlive their session, and other programs."""

import asyncio
import os
import signal
from textwrap import indent

import pytest

from cort_data.errors import InterpreterError
from cort_data.interpreter import Status, open_interpreter

from ..processes import descendants
from .arena import LIMITS, PRELUDE, WAITS, Arena, gone, named

BOMB = """
import time
for _ in range(100):
    if os.fork() == 0:
        time.sleep(2)
        os._exit(0)
"""
TREE_BOMB = """
import itertools, mmap, struct, time
born = mmap.mmap(-1, 8)
while struct.unpack('q', born[:])[0] < 100:
    born[:] = struct.pack('q', struct.unpack('q', born[:])[0] + 1)
    try:
        os.fork()
    except OSError:
        time.sleep(0.01)
time.sleep(2)
"""
HOPS = """
import time
if os.fork() == 0:  # never the same process for long: whoever kills by number comes too late
    os.setsid()
    for _ in range(300):
        if os.fork():
            os._exit(0)
    time.sleep(600)
"""
ORPHANS = {  # what a forked child does
    "double fork": "if os.fork() == 0: time.sleep(600)",
    "own session": "os.setsid()\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)",
    "deaf": (
        "os.setsid()\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
        "for n in {*range(1, 32)} - {9, 19}: signal.signal(n, signal.SIG_IGN)\ntime.sleep(600)"
    ),
    "stopped": "os.setsid()\nos.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(600)",
    "busy": "os.setsid()\nwhile True: pass",
    "its own reaper": "libc.prctl(36, 1, 0, 0, 0)\nif os.fork() == 0: time.sleep(600)\ntime.sleep(600)",
    "no death signal": "os.setsid()\nlibc.prctl(1, 0, 0, 0, 0)\ntime.sleep(600)",
    "a chain": "for _ in range(10):\n    if os.fork(): break\n    os.setsid()\ntime.sleep(600)",
}
ZOMBIES = "for _ in range(20):\n    if os.fork() == 0: os._exit(0)"
MULTIPROCESSING = """
import multiprocessing, time
for _ in range(3):
    multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,)).start()
"""
KILLED_SERVER = pytest.mark.xfail(strict=True, reason="without a process namespace nothing ends what a session started")
CLONE_PARENT = """
import platform, time
number = ctypes.c_long({'x86_64': 56, 'aarch64': 220}[platform.machine()])
child = libc.syscall(number, ctypes.c_long(0x8000 | 17), 0, 0, 0, 0)
if child == 0:
    libc.setsid()
    libc.sleep(600)
    libc._exit(0)
"""
PROGRAMS = [
    "import subprocess; subprocess.run(['/bin/sh', '-c', 'echo ran'])",
    "import subprocess; subprocess.run('echo ran', shell=True)",
    "import subprocess, sys; subprocess.run([sys.executable, '-c', '1'])",
    "os.execv('/bin/sh', ['sh', '-c', 'echo ran'])",
    "os.posix_spawn('/bin/sh', ['sh', '-c', 'echo ran'], {})",
    "os.popen('echo ran').close() or os.execv('/bin/sh', ['sh'])",
    "open('x', 'w').write('#!/bin/sh'); os.chmod('x', 0o700); os.execv('./x', ['x'])",
    "fd = os.open('/bin/sh', os.O_RDONLY); os.execve(fd, ['sh', '-c', 'echo ran'], {})",
    "os.execv('/lib64/ld-linux-x86-64.so.2', ['ld', '/bin/sh'])",
    "fd = os.memfd_create('program'); os.write(fd, open('/bin/sh', 'rb').read()); os.execve(fd, ['sh'], {})",
]
SILENT_PROGRAMS = [
    "os.system('echo > ran')",
    "import multiprocessing as m\np = m.get_context('spawn').Process(target=open, args=('ran', 'w'))\n"
    "p.start()\np.join()",
    "libc.system(b'echo > ran')",
    "libc.popen(b'echo > ran', b'r')",
]


def orphan(kind: str) -> str:
    return "import signal, time\nif os.fork() == 0:\n" + indent(ORPHANS[kind] + "\nos._exit(0)", "    ")


@pytest.mark.parametrize("bomb", [BOMB, TREE_BOMB], ids=["row", "tree"])
def test_a_fork_bomb(anywhere: Arena, bomb: str) -> None:
    anywhere.attack(bomb, limits=WAITS)


def test_a_fork_bomb_leaves_others_room(full: Arena) -> None:
    with full.sessions(2) as (bomber, neighbour):
        error = bomber.run(BOMB).error
        assert error is not None
        assert error.splitlines()[-1].startswith("BlockingIOError")
        assert neighbour.run("os.fork() and None").status is Status.OK


def test_a_thread_bomb(anywhere: Arena) -> None:
    anywhere.attack(
        "import threading, time\nfor _ in range(1000): threading.Thread(target=time.sleep, args=(2,)).start()"
    )


def test_a_bomb_of_hopping_processes(anywhere: Arena) -> None:
    assert anywhere.attack(HOPS).status is Status.OK


def test_orphans_end_with_their_session(anywhere: Arena) -> None:
    with anywhere.sessions(len(ORPHANS)) as sessions:
        for session, kind in zip(sessions, ORPHANS, strict=True):
            before = named(anywhere.mark)
            assert session.run(orphan(kind)).status is Status.OK, kind
            assert named(anywhere.mark) - before, kind


@pytest.mark.parametrize("code", [ZOMBIES, MULTIPROCESSING], ids=["zombies", "multiprocessing"])
def test_children_that_nobody_waits_for(anywhere: Arena, code: str) -> None:
    assert anywhere.attack(code).status is Status.OK


@pytest.mark.parametrize("kind", ["own session", "deaf"])
def test_orphans_end_with_a_session_that_dies(anywhere: Arena, kind: str) -> None:
    with anywhere.session() as session:
        session.run(orphan(kind))
        assert session.run("os._exit(0)").status is Status.DIED
        assert gone(anywhere.mark)


def test_a_twin_does_not_keep_the_orphans_of_its_original(anywhere: Arena) -> None:
    with anywhere.session() as session:
        twin = session.fork()
        session.run(orphan("own session"))
        session.close()
        assert twin.run("1").text == "1\n"
        twin.close()
        assert gone(anywhere.mark)


def test_a_child_given_to_the_parent(anywhere: Arena) -> None:
    assert anywhere.attack(CLONE_PARENT, "1 + 1").text == "2\n"


def test_other_programs(arena: Arena) -> None:
    assert arena.allowed(*PROGRAMS) == {}


def test_programs_whose_start_tells_nothing(arena: Arena) -> None:
    with arena.session() as session:
        for code in SILENT_PROGRAMS:
            session.run(code)
        assert session.run("os.path.exists('ran')").text == "False\n"


@pytest.mark.parametrize("arena", ["full", pytest.param("reduced", marks=KILLED_SERVER)], indirect=True)
def test_nothing_outlives_a_server_that_is_killed(arena: Arena) -> None:
    """The session has cleared the signal that it would get at its parent's death, and hangs in C code."""
    mark = f"lost-{os.getpid()}"

    async def use() -> None:
        others = descendants()
        interpreter = open_interpreter(limits=LIMITS, isolation=arena.level)
        session = await interpreter.session(0)
        await session.run(PRELUDE.format(mark=mark, names={}) + orphan("no death signal"))
        hangs = asyncio.create_task(session.run("libc.prctl(1, 0, 0, 0, 0)\nlibc.sleep(600)"))
        await asyncio.sleep(0.2)
        os.kill(min(descendants() - others), signal.SIGKILL)
        with pytest.raises(InterpreterError, match="server died"):
            await hangs
        await interpreter.close()

    asyncio.run(use())
    try:
        assert gone(mark, within_s=3)
    finally:
        for pid in named(mark):
            os.kill(pid, signal.SIGKILL)
