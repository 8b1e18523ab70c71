"""Grade pairs of answers: exactly here, by algebra in worker processes that are killed when they take too long."""

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from cort_data.errors import CortError
from cort_data.grading.compare import compare_texts
from cort_data.grading.rules import DEFAULT, SHIPPED, find_rule, settle
from cort_data.grading.verdict import Grade, Verdict, different, equal, unscored

_START_S = 120.0
"""A worker imports sympy first: seconds on a busy machine."""
_WALL_FACTOR = 12.0
"""Times the bound, which is CPU time so that a busy machine does not change verdicts: the limit in wall time. Three
times was too little on two cores with a load of 12: one trivial pair of 45,150 was starved into a timeout."""
_PENDING = 64
"""Pairs in flight a worker in `grade_many`."""


class Grader:
    """Says whether an answer equals the gold answer. Verdicts do not depend on which of the two is the gold.

    `rules` name those that judge beside the first one; where one of them disagrees, the pair is unscored. `workers`
    processes start when the first pair needs algebra. A pair that takes more than `timeout_s` CPU seconds
    is unscored with the reason "timeout". Thread-safe; close it, or use it as a context manager. Raises RecipeError for
    a rule that is not there.
    """

    def __init__(self, workers: int = 1, timeout_s: float = 5.0, rules: Sequence[str] = DEFAULT) -> None:
        if workers < 1 or timeout_s <= 0:
            raise ValueError(f"workers and timeout_s must be positive, got {workers} and {timeout_s}")
        for name in rules:
            find_rule(name)
        self._rules = tuple(rules)
        self._own = set(rules) <= set(SHIPPED)
        self._window = _PENDING * workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="grader")
        self._workers = [_Worker(timeout_s, self._rules) for _ in range(workers)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def grade(self, gold: str | None, answer: str | None) -> Grade:
        """The verdict on one answer. No answer is different; no gold answer leaves nothing to judge."""
        return self._start(gold, answer).result()

    async def agrade(self, gold: str | None, answer: str | None) -> Grade:
        """Like `grade`, without blocking the event loop."""
        return await asyncio.wrap_future(self._start(gold, answer))

    def grade_many(self, pairs: Iterable[tuple[str | None, str | None]]) -> Iterator[Grade]:
        """The verdicts on `(gold, answer)` pairs in their order; reads a bounded number of pairs ahead."""
        pending: deque[Future[Grade]] = deque()
        for gold, answer in pairs:
            pending.append(self._start(gold, answer))
            while pending and (len(pending) >= self._window or pending[0].done()):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def close(self) -> None:
        """End the workers; what is in flight ends unscored."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, gold: str | None, answer: str | None) -> "Future[Grade]":
        grade = _plain(gold, answer)
        # Sorted: the two orders of a pair are the same piece of work, with the same verdict and reason.
        first, second = sorted((str(gold), str(answer)))
        if grade is None and self._own and (exact := compare_texts(first, second, _undecided)) is not None:
            grade = settle(exact, ((name, SHIPPED[name](first, second)) for name in self._rules))
        if grade is None:
            return self._threads.submit(self._ask, first, second)
        done: Future[Grade] = Future()
        done.set_result(grade)
        return done

    def _ask(self, first: str, second: str) -> Grade:
        worker = self._idle.get()
        try:
            return worker.ask(first, second)
        finally:
            self._idle.put(worker)


def _plain(gold: str | None, answer: str | None) -> Grade | None:
    """The verdict where there is nothing to read."""
    if gold is None or not gold.strip():
        return unscored("no gold answer")
    if answer is None or not answer.strip():
        return different("no answer")
    return equal("same text") if gold.strip() == answer.strip() else None


def _undecided(first: str, second: str) -> None:
    """Algebra is for the worker processes."""


class _Worker:
    """One worker process, started when asked and again after it was killed; used by one thread at a time."""

    def __init__(self, timeout_s: float, rules: Sequence[str]) -> None:
        self._timeout_s = timeout_s
        self._rules = rules
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def ask(self, first: str, second: str) -> Grade:
        """The verdict on a pair; unscored if the process does not live to give it."""
        if self._closed:
            return unscored("the grader was closed")
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps([first, second, self._timeout_s]).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            return self._lost(process)
        reply = _read_line(process, _WALL_FACTOR * self._timeout_s + 1)
        return self._lost(process) if reply is None else Grade(Verdict(reply[0]), reply[1])

    def close(self) -> None:
        """Kill the process, also while another thread waits for it."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            _close(self._process)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._process = _start_process(self._rules)
            if _read_line(self._process, _START_S) != "ready":
                self._lost(self._process)
                raise CortError(
                    "the grading worker did not start; try: python -m cort_data.grading.worker (it must print ready)"
                )
        return self._process

    def _lost(self, process: "subprocess.Popen[bytes]") -> Grade:
        """Why a process gave no verdict; the next pair gets a new one."""
        late = process.poll() is None
        process.kill()
        code = process.wait()
        _close(process)
        self._process = None
        if late or code == -signal.SIGXCPU:
            return unscored("timeout")
        return unscored(f"the worker died (exit status {code})")


def _start_process(rules: Sequence[str]) -> "subprocess.Popen[bytes]":
    package_root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "cort_data.grading.worker", *rules],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C is for the parent, which then closes its workers
    )


def _read_line(process: "subprocess.Popen[bytes]", seconds: float) -> list[str] | str | None:
    """The next line's JSON value, or None if none comes in time."""
    assert process.stdout is not None
    descriptor, deadline, data = process.stdout.fileno(), time.monotonic() + seconds, b""
    while not data.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(descriptor, 65536) if ready else b""
        if not chunk:
            return None
        data += chunk
    reply: list[str] | str = json.loads(data)
    return reply


def _close(process: "subprocess.Popen[bytes]") -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):  # a half-written line has nowhere to go
                stream.close()
