"""Landlock: which files a session may touch, by ctypes (three system calls).

What the running kernel's version cannot restrict is left out.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from cort_data.interpreter.isolation import kernel

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_ASK_VERSION = 1
_RULE_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_ALL_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_MAKE_DEVICES = 1 << 6 | 1 << 11
_ALL_TCP = 0b11  # bind, connect; from version 4
_ALL_SCOPES = 0b11  # abstract unix sockets, signals; from version 6
_ON_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE | 1 | 1 << 15  # rights that a rule on a single file may name


def version() -> int:
    """The kernel's Landlock version; 0 when it has none."""
    if not kernel.is_linux():
        return 0
    try:
        return kernel.syscall("landlock_create_ruleset", _CREATE, None, 0, _ASK_VERSION)
    except OSError:
        return 0


class Rules:
    """Which files may be touched, prepared once and laid on many processes."""

    def __init__(self, read: Iterable[str], write: Iterable[str]) -> None:
        """Reading beneath `read`; everything but making devices beneath `write`. What does not exist needs no rule."""
        known = version()
        self._handled = _ALL_FILES[min(known, max(_ALL_FILES))]
        self._attributes = _attributes(known, self._handled)
        self._rules = [self._rule(path, _READ_FILE | _READ_DIR) for path in read if os.path.exists(path)]
        self._rules += [self._rule(path, self._handled & ~_MAKE_DEVICES) for path in write if os.path.exists(path)]

    def restrict(self, folder: str) -> None:
        """Allow this process the rules, everything but making devices beneath `folder`, and no other file.

        It holds for good, children included.
        """
        ruleset = kernel.syscall("landlock_create_ruleset", _CREATE, self._attributes, len(self._attributes), 0)
        for rule in [*self._rules, self._rule(folder, self._handled & ~_MAKE_DEVICES)]:
            kernel.syscall("landlock_add_rule", _ADD, ruleset, _RULE_PATH_BENEATH, rule, 0)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.syscall("landlock_restrict_self", _RESTRICT, ruleset, 0)

    def _rule(self, path: str, rights: int) -> ctypes.Array[ctypes.c_char]:
        """Holds an open descriptor of `path` for as long as the process that made it lives or keeps its descriptors."""
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _ON_FILES & self._handled
        return ctypes.create_string_buffer(struct.pack("=Qi", rights, fd), 12)


def _attributes(known: int, handled: int) -> ctypes.Array[ctypes.c_char]:
    fields = [handled]
    if known >= 4:
        fields.append(_ALL_TCP)
    if known >= 6:
        fields.append(_ALL_SCOPES)
    packed = struct.pack(f"={len(fields)}Q", *fields)
    return ctypes.create_string_buffer(packed, len(packed))
