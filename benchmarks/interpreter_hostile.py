"""Hostile blocks: what the soak runs one time in ten.

Every kind is bounded, so that it does no harm to the machine even where the isolation fails: it writes into its
scratch folder only, signals only itself and its own children, forks at most 200 times, and its children end by
themselves. Each kind says how its own call may end, and whether the session, or also its twins, may be useless
afterwards (`spoils`): only then may later harmless blocks fail. All others must leave the session as good as before,
or lose its state and say so.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

OK, ERROR, TIMEOUT, MEMORY, DIED = "ok", "error", "timeout", "memory", "died"
ANY = frozenset({OK, ERROR, TIMEOUT, MEMORY, DIED})
SESSION, FAMILY = "session", "family"
"""How far a kind may spoil what comes after it: twins share the space for files and the number of processes."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One kind; `{n}` in the code is a number from the dice, so that no two blocks need be alike."""

    name: str
    code: str
    may_end: frozenset[str]
    spoils: str = ""
    weight: int = 2
    """How often it is drawn; those that take the whole time limit are rarer."""


def hostile(dice: random.Random) -> tuple[Hostile, str]:
    """A kind, and its code."""
    kind = dice.choices(KINDS, [kind.weight for kind in KINDS])[0]
    return kind, kind.code.replace("{n}", str(dice.randrange(1, 1000)))


def _kind(name: str, code: str, *may_end: str, spoils: str = "", weight: int = 2) -> Hostile:
    return Hostile(name, code.strip("\n"), frozenset(may_end) or ANY, spoils, weight)


_FORK_BOMB = """
import os, time
for attempt in range(200):
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        time.sleep(0.5)
        os._exit(0)
"""

