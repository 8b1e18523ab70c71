"""Traces on disk: append-only JSONL shards that survive a kill at any moment, and an index to read them by id.

A line is whole or torn; a torn last line is never read, and is cut before more is written. What is acknowledged is
on the disk within `SYNC_INTERVAL_S`. Shards are written in the order in which traces finish and read in the order
that the reader asks for, so that later stages do not depend on timing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cort_data.errors import RunError
from cort_data.trace import Problem, Trace

SHARD_BYTES = 64 * 2**20
SYNC_INTERVAL_S = 1.0
_HEAD = re.compile(rb'\{"schema_version":\d+,"id":"([^"\\]+)","problem":')
FAILED = frozenset({"engine_error", "interpreter_error"})
_FAILED = re.compile(rb'"stop_reason":"(%s)"' % "|".join(sorted(FAILED)).encode())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trace stands, and what tells whether it still belongs to the run."""

    shard: int
    offset: int
    problem: bytes
    """Digest of the problem that it was written for."""
    failed: bool
    """The engine or the interpreter failed: a resumed run writes it again."""


def problem_digest(problem: Problem) -> bytes:
    """8 bytes over the whole problem."""
    return _digest(json.loads(problem.model_dump_json()))


def _digest(problem: dict[str, str]) -> bytes:
    """Empty fields do not count: a trace that was written before a field existed still belongs to its problem."""
    filled = {name: value for name, value in problem.items() if value}
    return hashlib.sha256(json.dumps(filled, sort_keys=True).encode()).digest()[:8]


class TraceStore:
    """The traces of one stage. One process writes at a time (the run's lock sees to that)."""

    def __init__(self, folder: Path, *, shard_bytes: int = SHARD_BYTES) -> None:
        self.folder = folder
        self.index: dict[str, Place] = {}
        self._shard_bytes = shard_bytes
        self._file: int | None = None
        self._synced = time.monotonic()
        self._number = 0
        self._size = 0
        for number, path in enumerate(self._shards()):
            self._number, self._size = number, self._scan(number, path)

    def append(self, trace: Trace) -> None:
        """Add a trace. Raises RunError if it cannot be written; what stands there before stays as it is."""
        line = trace.to_json().encode() + b"\n"
        if self._size and self._size + len(line) > self._shard_bytes:
            self._next_shard()
        path = self._path(self._number)
        try:
            if self._file is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                os.ftruncate(self._file, self._size)  # a line that a kill has torn
            _write_whole(self._file, line, self._size)
        except OSError as error:
            raise RunError(_write_problem(path, error)) from None
        failed = trace.stop_reason in FAILED
        self.index[trace.id] = Place(self._number, self._size, problem_digest(trace.problem), failed)
        self._size += len(line)
        if time.monotonic() - self._synced >= SYNC_INTERVAL_S:
            self.sync()

    def read(self, ids: Iterable[str]) -> Iterator[Trace]:
        """The traces of these ids, in this order; ids that are not there are skipped."""
        shards = self._shards()
        files = [path.open("rb") for path in shards]
        try:
            for trace_id in ids:
                place = self.index.get(trace_id)
                if place is None:
                    continue
                files[place.shard].seek(place.offset)
                yield Trace.from_json(files[place.shard].readline())
        finally:
            for file in files:
                file.close()

    def first(self) -> Trace | None:
        """A trace that was written early; None if there is none."""
        return next(self.read(self.index), None)

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        if self._file is not None:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise RunError(_write_problem(self._path(self._number), error)) from None
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close. Closing twice is fine."""
        if self._file is not None:
            try:
                self.sync()
            finally:
                os.close(self._file)
                self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _path(self, number: int) -> Path:
        return self.folder / f"traces-{number:05d}.jsonl"

    def _shards(self) -> list[Path]:
        return sorted(self.folder.glob("traces-*.jsonl"))

    def _next_shard(self) -> None:
        self.close()
        self._number += 1
        self._size = 0

    def _scan(self, number: int, path: Path) -> int:
        """Index one shard; return where its whole lines end (a kill may have torn the last one)."""
        offset = 0
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._index_line(line, number, offset, path)
                offset += len(line)
        return offset

    def _index_line(self, line: bytes, number: int, offset: int, path: Path) -> None:
        head = _HEAD.match(line)
        if head is None:
            raise RunError(f"{path} at byte {offset}: not a trace; the file was changed by another program")
        problem, _ = json.JSONDecoder().raw_decode(line[head.end() :].decode())
        failed = _FAILED.search(line) is not None
        self.index[head[1].decode()] = Place(number, offset, _digest(problem), failed)


def written_traces(folder: Path) -> Iterator[Trace]:
    """All traces in the shards below a folder, those too that failed and were written again."""
    for path in sorted(folder.glob("**/traces-*.jsonl")):
        with path.open("rb") as file:
            yield from (Trace.from_json(line) for line in file if line.endswith(b"\n"))


def _write_whole(file: int, line: bytes, size: int) -> None:
    """Write a line, or leave the file as long as it was."""
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except OSError:
        os.ftruncate(file, size)
        raise


def _write_problem(path: Path, error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    what = "the disk is full" if full else (error.strerror or str(error))
    return f"{path}: cannot write ({what}); finished traces are kept: make room and start the same command again"
