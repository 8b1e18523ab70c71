"""Commands that wait for each other, several at a time; what is done stays done, whenever the whole was killed.

DIR/steps/NAME.log     what the step printed
DIR/steps/NAME.json    the step is done: its command, and when it ran
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from interpreter_results import say

from cort_data.runs import write_atomically

POLL_S = 0.2
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Fork:
    """A run that begins as a copy of another one."""

    run: Path
    origin: Path
    at: str
    """Its first stage of its own."""

    def options(self) -> tuple[str, ...]:
        """Those of `cort run`: none if the run is there already. A copy that was cut short is cleared away."""
        if (self.run / "recipe.yaml").is_file():
            return ()
        shutil.rmtree(self.run, ignore_errors=True)
        return "--from", str(self.origin), "--at", self.at


@dataclass(frozen=True)
class Step:
    """A `cort` command, or a piece of work of this process; the command goes on where it was stopped."""

    name: str
    cort: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    """Steps that must be done before."""
    work: Callable[[], None] | None = None
    fork: Fork | None = None


@dataclass
class _Running:
    step: Step
    process: subprocess.Popen[bytes]
    started: float
    """Seconds since the epoch."""


class Steps:
    """The steps of a plan in a folder. One thread a command: two of them beside each other beat two threads of one."""

    def __init__(self, steps: Sequence[Step], folder: Path, workers: int) -> None:
        self._waiting = list(steps)
        self._folder = folder / "steps"
        self._workers = workers
        self._running: list[_Running] = []
        self._done: set[str] = set()
        self._total = len(steps)

    def run(self) -> None:
        """Do what is missing. Raises SystemExit if a step fails, once those beside it are done."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._waiting = [step for step in self._waiting if not self._is_done(step)]
        while self._waiting or self._running:
            self._start()
            self._collect()
            time.sleep(POLL_S)

    def _is_done(self, step: Step) -> bool:
        stamp = self._folder / f"{step.name}.json"
        if not stamp.is_file():
            return False
        if json.loads(stamp.read_text("utf-8"))["command"] != list(step.cort):
            sys.exit(f"{stamp}: was done with another command; name a new folder")
        self._done.add(step.name)
        return True

    def _start(self) -> None:
        """Start, or do here, each step that waits for nothing, as far as there is room."""
        for step in [step for step in self._waiting if self._done.issuperset(step.after)]:
            if len(self._running) >= self._workers:
                return
            self._waiting.remove(step)
            if step.work is not None:
                step.work()
                self._finish(step, time.time(), 0.0)
            else:
                self._running.append(_Running(step, self._process(step), time.time()))

    def _process(self, step: Step) -> subprocess.Popen[bytes]:
        fork = step.fork.options() if step.fork else ()
        with (self._folder / f"{step.name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "cort_data", *step.cort, *fork],
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160"},
                preexec_fn=_die_with_parent,
            )

    def _collect(self) -> None:
        for running in list(self._running):
            pid, status, used = os.wait4(running.process.pid, os.WNOHANG)
            if not pid:
                continue
            self._running.remove(running)
            running.process.returncode = os.waitstatus_to_exitcode(status)
            if running.process.returncode:
                for other in self._running:
                    other.process.wait()
                log = self._folder / f"{running.step.name}.log"
                last = log.read_text("utf-8", errors="replace").splitlines()[-5:]
                sys.exit("\n".join([f"{running.step.name} failed; {log} ends with", *last]))
            self._finish(running.step, running.started, used.ru_utime + used.ru_stime)

    def _finish(self, step: Step, started: float, cpu: float) -> None:
        stamp = {"command": list(step.cort), "started": started, "ended": time.time(), "cpu": cpu}
        write_atomically(self._folder / f"{step.name}.json", json.dumps(stamp) + "\n")
        self._done.add(step.name)
        say(f"{len(self._done)}/{self._total} {step.name}, {stamp['ended'] - started:.0f} s")


def minutes_worked(folder: Path) -> tuple[float, float]:
    """Minutes in which a step was running that is done by now, without pauses between starts; and minutes of CPU."""
    stamps = [json.loads(file.read_text("utf-8")) for file in (folder / "steps").glob("*.json")]
    worked = covered([(stamp["started"], stamp["ended"]) for stamp in stamps])
    return worked / 60, sum(stamp["cpu"] for stamp in stamps) / 60


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Length of the union of spans."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _die_with_parent() -> None:
    """A killed script leaves nothing behind that works on in its folders."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
