"""What this machine's kernel offers for isolation, and how to get what is missing; `cort doctor` prints it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from cort_data.interpreter.isolation import kernel, landlock, namespaces, seccomp

PROBE_S = 60


class Feature(NamedTuple):
    """One thing that a level of isolation needs."""

    name: str
    available: bool
    how: str
    """What it gives where it is available; elsewhere, how to get it."""


def isolation_report() -> list[Feature]:
    """The features behind `full` and `reduced`, tried out in a process of their own, then the levels themselves."""
    problem = _namespaces_problem() if kernel.is_linux() else "this is not Linux"
    version, calls = landlock.version(), seccomp.supported()
    files = version > 0
    return [
        _feature(
            "namespaces",
            not problem,
            "no network, no processes and no files of the machine",
            f"{problem}; allow user namespaces: sysctl -w user.max_user_namespaces=10000 "
            "kernel.apparmor_restrict_unprivileged_userns=0, or start the container with --privileged",
        ),
        _feature("landlock", files, f"version {version}", "Linux 5.13 or newer with landlock in its lsm= list"),
        _feature("seccomp", calls, "no programs, no sockets, no signals to others", "Linux on x86_64 or aarch64"),
        _feature("isolation full", not problem and files and calls, "the default", "namespaces, landlock and seccomp"),
        _feature("isolation reduced", files and calls, "--isolation reduced", "landlock and seccomp"),
    ]


def _feature(name: str, available: bool, gives: str, how: str) -> Feature:
    return Feature(name, available, gives if available else how)


def strongest_without_namespaces() -> str:
    """The level to fall back to where `full` is refused."""
    return "reduced" if landlock.version() and seccomp.supported() else "none"


def _namespaces_problem() -> str:
    """What stops the server's namespaces here; empty when nothing does."""
    probe = "import sys; from cort_data.interpreter.isolation import report; report.try_namespaces(sys.argv[1])"
    with tempfile.TemporaryDirectory(prefix="cort-", ignore_cleanup_errors=True) as root:
        done = subprocess.run(
            [sys.executable, "-P", "-c", probe, root],
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            check=False,
            env={"PYTHONPATH": str(Path(__file__).parents[3])},
        )
    return " ".join(done.stderr.split()) if done.returncode else ""


def try_namespaces(root: str) -> None:
    """Enter the namespaces and end; SystemExit says what went wrong."""
    try:
        namespaces.enter(root)
    except OSError as exc:
        raise SystemExit(str(exc)) from exc
