"""What this machine's kernel offers for isolation, and how to get what is missing; `cort doctor` prints it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import NamedTuple

from cort_data.interpreter import kernel, landlock, namespaces, seccomp

PROBE_S = 60


class Feature(NamedTuple):
    """One thing that a level of isolation needs."""

    name: str
    available: bool
    how: str
    """How to get it; when it is there, what it gives."""


def isolation_report() -> list[Feature]:
    """The features behind `full` and `reduced`, tried out in a process of their own, then the levels themselves."""
    spaces = _namespaces_problem() if kernel.is_linux() else "this is not Linux"
    files, calls = landlock.version(), seccomp.supported()
    return [
        Feature(
            "namespaces",
            not spaces,
            f"{spaces}; allow unprivileged user namespaces (sysctl user.max_user_namespaces, "
            "kernel.apparmor_restrict_unprivileged_userns=0; in a container: --privileged)"
            if spaces
            else "sessions see no network, no processes and no files of the machine",
        ),
        Feature(
            "landlock",
            bool(files),
            f"version {files}" if files else "Linux 5.13 or newer with `landlock` in its lsm= list",
        ),
        Feature(
            "landlock signal scope",
            files >= landlock.VERSION_SIGNALS,
            "Linux 6.12 or newer; before, sessions may send no signals at all",
        ),
        Feature("seccomp", calls, "x86_64 or aarch64 Linux"),
        Feature("isolation full", not spaces and bool(files) and calls, "namespaces, landlock and seccomp"),
        Feature("isolation reduced", bool(files) and calls, "landlock and seccomp"),
    ]


def strongest_without_namespaces() -> str:
    """The level to fall back to where `full` is refused."""
    return "reduced" if landlock.version() and seccomp.supported() else "none"


def _namespaces_problem() -> str:
    """What stops the server's namespaces here; empty when nothing does."""
    with tempfile.TemporaryDirectory(prefix="cort-") as root:
        probe = subprocess.run(
            [sys.executable, "-P", "-m", "cort_data.interpreter.report", root],
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            check=False,
        )
    return " ".join(probe.stderr.split()) if probe.returncode else ""


def _probe(root: str) -> None:
    try:
        namespaces.enter(root)
    except OSError as exc:
        raise SystemExit(str(exc)) from exc


if __name__ == "__main__":
    _probe(sys.argv[1])
