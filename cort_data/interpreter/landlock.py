"""Landlock: which files a session may touch, by ctypes (three system calls).

What the running kernel's version cannot restrict is left out, and `VERSION_SIGNALS` says from which version on signals
stay inside a session's own family.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from cort_data.interpreter import kernel

VERSION_SIGNALS = 6

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


def restrict(read: Iterable[str], write: Iterable[str]) -> None:
    """Allow reading beneath `read`, everything but making devices beneath `write`, and no other file.

    It holds for good, children included.
    """
    known = version()
    handled = _ALL_FILES[min(known, max(_ALL_FILES))]
    ruleset = _create(known, handled)
    try:
        for path in read:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for path in write:
            _allow(ruleset, path, handled & ~_MAKE_DEVICES)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.syscall("landlock_restrict_self", _RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _create(known: int, handled: int) -> int:
    fields = [handled]
    if known >= 4:
        fields.append(_ALL_TCP)
    if known >= VERSION_SIGNALS:
        fields.append(_ALL_SCOPES)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return kernel.syscall("landlock_create_ruleset", _CREATE, buffer, len(attributes), 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Add a rule; a path that does not exist needs none."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _ON_FILES & _ALL_FILES[min(version(), max(_ALL_FILES))]
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, fd), 12)
        kernel.syscall("landlock_add_rule", _ADD, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(fd)
