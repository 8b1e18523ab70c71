"""The system calls that a session is refused (EPERM, so that its code sees a PermissionError), as a seccomp filter.

A filter over everything Python and its libraries may call would break with the next library; this one names what a
session must not do. The namespaces and Landlock do not depend on it. It holds for all threads and children, for good.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from functools import cache

from cort_data.interpreter.isolation import kernel

_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column in the table, audit architecture

_REFUSED: dict[str, tuple[int | None, int | None]] = {  # numbers on x86_64 and aarch64
    # other programs
    "execve": (59, 221),
    "execveat": (322, 281),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "setsid": (112, 157),  # one kernel session is one share of the CPUs, whatever it starts
    # network and sockets (pairs stay)
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    # name spaces and mounts
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "fsconfig": (431, 431),
    "fspick": (433, 433),
    # memory outside of the limits, shared memory across sessions
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "vmsplice": (278, 75),
    # priority and placement
    "setpriority": (141, 140),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "ioprio_set": (251, 30),
    "move_pages": (279, 239),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "set_mempolicy": (238, 237),
    # the machine
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    "vhangup": (153, 58),
    # large or risky kernel surface
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
}
_SIGNALS: dict[str, tuple[int, int]] = {  # to the process itself alone
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
}
_ON_ITSELF: dict[str, tuple[int, int]] = {  # by its first argument, 0
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
}
_SOCKETPAIR = (53, 199)
_NOT_STREAM = 0xE  # the bits of the other types: a pair of datagrams can still send to any path
_FCNTL, _IOCTL = (72, 25), (16, 29)
_FCNTL_OWNERS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: have the kernel send any signal
_IOCTL_OWNERS = (0x8901, 0x8902, 0x5412)  # FIOSETOWN, SIOCSPGRP: the same; TIOCSTI types into a terminal
_KILL = (62, 129)  # as well to the process's own group
_SETPGID = (109, 154)  # a new group, never another's
_ATTRIBUTES: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_NAMESPACE_FLAGS = 0x7E020080

_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _MACHINE_AT, _FIRST_AT, _SECOND_AT = 0, 4, 16, 24
_REFUSE = _ERRNO | errno.EPERM
_FIRST_SESSION = 2
"""Number of the first session in a process namespace: its init is 1."""
_X32_BIT = 0x40000000


def supported() -> bool:
    """Whether the filter knows this machine's system calls."""
    return kernel.is_linux() and platform.machine() in _MACHINES


def prepare(*, attributes: bool) -> None:
    """Build the filter that most sessions need, so that they find it built."""
    _session_filter(_FIRST_SESSION, attributes)


def restrict(*, attributes: bool) -> None:
    """Install the filter in this process.

    `attributes` refuses changing the modes, owners and times of files, which Landlock does not cover, where no
    read-only mount does.
    """
    _session_filter(os.getpid(), attributes).install()


def refuse_signals() -> None:
    """For a twin, whose filter still lets it signal its original: no signals but to its own group."""
    _twin_filter().install()


