"""The attack suite as an ordinary user, run by a suite that runs as root.

Its python is the system's, in an environment of its own (`make .venv-user/.done`): the project's may lie below a home
that nobody else can read. What it needs is copied to where it can. Level `none`, where the user hardly matters, is
left out.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-user"
USER = 65533
"""Nobody's number: no name, no group, no files."""
SUITES = ("attacks", "test_isolation.py", "test_conformance.py")
TIMEOUT_S = 600
ATTACKS_AT_LEAST = 50

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the suite runs as an ordinary user already"),
    pytest.mark.skipif(
        not (ENVIRONMENT / "bin/python").exists(), reason="no .venv-user: the system has no python3 of 3.11 or newer"
    ),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the user owns, with copies of the package, its tests and the environment."""
    with tempfile.TemporaryDirectory(prefix="cort-user-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        shutil.copytree(ENVIRONMENT, place / "env", symlinks=True)
        shutil.copytree(
            ROOT / "cort_data", place / "cort_data", ignore=shutil.ignore_patterns("weights", "__pycache__")
        )
        shutil.copytree(
            ROOT / "tests/interpreter", place / "tests/interpreter", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(ROOT / "pyproject.toml", place)
        home = place / "home"
        home.mkdir()
        os.chown(home, USER, USER)
        yield place


def test_the_attacks_as_an_ordinary_user(place: Path) -> None:
    report = place / "home" / "report.xml"
    done = subprocess.run(
        [
            *(place / "env/bin/python", "-B", "-m", "pytest", "-p", "no:cacheprovider"),
            *("-k", "not jupyter and not remote and not none", f"--junitxml={report}"),
            *(place / "tests/interpreter" / suite for suite in SUITES),
        ],
        cwd=place,
        env={"PATH": os.defpath, "HOME": str(place / "home"), "TMPDIR": str(place / "home"), "PYTHONPATH": str(place)},
        user=USER,
        group=USER,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = _passed(report)
    for level in _levels():
        assert sum(f"[{level}" in name for name in passed) >= ATTACKS_AT_LEAST, level


def _levels() -> list[str]:
    """Those that an ordinary user of this machine can have."""
    namespaces = subprocess.run(
        ["/usr/bin/unshare", "--user", "--net", "true"], user=USER, group=USER, extra_groups=[], check=False
    )
    return ["full", "reduced"] if namespaces.returncode == 0 else ["reduced"]


def _passed(report: Path) -> list[str]:
    cases = ElementTree.parse(report).iter("testcase")
    return [case.get("name", "") for case in cases if not len(case)]
