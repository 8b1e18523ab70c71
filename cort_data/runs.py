"""The run directory: one process at a time, one folder a stage, a manifest that is written last.

    RUN/recipe.yaml            the resolved recipe of the last start
    RUN/run.lock               held while a process works here
    RUN/STAGE/key.json         what shaped the stage's results: its options, its inputs, its version
    RUN/STAGE/engine.json      what the engine can do, as it was found when it was last opened
    RUN/STAGE/…                the results: trace shards, JSONL, Parquet
    RUN/STAGE/manifest.json    counts and provenance; present means complete

A stage is entered with its key. The same key goes on with what is there. Another key is refused, naming what changed,
where the results are dear (traces), and starts the stage afresh where they are cheap (filters, data set).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from cort_data.engines.capabilities import Capabilities
from cort_data.errors import RunError
from cort_data.recipe import Recipe, StageName

Key = Mapping[str, Any]


class RunDirectory:
    """A run that this process works on; a context manager that holds the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        if self.path.is_dir() and any(self.path.iterdir()) and not (self.path / "run.lock").exists():
            raise RunError(f"{self.path} is not empty and not a run; name a new folder with --run-dir")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "run.lock").open("a+")
        except OSError as error:
            raise RunError(f"{self.path}: cannot be used as a run directory ({error.strerror})") from None
        self._take_lock(self._lock)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def save_recipe(self, recipe: Recipe) -> None:
        """Write the resolved recipe down."""
        write_atomically(self.path / "recipe.yaml", recipe.to_yaml())

    def stage(self, name: StageName, part: str = "") -> StageFolder:
        """A stage's folder; `part` where a stage has several (one a model)."""
        return StageFolder(self.path / name / part)

    def inside(self, path: str) -> str:
        """A path from this run's folder on, so that it holds when the run is moved; others, and names, as they are."""
        return str(Path(path).relative_to(self.path)) if Path(path).is_relative_to(self.path) else path

    def fork_from(self, other: Path, before: StageName) -> None:
        """Copy the stages that come before `before` from another run into this empty one."""
        if not (other / "recipe.yaml").is_file():
            raise RunError(f"--from {other}: not a run (no recipe.yaml there)")
        if any((self.path / name).exists() for name in StageName):
            raise RunError(f"{self.path} already has stages; a fork needs a new --run-dir")
        for name in list(StageName)[: list(StageName).index(before)]:
            if (other / name).is_dir():
                shutil.copytree(other / name, self.path / name)

    def _take_lock(self, lock: IO[str]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise RunError(
                f"{self.path} is in use by process {holder}; wait for it, or name another --run-dir"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()


@dataclass(frozen=True)
class StageFolder:
    """The results of one stage, and the key under which they were made."""

    path: Path

    def check(self, key: Key) -> None:
        """Raises RunError if results are there that were made under another key."""
        changed = self.changes(key)
        if changed:
            raise RunError(
                f"{self.path} was made with other settings and they are not mixed: {'; '.join(changed)}; "
                "set them back, or name a new --run-dir"
            )

    def enter(self, key: Key) -> None:
        """Go on under this key, or start afresh if nothing is there. Raises RunError like `check`."""
        self.check(key)
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / "key.json", json.dumps(key, indent=2, ensure_ascii=False) + "\n")

    def enter_afresh(self, key: Key) -> list[str]:
        """Go on under this key; clear away results of another one. Returns what changed."""
        changed = self.changes(key)
        if changed:
            shutil.rmtree(self.path)
        self.enter(key)
        return changed

    def key(self) -> dict[str, Any] | None:
        """The recorded key; None if the stage was never entered."""
        return self._load("key.json")

    def changes(self, key: Key) -> list[str]:
        """`name old → new` for each difference between the recorded key and this one."""
        recorded = self.key()
        if recorded is None:
            return []
        old, new = _flat(recorded), _flat(json.loads(json.dumps(key)))
        names = [name for name in {**old, **new} if old.get(name, _ABSENT) != new.get(name, _ABSENT)]
        return [f"{name} {_show(old, name)} → {_show(new, name)}" for name in names]

    def save_engine(self, capabilities: Capabilities) -> None:
        """Write down what the engine can do."""
        write_atomically(self.path / "engine.json", capabilities.model_dump_json(indent=2) + "\n")

    def manifest(self) -> dict[str, Any] | None:
        """The manifest of a complete stage; None while it is not complete."""
        return self._load("manifest.json")

    def reopen(self) -> None:
        """The stage is not complete any more: more is to be added."""
        (self.path / "manifest.json").unlink(missing_ok=True)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Declare the stage complete."""
        write_atomically(self.path / "manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")

    def _load(self, name: str) -> dict[str, Any] | None:
        try:
            tree: dict[str, Any] = json.loads((self.path / name).read_text("utf-8"))
        except FileNotFoundError:
            return None
        return tree


def write_atomically(path: Path, text: str) -> None:
    """The file has its old content or the whole new one, whatever happens. Raises RunError."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); make room and start again") from None


_ABSENT = object()


def _flat(tree: Any, name: str = "") -> dict[str, Any]:  # noqa: ANN401 - a tree of JSON values
    """Leaves by dotted path."""
    if isinstance(tree, dict) and tree:
        return {k: v for key, sub in tree.items() for k, v in _flat(sub, f"{name}.{key}" if name else key).items()}
    if isinstance(tree, list) and tree:
        return {k: v for i, sub in enumerate(tree) for k, v in _flat(sub, f"{name}.{i}").items()}
    return {name: tree}


def _show(leaves: Mapping[str, Any], name: str) -> str:
    text = json.dumps(leaves[name], ensure_ascii=False) if name in leaves else "(none)"
    return text if len(text) <= 60 else text[:59] + "…"
