"""Signals to others, tracing and reading others' memory, clocks, priorities and limits."""

import os
import platform

import pytest

from cort_data.interpreter import Status

from ..processes import descendants
from .arena import LIMITS, WAITS, Arena, Attacker

SIGNALS = [
    "os.kill(CANARY_PID, 9)",
    "os.kill(CANARY_PID, 19)",
    "os.kill(CANARY_PID, 0)",
    "os.killpg(CANARY_PID, 9)",
    "os.kill(SERVER_PID, 0)",
    "os.kill(SERVER_PID, 2)",
    "os.kill(os.getppid() or 1, 0)",
    "os.kill(os.getppid() or 1, 2)",
    "os.kill(1, 0)",
    "import signal; signal.pidfd_send_signal(os.pidfd_open(CANARY_PID), 9)",
    "import signal; signal.pidfd_send_signal(os.pidfd_open(os.getppid() or 1), 2)",
]
TRACES = [
    "open(f'/proc/{CANARY_PID}/mem', 'rb').read(1)",
    "open(f'/proc/{os.getppid() or 1}/mem', 'rb').read(1)",
    "open('/proc/self/mem', 'rb').read(1)",
    "os.stat(f'/proc/{CANARY_PID}/exe') and os.readlink(f'/proc/{CANARY_PID}/exe') and open('/proc/self/exe').read(1)",
]
X86 = platform.machine() == "x86_64"
TRACING_CALLS = {  # name: number on x86_64, on aarch64, arguments
    "ptrace attach": (101, 117, "16, {0}, 0, 0"),
    "ptrace seize": (101, 117, "0x4206, {0}, 0, 0"),
    "process_vm_readv": (310, 270, "{0}, 0, 0, 0, 0, 0"),
    "process_vm_writev": (311, 271, "{0}, 0, 0, 0, 0, 0"),
    "kcmp": (312, 272, "os.getpid(), {0}, 0, 0, 0"),
    "process_madvise": (440, 440, "0, 0, 0, 4, 0"),
    "pidfd_getfd": (438, 438, "0, 0, 0"),
    "move_pages": (279, 239, "{0}, 0, 0, 0, 0, 0"),
    "migrate_pages": (256, 238, "{0}, 0, 0, 0"),
}
CLOCKS = [
    "import time; time.clock_settime(time.CLOCK_REALTIME, time.time())",
    "os.setpriority(os.PRIO_PROCESS, 0, -5)",
    "os.setpriority(os.PRIO_PROCESS, CANARY_PID, 5)",
    "os.setpriority(os.PRIO_USER, 0, 5)",
    "os.nice(-5)",
    "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))",
    "os.sched_setscheduler(CANARY_PID, os.SCHED_IDLE, os.sched_param(0))",
    "os.sched_setaffinity(CANARY_PID, os.sched_getaffinity(0))",
    "os.sched_setaffinity(os.getppid() or 1, os.sched_getaffinity(0))",
    "os.sched_setaffinity(SERVER_PID, os.sched_getaffinity(0))",
]
LIMITS_OF_OTHERS = [  # asked for, then set to what they are
    f"import resource as r; r.prlimit({pid}, r.RLIMIT_CORE, r.prlimit({pid}, r.RLIMIT_CORE))"
    for pid in ("CANARY_PID", "SERVER_PID", "(os.getppid() or 1)")
]
RAISES = [
    f"import resource; resource.setrlimit(resource.RLIMIT_{name}, (-1, -1))"
    for name in ("AS", "NOFILE", "FSIZE", "CORE", "NPROC", "RTPRIO", "NICE", "MEMLOCK")
]
OTHERS_NUMBERS = """
def reached(call, pid):
    try:
        call(pid, 0)
    except OSError:
        return False
    return True

others = set(range(1, 5000)) - {os.getpid(), os.getpgid(0)}
[pid for pid in others if reached(os.kill, pid) or pid > 1 and reached(os.killpg, pid)]
"""


def test_signals_to_others(arena: Arena) -> None:
    assert arena.allowed(*SIGNALS) == {}


