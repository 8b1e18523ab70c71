"""The files that Python and its libraries read: all that an isolated session sees beside its scratch folder."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_SYSTEM = (
    "/usr",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/localtime",
)


@cache
def readable() -> tuple[str, ...]:
    """Folders and files; none lies inside another one of the list. The server asks first, its sessions inherit it."""
    package = Path(__file__).parents[2]
    found = [*_SYSTEM, str(package)]
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}:
        found += [prefix, os.path.realpath(prefix)]
    found += [entry for entry in sys.path if entry and entry != str(package.parent)]
    existing = sorted({path for path in found if os.path.exists(path) and path != "/"})
    return tuple(path for path in existing if not _inside_another(path, existing))


def without_links() -> tuple[str, ...]:
    """The same places by their real paths, so that `/lib` is no second name for a part of `/usr`."""
    real = sorted({os.path.realpath(path) for path in readable()})
    return tuple(path for path in real if not _inside_another(path, real))


def _inside_another(path: str, paths: list[str]) -> bool:
    return any(path.startswith(other + "/") for other in paths)
