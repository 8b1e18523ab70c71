"""The wheel holds what an installed cort needs: no checkout, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cort_data.doctor import NANO_MODELS

ROOT = Path(__file__).parent.parent
SOURCES = ("cort_data", "hints", "seeds", "pipelines", "pyproject.toml", "setup.py", "README.md", "LICENSE")
LIST = """
from pathlib import Path
import cort_data
from cort_data.data import data_dir
root = Path(cort_data.__file__).parent
for kind in ("hints", "seeds", "pipelines"):
    for path in data_dir(kind).rglob("*"):
        if path.is_file():
            print(kind + "/" + path.relative_to(data_dir(kind)).as_posix(), path.is_relative_to(root))
for path in root.rglob("*"):
    if path.is_file() and path.suffix not in (".py", ".pyc"):
        print("cort_data/" + path.relative_to(root).as_posix(), True)
"""


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build from a copy, install into an empty folder, and list what python finds from there."""
    base = tmp_path_factory.mktemp("wheel")
    source, target = base / "source", base / "target"
    source.mkdir()
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    pip("wheel", source, "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", base)
    (wheel,) = base.glob("*.whl")
    pip("install", wheel, "--no-deps", "--no-index", "--target", target)
    listed = subprocess.run(
        [sys.executable, "-P", "-c", LIST],
        env=os.environ | {"PYTHONPATH": str(target)},
        cwd=base,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.rsplit(" ", 1) for line in listed.stdout.splitlines()]
    assert all(inside == "True" for _, inside in rows), "found a file outside the installed package"
    return {name for name, _ in rows}


@pytest.mark.parametrize("kind", ["hints", "seeds", "pipelines"])
def test_the_wheel_holds_every_data_file(installed: set[str], kind: str) -> None:
    expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / kind).rglob("*") if path.is_file()}
    assert expected
    assert expected == {name for name in installed if name.startswith(f"{kind}/")}


@pytest.mark.parametrize("model", NANO_MODELS)
@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json", "seen_wordings.json"])
def test_the_wheel_holds_the_nano_models(installed: set[str], model: str, file: str) -> None:
    assert f"cort_data/nano/weights/{model}/{file}" in installed


def test_the_wheel_holds_what_the_package_reads(installed: set[str]) -> None:
    assert {"cort_data/py.typed", "cort_data/profiles/nano.yaml", "cort_data/nano/hints/by_hand.md"} <= installed


def test_the_wheel_holds_the_project_to_begin_with(installed: set[str]) -> None:
    files = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "cort_data/project/files").rglob("*") if path.is_file()
    }
    assert len(files) == 5
    assert files <= installed
