"""Where attacks happen: one interpreter a level, and a look at everything that an attack could have left behind."""

import asyncio
import json
import os
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from cort_data.errors import InterpreterError
from cort_data.interpreter import Interpreter, Limits, Result, Session, Status, open_interpreter

from ..processes import descendants
from .outside import CANARY, Outside

T = TypeVar("T")
LIMITS = Limits(timeout_s=1.0, memory_mb=200, output_chars=4000)
WAITS = replace(LIMITS, timeout_s=0.2)
"""For attacks that end at their wall limit."""
STALL_S = 2.0
BUSY_S = 8.0
"""On a busy machine everything may take this much longer; a stalled interpreter takes for ever."""
SPARES = 10
SLACK = 8
GROWN_MB = 100
SETTLE_S = 10.0
STALLED_S = 60.0
REFUSALS = (
    "PermissionError",
    "FileNotFoundError",
    "ProcessLookupError",
    "NotADirectoryError",
    "ConnectionRefusedError",
    "urllib.error.URLError: <urlopen error [Errno 1]",
    "OSError",
    "ValueError: not allowed to raise maximum limit",
)
"""How a refused attack ends when it ends in an error of its own."""

PRELUDE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.prctl(15, {mark!r}.encode(), 0, 0, 0)  # the name of the process, which its children inherit
globals().update({names!r})

def call(number, *arguments):
    '''The error number of a system call; 0 when it was done.'''
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return 0 if libc.syscall(ctypes.c_long(number), *wide) >= 0 else ctypes.get_errno()
"""

PROBE = """
import builtins, gc, importlib, json, os, random, resource, select, shutil, signal, stat, sys, threading, time

def identity(name):
    '''Functions and classes live at the same address in every session that was forked from the same server.'''
    return hash(tuple((key, id(value)) for key, value in sorted(vars(importlib.import_module(name)).items())
                      if callable(value)))

def descriptors():
    for fd in range(256):
        try:
            yield fd, stat.S_IFMT(os.fstat(fd).st_mode)
        except OSError:
            pass

def children():
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None