class _Filter(ctypes.Structure):
    """A filter as the kernel takes it."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    def install(self) -> None:
        """Lay it on this process."""
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.prctl_pointer(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(self))


@cache
def _session_filter(pid: int, attributes: bool) -> _Filter:
    """Another architecture dies, refused numbers and clones into namespaces fail, signals go to `pid` alone."""
    column, audit = _MACHINES[platform.machine()]
    table = {**_REFUSED, **(_ATTRIBUTES if attributes else {})}
    refused = sorted(number for numbers in table.values() if (number := numbers[column]) is not None)
    return _filter(
        [
            _instruction(_LOAD, _MACHINE_AT),
            _instruction(_JUMP_EQUAL, audit, then=1),
            _instruction(_RETURN, _KILL_PROCESS),
            _instruction(_LOAD, _NUMBER_AT),
            *_return_if(_JUMP_GREATER_EQUAL, _X32_BIT, errno.ENOSYS),
            *_refuse_any(refused),
            # clone3 hides its flags in memory, where a filter cannot look; without it glibc falls back to clone
            *_return_if(_JUMP_EQUAL, _CLONE3[column], errno.ENOSYS),
            *(part for numbers in _SIGNALS.values() for part in _allow_if(numbers[column], (_FIRST_AT, (pid,)))),
            *_allow_if(_KILL[column], (_FIRST_AT, (pid, 0))),
            *(part for numbers in _ON_ITSELF.values() for part in _allow_if(numbers[column], (_FIRST_AT, (0,)))),
            *_refuse_second(_FCNTL[column], _JUMP_EQUAL, _FCNTL_OWNERS),
            *_refuse_second(_IOCTL[column], _JUMP_EQUAL, _IOCTL_OWNERS),
            *_refuse_second(_SOCKETPAIR[column], _JUMP_ANY_BIT, (_NOT_STREAM,)),
            *_allow_if(_SETPGID[column], (_FIRST_AT, (0,)), (_SECOND_AT, (0,))),
            _instruction(_JUMP_EQUAL, _CLONE[column], otherwise=3),
            _instruction(_LOAD, _FIRST_AT),
            *_return_if(_JUMP_ANY_BIT, _NAMESPACE_FLAGS, errno.EPERM),
            _instruction(_RETURN, _ALLOW),
        ]
    )


@cache
def _twin_filter() -> _Filter:
    """Laid over the filter of the session that it was forked from."""
    column, _ = _MACHINES[platform.machine()]
    return _filter(
        [
            _instruction(_LOAD, _NUMBER_AT),
            *(part for numbers in _SIGNALS.values() for part in _return_if(_JUMP_EQUAL, numbers[column], errno.EPERM)),
            *_allow_if(_KILL[column], (_FIRST_AT, (0,))),
            _instruction(_RETURN, _ALLOW),
        ]
    )


def _filter(instructions: list[bytes]) -> _Filter:
    return _Filter(len(instructions), b"".join(instructions))


def _refuse_any(numbers: list[int]) -> list[bytes]:
    """Refuse these calls, which are sorted; go on behind this with any other.

    A search tree: at its installation the kernel runs the filter once for every call that there is.
    """
    if len(numbers) <= 2:
        return [part for number in numbers for part in _return_if(_JUMP_EQUAL, number, errno.EPERM)]
    middle = len(numbers) // 2
    below, above = _refuse_any(numbers[:middle]), _refuse_any(numbers[middle:])
    return [
        _instruction(_JUMP_GREATER_EQUAL, numbers[middle], then=len(below) + 1),
        *below,
        _instruction(_JUMP, len(above)),
        *above,
    ]


def _allow_if(number: int, *tests: tuple[int, tuple[int, ...]]) -> list[bytes]:
    """Call `number` passes if at each place the argument is one of the values, and is refused else."""
    block = [part for at, values in tests for part in _require(at, values)]
    return [
        _instruction(_JUMP_EQUAL, number, otherwise=len(block) + 1),
        *block,
        _instruction(_RETURN, _ALLOW),
    ]


def _refuse_second(number: int, test: int, values: tuple[int, ...]) -> list[bytes]:
    """Call `number` is refused if the test of its second argument holds for one of the values, and passes else."""
    tests = [part for value in values for part in _return_if(test, value, errno.EPERM)]
    return [
        _instruction(_JUMP_EQUAL, number, otherwise=len(tests) + 2),
        _instruction(_LOAD, _SECOND_AT),
        *tests,
        _instruction(_RETURN, _ALLOW),
    ]


def _require(at: int, values: tuple[int, ...]) -> list[bytes]:
    """Go on behind this if the argument is one of the values."""
    count = len(values)
    return [
        _instruction(_LOAD, at),
        *(_instruction(_JUMP_EQUAL, value, then=count - index) for index, value in enumerate(values)),
        _instruction(_RETURN, _REFUSE),
    ]


def _return_if(test: int, value: int, error: int) -> list[bytes]:
    return [_instruction(test, value, otherwise=1), _instruction(_RETURN, _ERRNO | error)]


def _instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)