def require_process_namespace(attacker: Attacker) -> None:
    """Stops a test that would aim at the machine's own processes."""
    assert int(attacker.run("os.getpid()").text) not in descendants()


def test_every_number_of_the_process_namespace(full: Arena) -> None:
    """Tried with 0, which asks whether a signal would be let through, and only where the numbers are not the host's."""
    with full.sessions(2) as (attacker, _other):
        require_process_namespace(attacker)
        assert attacker.run(OTHERS_NUMBERS).text == "[]\n"


def test_everyone_at_once(full: Arena) -> None:
    """Only where there is a process namespace: elsewhere a failure would end the machine."""
    with full.sessions(2) as (attacker, other):
        require_process_namespace(attacker)
        assert other.run("x = 1").status is Status.OK
        attacker.run("os.kill(-1, 9)")
        result = other.run("x")
        assert (result.text, result.state_lost) == ("1\n", False)


def stays(attacker: Attacker, victim: Attacker, number: int) -> None:
    """The attacker's signals to the victim's number, group and descriptor do not reach it."""
    assert victim.run("x = 1").status is Status.OK
    pid = victim.run("os.getpid()").text.strip()
    if pid == attacker.run("os.getpid()").text.strip():  # each has numbers of its own: there is none to try
        return
    for reach in (f"os.kill({pid}, {number})", f"os.killpg({pid}, {number})"):
        attacker.run(reach)
    attacker.run(f"import signal; signal.pidfd_send_signal(os.pidfd_open({pid}), {number})")
    result = victim.run("x")
    assert (result.text, result.state_lost) == ("1\n", False)


@pytest.mark.parametrize("number", [9, 11, 19])
def test_another_session(arena: Arena, number: int) -> None:
    with arena.sessions(2, WAITS) as (attacker, other):
        stays(attacker, other, number)


@pytest.mark.parametrize("number", [9, 11])
def test_a_twin(arena: Arena, number: int) -> None:
    with arena.session(WAITS) as session:
        stays(session, session.fork(), number)


def test_the_original_of_a_twin(arena: Arena) -> None:
    with arena.session(WAITS) as session:
        stays(session.fork(), session, 9)


def test_its_own_group_is_its_own_affair(anywhere: Arena) -> None:
    with anywhere.session() as session:
        twin = session.fork()
        assert session.run("os.killpg(0, 9)").state_lost
        assert twin.run("1").text == "1\n"


def test_tracing_by_files(arena: Arena) -> None:
    assert arena.allowed(*TRACES) == {}


@pytest.mark.parametrize("target", ["CANARY_PID", "os.getppid() or 1", "1"])
def test_tracing_by_calls(arena: Arena, target: str) -> None:
    codes = {
        name: f"call({here if X86 else there}, {arguments.format(target)})"
        for name, (here, there, arguments) in TRACING_CALLS.items()
    }
    with arena.session() as session:
        assert {name: session.run(code).text for name, code in codes.items()} == dict.fromkeys(codes, "1\n")


def test_tracing_a_twin(arena: Arena) -> None:
    with arena.session() as session:
        pid = session.fork().run("os.getpid()").text.strip()
        assert session.run(f"libc.prctl(0x59616d61, -1, 0, 0, 0), call({101 if X86 else 117}, 16, {pid}, 0, 0)").text[
            -4:
        ] == (" 1)\n")


def test_the_limits_of_others(arena: Arena) -> None:
    assert arena.allowed(*LIMITS_OF_OTHERS) == {}


def test_clocks_and_priorities(arena: Arena) -> None:
    assert arena.allowed(*CLOCKS) == {}


def test_limits_cannot_be_raised(arena: Arena) -> None:
    assert arena.allowed(*RAISES) == {}


def test_memory_cannot_be_had_by_raising_its_soft_limit(anywhere: Arena) -> None:
    code = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)\n"
    result = anywhere.attack(f"{code}x = bytearray({LIMITS.memory_mb + 100} << 20)")
    assert result.status is Status.MEMORY


def test_no_core_is_dumped(anywhere: Arena) -> None:
    anywhere.attack("ctypes.string_at(0)")
    assert not [name for name in os.listdir() if name.startswith("core")]
