"""What this machine has of what cort can use, and how to get what is missing. Secrets are never shown."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import get_args

from cort_data.data import Kind, data_dir
from cort_data.errors import CortError

MIN_PYTHON = (3, 11)
MIN_FREE_GB = 1.0
EXTRAS = {"train": ("torch", "transformers", "trl", "peft", "accelerate")}
NANO_MODELS = ("teacher", "student", "null")
WEIGHTS = Path(__file__).parent / "nano" / "weights"


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    MISSING = "missing"  # needed by the shipped recipes
    OPTIONAL = "not there"  # only some work needs it


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report: what was found, or how to get it."""

    name: str
    state: State
    detail: str


def examine(folder: Path) -> list[Check]:
    """All checks, for a run in `folder`."""
    return [
        _python(),
        *(_extra(name, packages) for name, packages in EXTRAS.items()),
        *_torch(),
        *_isolation(),
        _disk(folder),
        *(_data(kind) for kind in get_args(Kind)),
        *(_weights(name) for name in NANO_MODELS),
        _hub_token(),
        _server_key(),
    ]


def _python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info >= MIN_PYTHON:
        return Check("python", State.OK, found)
    wanted = ".".join(str(part) for part in MIN_PYTHON)
    return Check("python", State.MISSING, f"{found}; install Python {wanted} or newer")


def _extra(name: str, packages: tuple[str, ...]) -> Check:
    found = {package: _version(package) for package in packages}
    missing = [package for package, number in found.items() if number is None]
    if missing:
        return Check(
            f"extra {name}",
            State.MISSING,
            f'no {", ".join(missing)}; pip install "cort-data[{name}]" (models in process, training)',
        )
    return Check(f"extra {name}", State.OK, ", ".join(f"{p} {number}" for p, number in found.items()))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _torch() -> list[Check]:
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    threads = f"{torch.get_num_threads()} of {os.cpu_count()} cores; OMP_NUM_THREADS sets it"
    capability = torch.backends.cpu.get_cpu_capability()
    return [
        Check("torch threads", State.OK, threads),
        Check("torch on CPU", State.OK, f"{capability}; bf16 or float32 is measured when an engine starts"),
        _cuda(),
    ]


def _cuda() -> Check:
    import torch

    if torch.cuda.is_available():
        return Check("CUDA", State.OK, torch.cuda.get_device_name())
    why = "torch is built without it" if torch.version.cuda is None else "no device answers"
    return Check("CUDA", State.OPTIONAL, f"{why}; the nano models need none, larger ones a GPU or a model server")


def _isolation() -> list[Check]:
    from cort_data.interpreter import isolation_report

    return [
        Check(f"interpreter: {name}", State.OK if there else _absent(name), how)
        for name, there, how in isolation_report()
    ]


def _absent(feature: str) -> State:
    """The shipped recipes ask for full isolation; the rest says why it is not to be had."""
    return State.MISSING if feature == "isolation full" else State.OPTIONAL


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free / 1e9
    if free >= MIN_FREE_GB:
        return Check("disk", State.OK, f"{free:.0f} GB free in the current folder")
    return Check("disk", State.MISSING, f"{free:.1f} GB free in the current folder; a run needs {MIN_FREE_GB:g} GB")


def _data(kind: Kind) -> Check:
    try:
        folder = data_dir(kind)
    except CortError as error:
        return Check(kind, State.MISSING, f"{error}")
    return Check(kind, State.OK, f"{sum(path.is_file() for path in folder.rglob('*'))} files")


def _weights(name: str) -> Check:
    file = WEIGHTS / name / "model.safetensors"
    if file.is_file():
        return Check(f"nano-{name}", State.OK, f"{file.stat().st_size / 1e6:.1f} MB of weights")
    return Check(
        f"nano-{name}", State.MISSING, "no weights in the package; install it again, or: cort nano train --help"
    )


def _hub_token() -> Check:
    from huggingface_hub import get_token

    if get_token():
        return Check("Hugging Face token", State.OK, "set")
    return Check("Hugging Face token", State.OPTIONAL, "only publishing and gated models need it; hf auth login")


def _server_key() -> Check:
    if os.environ.get("OPENAI_API_KEY"):
        return Check("OPENAI_API_KEY", State.OK, "set")
    return Check("OPENAI_API_KEY", State.OPTIONAL, "only servers that ask for a key need it; export OPENAI_API_KEY=…")