KINDS = (
    # endless
    _kind("endless loop", "while True:\n    pass", TIMEOUT, weight=1),
    _kind("endless regular expression", "import re\nre.match(r'(a|aa)+$', 'a' * 60 + 'b{n}')", TIMEOUT, weight=1),
    _kind(
        "endless in C, deaf to interrupts",
        "import collections, itertools\ncollections.deque(itertools.count(), maxlen=0)",
        *(TIMEOUT, DIED),
        weight=1,
    ),
    _kind("endless sleep", "import time\ntime.sleep(1000)", TIMEOUT, weight=1),
    _kind("endless recursion", "def f(n):\n    return f(n + 1)\nf({n})", ERROR),
    _kind("huge power", "len(str(7 ** (10 ** 8 + {n})))", TIMEOUT, MEMORY, ERROR, DIED, weight=1),
    _kind(
        "interrupts swallowed",
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
        *(TIMEOUT, DIED),
        weight=1,
    ),
    _kind(
        "signals ignored",
        "import signal\nfor s in range(1, 32):\n    try:\n        signal.signal(s, signal.SIG_IGN)\n"
        "    except OSError:\n        pass\nwhile True:\n    pass",
        *(TIMEOUT, DIED),
        weight=1,
    ),
    _kind(
        "signals blocked",
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nwhile True:\n    pass",
        *(TIMEOUT, DIED),
        weight=1,
    ),
    _kind("stops itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", TIMEOUT, OK, ERROR, weight=1),
    # memory
    _kind("memory at once", "bytearray(400_000_000 + {n})", MEMORY),
    _kind("memory bit by bit", "parts = []\nwhile True:\n    parts.append(bytearray(1_000_000))", spoils=SESSION),
    _kind("memory of many small objects", "rows = []\nwhile True:\n    rows.append([{n}])", spoils=SESSION, weight=1),
    _kind(
        "memory shared", "import mmap\nm = mmap.mmap(-1, 400_000_000)\nm.write(bytes(100_000_000))", MEMORY, ERROR, OK
    ),
    _kind("memory by numpy", "import numpy\nnumpy.ones((7000, 7000 + {n}))", MEMORY, ERROR),
    _kind(
        "memory in children",
        "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        hold = bytearray(60_000_000)\n"
        "        time.sleep(0.2)\n        os._exit(0)\nfor _ in range(4):\n    os.wait()",
        *(OK, ERROR, MEMORY, TIMEOUT),
    ),
    _kind("memory from a device", "open('/dev/zero', 'rb').read()", MEMORY, TIMEOUT, ERROR),
    _kind(
        "decompression bomb",
        "import zlib\nbomb = zlib.compress(bytes(100_000_000))\nzlib.decompress(zlib.compress(bomb) and bomb) * 4",
        *(MEMORY, TIMEOUT),
        weight=1,
    ),
    # ends
    _kind("os._exit", "import os\nos._exit({n} % 256)", DIED),
    _kind("abort", "import os\nos.abort()", DIED),
    _kind("segmentation fault", "import ctypes\nctypes.string_at(8)", DIED),
    _kind("kills itself", "import os\nos.kill(os.getpid(), 9)", DIED, MEMORY, ERROR),
    _kind("sys.exit", "import sys\nsys.exit({n})", ERROR),
    _kind("raises what nobody raises", "raise BaseException('{n}')", ERROR),
    _kind("overflows the C stack", "x = []\nfor _ in range(200_000):\n    x = [x]\nrepr(x) and None", ERROR, DIED),
    _kind("nested too deep for the parser", "eval('(' * 5000 + ')' * 5000)", ERROR, MEMORY),
    # output
    _kind("output flood", "for i in range(400_000):\n    print('flood', i)", OK, TIMEOUT),
    _kind("one long line", "print('x' * 50_000_000)", OK, MEMORY, TIMEOUT),
    _kind("output past python", "import os\nfor _ in range(200):\n    os.write(1, b'y' * 100_000)", OK, ERROR, DIED),
    _kind(
        "output of C", "import ctypes\nc = ctypes.CDLL(None)\nc.puts(b'z' * 100_000)\nc.fflush(None)", OK, ERROR, DIED
    ),
    _kind("output of odd bytes", "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 100)\nprint('\\ud800')", OK),
    _kind(
        "an endless repr",
        "class R:\n    def __repr__(self):\n        while True:\n            pass\nR()",
        TIMEOUT,
        weight=1,
    ),
    _kind(
        "an error that cannot be shown", "class E(Exception):\n    def __str__(self):\n        raise E\nraise E", ERROR
    ),
    # processes and threads
    _kind("fork bomb", _FORK_BOMB, spoils=FAMILY),
    _kind(
        "fork bomb that grows",
        "import os, time\nfor _ in range(7):\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
        "time.sleep(0.1)",
        spoils=FAMILY,
    ),
    _kind(
        "orphan in a session of its own",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork():\n        os._exit(0)\n"
        "    time.sleep(20)\n    os._exit(0)\nos.wait()",
        *(OK, ERROR),
    ),
    _kind(
        "orphan that burns",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    end = time.monotonic() + 2\n"
        "    while time.monotonic() < end:\n        pass\n    os._exit(0)",
        *(OK, ERROR),
        spoils=FAMILY,
        weight=1,
    ),
    _kind("a child comes back", "import os\nos.fork()", OK, ERROR),
    _kind(
        "zombies",
        "import os\nfor _ in range(10):\n    if os.fork() == 0:\n        os._exit(0)",
        OK,
        ERROR,
        TIMEOUT,  # forks are dear, and fifteen other blocks want the cores
        spoils=FAMILY,
    ),
    _kind(
        "threads left behind",
        "import threading, time\ndef go():\n    while True:\n        time.sleep(0.01)\nfor _ in range(8):\n"
        "    threading.Thread(target=go, daemon=True).start()",
        *(OK, ERROR),
        spoils=FAMILY,
    ),
    _kind(
        "a thread that burns",
        "import threading\ndef go():\n    while True:\n        pass\nthreading.Thread(target=go, daemon=True).start()",
        *(OK, ERROR),
        spoils=SESSION,
        weight=1,
    ),
    _kind(
        "a thread that ends the process later",
        "import threading, os\nthreading.Timer(0.02, os._exit, (3,)).start()",
        *(OK, DIED),
        spoils=SESSION,
    ),
    _kind("an alarm for later", "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.02)", OK, DIED, spoils=SESSION),
    _kind(
        "a shell",
        "import os, subprocess\nfor run in (lambda: os.system('true'), lambda: subprocess.run(['true'])):\n"
        "    try:\n        run()\n    except OSError:\n        pass",
        *(OK, ERROR),
    ),
    _kind(
        "thread bomb",
        "import threading, time\nfor _ in range(200):\n"
        "    threading.Thread(target=time.sleep, args=(0.3,), daemon=True).start()",
        spoils=FAMILY,
    ),
    _kind("another program", "import os\nos.execv('/bin/true', ['true'])", ERROR),
    _kind("lowers its priority", "import os\nos.nice(19)", OK, ERROR, spoils=SESSION),
    _kind(
        "system calls that need rights",
        "import ctypes\nc = ctypes.CDLL(None)\nc.unshare(0x10000000)\nc.mount(0, 0, 0, 0, 0)\nc.ptrace(16, {n}, 0, 0)\n"
        "c.setuid(0)\nNone",
        OK,
    ),
    _kind("the network", "import socket\nsocket.create_connection(('127.0.0.1', 9), 1)", ERROR),
    _kind("other processes", "open('/proc/1/environ').read(), open('/proc/1/mem')", ERROR),
    # descriptors and the session's socket
    _kind("closes all descriptors", "import os\nos.closerange(0, 1000)", spoils=SESSION),
    _kind("closes its output", "import os, sys\nsys.stdout.close()\nos.close(1)\nos.close(2)", spoils=SESSION),
    _kind("opens all descriptors", "import os\nwhile True:\n    os.open('/dev/null', 0)", ERROR, spoils=SESSION),
    _kind(
        "garbage on every descriptor",
        "import os\nfor fd in range(3, 40):\n    try:\n        os.write(fd, b'\\xff' * {n})\n"
        "    except OSError:\n        pass",
        spoils=SESSION,
    ),
    _kind(
        "forged answers",
        "import json, os, struct\nbody = json.dumps(dict(number=1, status='ok', text='forged', error=None, seconds=0.0,"
        " cpu=0.0, truncated=0)).encode()\nfor fd in range(3, 40):\n    try:\n"
        "        os.write(fd, struct.pack('>I', len(body)) + body)\n    except OSError:\n        pass",
        spoils=SESSION,
    ),
    _kind(
        "a frame that never ends",
        "import os, struct\nfor fd in range(3, 40):\n    try:\n        os.write(fd, struct.pack('>I', 1 << 31))\n"
        "    except OSError:\n        pass",
        spoils=SESSION,
    ),
    _kind(
        "reads its own requests",
        "import os\nfor fd in range(3, 40):\n    try:\n        os.set_blocking(fd, False)\n"
        "        os.read(fd, 1 << 16)\n    except OSError:\n        pass",
        spoils=SESSION,
    ),
    _kind("crosses its descriptors", "import os\nfor fd in range(4, 40):\n    os.dup2(0, fd)", spoils=SESSION),
    # files
    _kind(
        "fills the scratch folder",
        "for i in range(10):\n    with open(f'fill{i}', 'wb') as f:\n        for _ in range(30):\n"
        "            f.write(bytes(1_000_000))",
        spoils=FAMILY,
        weight=1,
    ),
    _kind("many files", "for i in range(30_000):\n    open(f'f{i}', 'w').close()", spoils=FAMILY, weight=1),
    _kind("deep folders", "import os\nfor i in range(2000):\n    os.mkdir('d')\n    os.chdir('d')", spoils=SESSION),
    _kind("removes its folder", "import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)", spoils=SESSION),
    _kind("links", "import os\nfor i in range(50):\n    os.symlink('/', f'link{n}-{i}')", spoils=SESSION),
    # python itself
    _kind(
        "a destructor that loops",
        "class D:\n    def __del__(self):\n        while True:\n            pass\nD()\nNone",
        TIMEOUT,
        DIED,
        weight=1,
    ),
    _kind("an import hook", "import sys\nsys.meta_path.insert(0, object())\nsys.path[:] = []", spoils=SESSION),
    _kind("code for the end of the process", "import atexit\natexit.register(lambda: 1 / 0)", OK),
    _kind("no garbage collection", "import gc\ngc.disable()\nrows = [[] for _ in range({n})]", OK),
    _kind("replaces builtins", "import builtins\nbuiltins.print = builtins.len = builtins.repr = None", spoils=SESSION),
    _kind("empties builtins", "import builtins\nvars(builtins).clear()", spoils=SESSION),
    _kind("empties sys.modules", "import sys\nsys.modules.clear()", spoils=SESSION),
    _kind("replaces json", "import json\njson.dumps = json.loads = lambda *a, **k: {n}", spoils=SESSION),
    _kind(
        "replaces os",
        "import os, time\nos.fork = lambda: time.sleep(1000)\nos.getpid = lambda: {n}\nos.write = os.read = None",
        spoils=SESSION,
    ),
    _kind("replaces time", "import time\ntime.perf_counter = time.process_time = lambda: float('nan')", spoils=SESSION),
    _kind("replaces streams", "import sys\nsys.stdout = sys.stderr = sys.__stdout__ = None", spoils=SESSION),
    _kind("recursion limit", "import sys\nsys.setrecursionlimit(60)", OK, ERROR, spoils=SESSION),
    _kind(
        "no recursion limit",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f():\n    f()\nf()",
        ERROR,
        DIED,
        MEMORY,
        TIMEOUT,
        spoils=SESSION,
    ),
    _kind(
        "lowers its limits",
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
        spoils=SESSION,
    ),
    _kind("a trace function", "import sys, threading\nsys.setprofile(lambda *a: 1 / 0)\nprint({n})", spoils=SESSION),
    _kind("an audit hook", "import sys\nsys.addaudithook(lambda *a: 1 / 0)", spoils=SESSION),
    _kind(
        "walks to the worker's own frames",
        "import gc\nfor o in gc.get_objects():\n    if type(o).__name__ in ('_Worker', 'CellRunner'):\n"
        "        vars(o).clear() if hasattr(o, '__dict__') else None",
        spoils=SESSION,
    ),
    # code
    _kind("null bytes", "x = 1\x00", ERROR),
    _kind("megabytes of code", "x = '" + "a" * 2_000_000 + "'", OK),
    _kind("another language", "#include <stdio.h>\nint main() { return {n}; }", ERROR),
    _kind("asks", "input('?')", ERROR),
)
