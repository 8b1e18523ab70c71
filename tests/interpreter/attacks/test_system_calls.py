"""Raw system calls, by ctypes, past everything that Python's own modules check."""

import platform

import pytest

from .arena import Arena

COLUMN = 0 if platform.machine() == "x86_64" else 1
CALLS = {  # numbers on x86_64 and aarch64, arguments; all are refused whatever the arguments, so these can do no harm
    "execve": (59, 221, "b'/bin/true', 0, 0"),
    "execveat": (322, 281, "-100, b'/bin/true', 0, 0, 0"),
    "socket": (41, 198, "2, 1, 0"),
    "unshare user": (272, 97, "0x10000000"),
    "unshare network": (272, 97, "0x40000000"),
    "unshare nothing": (272, 97, "0"),
    "setns": (308, 268, "0, 0"),
    "mount": (165, 40, "0, b'.', b'tmpfs', 0, 0"),
    "umount2": (166, 39, "b'.', 2"),
    "pivot_root": (155, 41, "b'.', b'.'"),
    "chroot": (161, 51, "b'.'"),
    "open_tree": (428, 428, "-100, b'/', 1"),
    "fsopen": (430, 430, "b'tmpfs', 0"),
    "memfd_create": (319, 279, "b'x', 0"),
    "memfd_secret": (447, 447, "0"),
    "shmget": (29, 194, "0, 4096, 0o1600"),
    "msgget": (68, 186, "0, 0o1600"),
    "semget": (64, 190, "0, 1, 0o1600"),
    "mq_open": (240, 180, "b'x', 0o100, 0o600, 0"),
    "bpf": (321, 280, "0, 0, 0"),
    "perf_event_open": (298, 241, "0, 0, -1, -1, 0"),
    "userfaultfd": (323, 282, "1"),
    "io_uring_setup": (425, 425, "1, 0"),
    "io_uring_enter": (426, 426, "0, 0, 0, 0"),
    "io_uring_register": (427, 427, "0, 0, 0, 0"),
    "keyctl": (250, 219, "0, -3, 0"),
    "add_key": (248, 217, "b'user', b'x', b'x', 1, -3"),
    "request_key": (249, 218, "b'user', b'x', 0, 0"),
    "fanotify_init": (300, 262, "0, 0"),
    "name_to_handle_at": (303, 264, "-100, b'.', 0, 0, 0"),
    "open_by_handle_at": (304, 265, "-100, 0, 0"),
    "clock_settime": (227, 112, "0, 0"),
    "settimeofday": (164, 170, "0, 0"),
    "adjtimex": (159, 171, "0"),
    "clock_adjtime": (305, 266, "0, 0"),
    "sethostname": (170, 161, "0, 0"),
    "setdomainname": (171, 162, "0, 0"),
    "syslog": (103, 116, "3, 0, 0"),
    "acct": (163, 89, "0"),
    "personality": (135, 92, "0xffffffff"),
    "quotactl": (179, 60, "0, 0, 0, 0"),
    "init_module": (175, 105, "0, 0, 0"),
    "setpriority": (141, 140, "0, 0, 19"),
    "sched_setscheduler": (144, 119, "0, 0, 0"),
    "sched_setattr": (314, 274, "0, 0, 0"),
    "ioprio_set": (251, 30, "1, 0, 0"),
    "mbind": (237, 235, "0, 0, 0, 0, 0, 0"),
    "set_mempolicy": (238, 237, "0, 0, 0"),
}
CLONES = {
    "user": 0x10000000,
    "mount": 0x00020000,
    "process": 0x20000000,
    "network": 0x40000000,
    "cgroup": 0x02000000,
    "ipc": 0x08000000,
    "host name": 0x04000000,
}
ENOSYS = 38
RIGHTS = [
    "os.setuid(0)",
    "os.setgid(0)",
    "os.seteuid(0)",
    "os.setresuid(0, 0, 0)",
    "os.setgroups([0])",
    "os.setgroups([])",
]
CAPABILITIES = """
import struct
header = ctypes.create_string_buffer(struct.pack('=Ii', 0x20080522, 0), 8)
data = ctypes.create_string_buffer(24)
"""
CAPGET, CAPSET = ((125, 126), (90, 91))[COLUMN]


def test_refused_calls(arena: Arena) -> None:
    with arena.session() as session:
        answers = {
            name: session.run(f"call({numbers[COLUMN]}, {numbers[2]})").feedback for name, numbers in CALLS.items()
        }
    assert {name: answer for name, answer in answers.items() if answer != "1"} == {}


def test_clones_into_namespaces(arena: Arena) -> None:
    number = (56, 220)[COLUMN]
    with arena.session() as session:
        session.run("pid = os.getpid()")
        for kind, flag in CLONES.items():
            code = f"answer = call({number}, {flag | 17}, 0, 0, 0, 0)\nos.getpid() == pid or os._exit(0)\nanswer"
            assert session.run(code).text == "1\n", kind


def test_clone3_hides_its_flags_and_is_not_there(arena: Arena) -> None:
    assert arena.attack("call(435, 0, 0)").text == f"{ENOSYS}\n"


@pytest.mark.skipif(COLUMN != 0, reason="only x86_64 has a second table of calls")
def test_the_second_table_of_calls_is_not_there(arena: Arena) -> None:
    assert arena.attack(f"call({0x40000000 + 41}, 2, 1, 0)").text == f"{ENOSYS}\n"


def test_another_user(arena: Arena) -> None:
    """Setting what it is already is no gain: what counts is that nobody becomes root and no group is joined."""
    with arena.session() as session:
        before = session.run("os.getresuid(), os.getresgid(), os.getgroups()").text
        for code in RIGHTS:
            session.run(code)
        assert session.run("os.getresuid(), os.getresgid(), os.getgroups()").text == before


def test_no_capability_is_left_or_comes_back(arena: Arena) -> None:
    with arena.session() as session:
        session.run(CAPABILITIES)
        assert session.run(f"call({CAPGET}, header, data), data.raw == bytes(24)").text == "(0, True)\n"
        session.run("everything = ctypes.create_string_buffer(b'\\xff' * 8 + bytes(4) + b'\\xff' * 8 + bytes(4), 24)")
        assert session.run(f"call({CAPSET}, header, everything)").text == "1\n"
        assert session.run("libc.prctl(47, 2, 21, 0, 0)").text == "-1\n"  # raise an ambient capability
        assert session.run(f"call({CAPGET}, header, data), data.raw == bytes(24)").text == "(0, True)\n"


def test_the_filters_cannot_be_taken_off(arena: Arena) -> None:
    code = (
        "libc.prctl(38, 0, 0, 0, 0), libc.prctl(22, 0, 0, 0, 0), libc.prctl(39, 0, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0)"
    )
    assert arena.attack(code, "call(41, 2, 1, 0)" if COLUMN == 0 else "call(198, 2, 1, 0)").text == "1\n"


def test_they_hold_in_children_and_threads(arena: Arena) -> None:
    number = (41, 198)[COLUMN]
    child = f"pid = os.fork()\nif pid == 0:\n    os._exit(call({number}, 2, 1, 0))\nos.waitpid(pid, 0)[1] >> 8"
    assert arena.attack(child).text == "1\n"
    thread = (
        f"import threading\nt = threading.Thread(target=lambda: print(call({number}, 2, 1, 0)))\nt.start(); t.join()"
    )
    assert arena.attack(thread).text == "1\n"