disk = shutil.disk_usage('.')
facts = {
    'files': os.listdir(), 'descriptors': list(descriptors()), 'children': children(),
    'threads': [t.name for t in threading.enumerate()], 'modules': hash(tuple(sorted(sys.modules))),
    'environment': [(k, v) for k, v in sorted(os.environ.items()) if k not in ('HOME', 'TMPDIR')],
    'meta_path': [getattr(f, '__name__', str(f)) for f in sys.meta_path], 'path': sys.path,
    'hooks': [repr(h) for h in sys.path_hooks], 'excepthook': repr(sys.excepthook), 'exit': repr(sys.exit),
    'trace': [repr(sys.gettrace()), repr(sys.getprofile()), repr(threading.gettrace())],
    'builtins': identity('builtins'), 'os': identity('os'), 'json': identity('json'), 'random': identity('random'),
    'worker': [
        identity('cort_data.interpreter.' + name) for name in ('local.worker', 'runner', 'cell', 'wire', 'output')
    ],
    'handlers': [repr(signal.getsignal(n)).partition(' of ')[0] for n in range(1, 32)],
    'mask': sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), 'alarm': signal.getitimer(signal.ITIMER_REAL),
    'virtual': signal.getitimer(signal.ITIMER_VIRTUAL), 'umask': os.umask(0o77), 'ids': os.getresuid() + os.getresgid(),
    'groups': os.getgroups(), 'nice': os.getpriority(os.PRIO_PROCESS, 0), 'policy': os.sched_getscheduler(0),
    'cpus': sorted(os.sched_getaffinity(0)), 'recursion': sys.getrecursionlimit(), 'draw': random.random(),
    'switch': sys.getswitchinterval(), 'digits': sys.get_int_max_str_digits(),
    'gc': [gc.isenabled(), *gc.get_threshold()],
    'limits': [resource.getrlimit(n) for n in range(16) if n not in (resource.RLIMIT_AS, resource.RLIMIT_MSGQUEUE)],
    'disk': disk.used // 2**20 if disk.total < 2**30 else None, 'memory': len(bytearray(100 << 20)),
    'names': sorted(n for n in globals() if not n.startswith('__')), 'clock': time.time() > 1.7e9,
}
print(json.dumps(facts))
"""


class Attacker:
    """A session whose code is hostile, called within a bound of time."""

    def __init__(self, arena: "Arena", session: Session, limits: Limits) -> None:
        self._arena = arena
        self._session = session
        self._limits = limits

    def run(self, code: str) -> Result:
        """One cell."""
        return self._arena.together(self.start(code))[0]

    async def start(self, code: str) -> Result:
        """One cell; it must have ended in a result when its time and that for a kill are over."""
        async with asyncio.timeout(self._limits.wall_s + STALL_S + BUSY_S):
            return await self._session.run(code)

    def fork(self) -> "Attacker":
        twin = self._arena.together(self._twin())[0]
        return self._arena.hold(Attacker(self._arena, twin, self._limits))

    async def _twin(self) -> Session:
        async with asyncio.timeout(self._limits.wall_s + STALL_S + BUSY_S):
            return await self._session.fork()

    def try_fork(self) -> "Attacker | None":
        """A twin, or None where what the session did makes that impossible."""
        try:
            return self.fork()
        except InterpreterError:
            return None

    def close(self) -> None:
        self._arena.together(self._session.close())


class Arena:
    """One interpreter, what surrounds it, and what is known of its clean state."""

    def __init__(self, level: str, outside: Outside) -> None:
        self.level = level
        self.mark = f"atk-{os.getpid()}-{level[0]}"
        self._outside = outside
        self._runner = asyncio.Runner()
        self.interpreter: Interpreter = open_interpreter(limits=LIMITS, isolation=level)
        self._held: list[Attacker] = []
        self._broken = False
        self._clean: dict[str, Any] = {}
        self._resources: dict[int, dict[str, int]] = {}

    def look_around(self) -> None:
        """Start the interpreter, and note what its first session and its server look like."""
        others = descendants()
        self._runner.run(self.interpreter.__aenter__())
        self.server = min(descendants() - others)
        self.names = {**self._outside.names(), "SERVER_PID": self.server}
        self._clean = self._probe()
        with self.sessions(SPARES):  # processes that wait for sessions are as many as they ever will be
            pass
        self._resources = self._measure()

    @property
    def alive(self) -> bool:
        """Whether the interpreter has survived all attacks so far."""
        return self._resources != {} and not self._broken

    def attack(self, *cells: str, limits: Limits = LIMITS) -> Result:
        """Run hostile cells in a session of their own; the last one's result, after a look at what they left."""
        with self.session(limits) as session:
            results = [session.run(cell) for cell in cells]
        return results[-1]

    def allowed(self, *attempts: str) -> dict[str, str]:
        """Those of many attempts, made in one session, that were not refused, with what they gave."""
        with self.session() as session:
            results = {code: session.run(code) for code in attempts}
        return {code: f"{result.status} {result.feedback}" for code, result in results.items() if not refused(result)}

    def attack_all(self, attacks: dict[str, str], limits: Limits = LIMITS) -> dict[str, Result]:
        """Run hostile cells beside each other, each in a session of its own, which must still answer afterwards."""
        with self.sessions(len(attacks), limits) as sessions:
            results = self.together(*(s.start(code) for s, code in zip(sessions, attacks.values(), strict=True)))
            answers = self.together(*(session.start("1 + 1") for session in sessions))
        assert [answer.text.splitlines()[-1:] for answer in answers] == [["2"]] * len(attacks)
        return dict(zip(attacks, results, strict=True))

    def attack_on(self, attacks: dict[str, str], *then: str, limits: Limits = LIMITS) -> dict[str, list[Result]]:
        """Like `attack_all`, with more cells after each attack, which the sessions need not survive."""
        with self.sessions(len(attacks), limits) as sessions:
            rounds = [[*attacks.values()], *([cell] * len(attacks) for cell in then)]
            results = [
                self.together(*(s.start(code) for s, code in zip(sessions, cells, strict=True))) for cells in rounds
            ]
        return {kind: list(each) for kind, each in zip(attacks, zip(*results, strict=True), strict=True)}

    @contextmanager
    def session(self, limits: Limits = LIMITS) -> Iterator[Attacker]:
        """A hostile session; everything must be clean when it and its twins are closed."""
        with self.sessions(1, limits) as (only,):
            yield only

    @contextmanager
    def sessions(self, count: int, limits: Limits = LIMITS) -> Iterator[list[Attacker]]:
        """Several hostile sessions."""
        try:
            for number in range(count):
                session = self.together(self.interpreter.session(number, limits))[0]
                attacker = self.hold(Attacker(self, session, limits))
                assert attacker.run(PRELUDE.format(mark=self.mark, names=self.names)).status is Status.OK
            yield self._held[:]
        finally:
            while self._held:
                self._held.pop().close()
        self.check()

    def hold(self, attacker: Attacker) -> Attacker:
        """Close it with the others."""
        self._held.append(attacker)
        return attacker

    def together(self, *calls: Coroutine[Any, Any, T]) -> list[T]:
        """Await all; nothing of what an interpreter does may take for ever."""

        async def gather() -> list[T]:
            async with asyncio.timeout(STALLED_S):
                return await asyncio.gather(*calls)

        try:
            return self._runner.run(gather())
        except InterpreterError as exc:
            self._broken |= "server died" in str(exc)
            raise

    def check(self) -> None:
        """The next session is like the first one, no process of an attack is left, and nothing outside was touched."""
        assert gone(self.mark), named(self.mark)
        assert self._probe() == self._clean
        self._outside.check()

    def close(self) -> None:
        """End the interpreter; the server must not have grown by all that happened."""
        after = self._measure() if self.alive else {}
        self._runner.run(self.interpreter.close())
        self._runner.close()
        grown = {pid: (before, after[pid]) for pid, before in self._resources.items() if pid in after}
        assert not [pid for pid, (before, now) in grown.items() if now["descriptors"] > before["descriptors"] + SLACK]
        assert not [pid for pid, (before, now) in grown.items() if now["mounts"] > before["mounts"] + SLACK]
        assert not [pid for pid, (before, now) in grown.items() if now["rss_mb"] > before["rss_mb"] + GROWN_MB]

    def _probe(self) -> dict[str, Any]:
        session = self.together(self.interpreter.session(7))[0]
        result = self.together(session.run(PROBE))[0]
        self.together(session.close())
        assert result.status is Status.OK, result
        facts: dict[str, Any] = json.loads(result.text)
        return facts

    def _measure(self) -> dict[int, dict[str, int]]:
        """What each process of the interpreter holds."""
        found = {}
        for pid in {self.server} | descendants(self.server):
            folder = Path(f"/proc/{pid}")
            rss = [line for line in (folder / "status").read_text().splitlines() if line.startswith("VmRSS")]
            found[pid] = {
                "descriptors": len(os.listdir(folder / "fd")),
                "mounts": len((folder / "mountinfo").read_text().splitlines()),
                "rss_mb": int(rss[0].split()[1]) >> 10,
            }
        return found


def refused(result: Result) -> bool:
    """Whether a cell ended with an error that says that something is not allowed, and gave nothing away."""
    last = (result.error or "").splitlines()[-1:]
    return result.status is Status.ERROR and last[0].startswith(REFUSALS) and CANARY not in result.feedback


def named(mark: str) -> set[int]:
    """Every process of the machine that has this name, dead ones that nobody waited for included."""
    found = set()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == mark:
                found.add(int(comm.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def gone(mark: str, within_s: float = SETTLE_S) -> bool:
    """Whether no process has this name, soon: the last ones are ended beside the client."""
    deadline = time.monotonic() + within_s
    while (left := named(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not left
