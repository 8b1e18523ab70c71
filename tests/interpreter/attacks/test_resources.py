"""Memory, time, output and disk: who takes too much of them ends in a result, and the next session has all."""

from dataclasses import replace

from cort_data.interpreter import Status

from .arena import LIMITS, WAITS, Arena

MEMORY = {
    "one block": "x = bytearray(1 << 31)",
    "blocks": "x = []\nwhile True: x.append(bytearray(1 << 22))",
    "objects": "x = []\nwhile True: x += [[]] * 100_000",
    "text": "'x' * 10**12",
    "shared": "import mmap\nx = [mmap.mmap(-1, 1 << 28) for _ in range(8)]",
    "shift": "1 << 10**12",
    "array": "import numpy\nx = numpy.ones((1 << 16, 1 << 16))",
    "stacks": (
        "import threading\nthreading.stack_size(1 << 29)\nfor _ in range(4): threading.Thread(target=print).start()"
    ),
    "range": "list(range(10**12))",
}
MANY = """
import mmap, time
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(150 << 20)
        time.sleep(0.5)
        os._exit(0)
for _ in range(8): os.wait()
"""
HUGE_FILE = """
import mmap
with open('huge', 'wb') as file:
    file.truncate(1 << 30)
    mmap.mmap(file.fileno(), 1 << 30)
"""
ENDLESS = {  # none of them comes back to where Python looks for signals, or not before it has ended
    "sum": "import itertools; sum(itertools.repeat(0))",
    "deque": "import collections, itertools; collections.deque(itertools.repeat(0), maxlen=0)",
    "contains": "import itertools; 1 in itertools.repeat(0)",
    "power": "10 ** 10 ** 9",
    "digits": "import sys; sys.set_int_max_str_digits(0); len(str(7 ** 10**7))",
    "factorial": "import math; math.factorial(10**8)",
    "regular expression": "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    "sort": "sorted(range(10**6), key=lambda n: 10 ** 3000 % (n + 1) and sum(range(10**5)))",
    "factors": "import sympy; sympy.factorint(sympy.nextprime(10**40) * sympy.nextprime(10**41))",
    "matrix": "import numpy\nx = numpy.ones((1500, 1500))\nwhile True: x = x @ x * 0",
    "entities": (
        "import xml.dom.minidom as d\nn = ''.join(f'<!ENTITY e{k} \"{f\"&e{k - 1};\" * 10}\">' for k in range(1, 12))\n"
        "d.parseString(f'<!DOCTYPE x [<!ENTITY e0 \"lol\">{n}]><x>&e11;</x>')"
    ),
    "thread": "import threading\nt = threading.Thread(target=lambda: sum(iter(int, 1)))\nt.start()\nt.join()",
}
DEAF = {
    "ignored": "for n in (2, 15, 27): signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
    "blocked": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
    "caught": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "handled": "for n in (2, 27): signal.signal(n, print)\nwhile True: pass",
    "no timer": "signal.setitimer(signal.ITIMER_PROF, 0)\nwhile True: pass",
    "storm": "signal.signal(14, print)\nsignal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)\nwhile True: pass",
}
WAITING = {
    "stop": "os.kill(os.getpid(), 19)",
    "sleep": "time.sleep(600)",
    "sleep in C": "libc.sleep(600)",
    "pipe": "os.read(os.pipe()[0], 1)",
    "lock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "file lock": (
        "import fcntl\na = open('lock', 'w'); fcntl.flock(a, 2)\nif os.fork() == 0: time.sleep(600)\n"
        "a.close(); fcntl.flock(open('lock'), 2)"
    ),
    "fifo": "os.mkfifo('fifo'); open('fifo')",
    "child": "if os.fork() == 0: time.sleep(600)\nos.wait()",
    "busy children": "for _ in range(4):\n    if os.fork() == 0:\n        while True: pass\nos.wait()",
}
FLOODS = {
    "print": "for _ in range(10_000): print('x' * 100_000)",
    "one text": "print('x' * (100 << 20))",
    "descriptor": "for _ in range(1000): os.write(1, b'x' * (1 << 20))",
    "error descriptor": "for _ in range(1000): os.write(2, b'x' * (1 << 20))",
    "C": "for _ in range(10_000): libc.printf(b'%s', b'x' * 100_000)\nlibc.fflush(0)",
    "echo": "'x' * (100 << 20)",
    "error": "raise ValueError('x' * (100 << 20))",
    "warnings": "import warnings\nfor n in range(10**5): warnings.warn('x' * 1000 + str(n))",
    "lines": "for _ in range(10**7): print()",
    "children": (
        "for _ in range(8):\n    if os.fork() == 0:\n        for _ in range(5): os.write(1, b'x' * (1 << 20))\n"
        "        os._exit(0)\nfor _ in range(8): os.wait()"
    ),
}
DISK = {
    "one file": "with open('f', 'wb') as f:\n    for _ in range(1000): f.write(bytes(1 << 20))",
    "files": "for n in range(100):\n    with open(str(n), 'wb') as f: f.write(bytes(1 << 20))",
    "inodes": "for n in range(30_000): os.close(os.open(str(n), os.O_CREAT))",
    "folders": "for n in range(30_000): os.mkdir(str(n))",
    "deep folders": "for n in range(5000): os.mkdir('d'); os.chdir('d')",
    "unlinked files": (
        "kept = []\nfor n in range(100):\n"
        "    kept.append(open('f', 'wb')); os.unlink('f'); kept[-1].write(bytes(1 << 20))"
    ),
    "allocated": "for n in range(100):\n    with open(str(n), 'wb') as f: os.posix_fallocate(f.fileno(), 0, 1 << 20)",
    "long links": "for n in range(20_000): os.symlink('x' * 4000, str(n))",
}
EXPANDING = {
    "gzip": "import gzip; len(gzip.decompress(gzip.compress(bytes(10 << 20)) * 200))",
    "zlib": "import zlib; d = zlib.compress(bytes(20 << 20))\nx = [zlib.decompress(d) for _ in range(100)]",
    "lzma": "import lzma; len(lzma.decompress(lzma.compress(bytes(4 << 20), preset=0) * 500))",
}
DEEP = {
    "repr": "x = []\nfor _ in range(10**5): x = [x]\nrepr(x)",
    "delete": "x = []\nfor _ in range(10**6): x = [x]\ndel x",
    "compare": "x, y = [], []\nfor _ in range(10**5): x, y = [x], [y]\nx == y",
    "hash": "x = ()\nfor _ in range(10**5): x = (x,)\nhash(x)",
    "json": "import json\njson.loads('[' * 10**6)",
    "pickle": "import pickle\nx = []\nfor _ in range(10**5): x = [x]\npickle.dumps(x)",
    "copy": "import copy\nx = []\nfor _ in range(10**5): x = [x]\ncopy.deepcopy(x)",
    "parentheses": "compile('(' * 10**5 + ')' * 10**5, 'x', 'eval')",
    "signs": "eval('-' * 10**6 + '1')",
    "attributes": "compile('x' + '.x' * 10**5, 'x', 'eval')",
    "trees": "import ast\nast.literal_eval('[' * 10**4 + ']' * 10**4)",
    "no limit": "import sys\nsys.setrecursionlimit(2**31 - 1)\ndef f(): f()\nf()",
    "expression": "import re\nre.compile('(' * 10**4 + ')' * 10**4)",
    "partial": "import functools\nf = print\nfor _ in range(10**5): f = functools.partial(f)\nf",
    "iterators": "x = iter([])\nfor _ in range(10**5): x = filter(None, x)\nnext(x)",
    "errors": "e = None\nfor n in range(10**5):\n    f = ValueError(n); f.__cause__ = e; e = f\nraise e",
}
MEASURE = """
import shutil
root = os.environ['HOME']
about = os.statvfs(root)
shutil.disk_usage(root).used < 80 << 20, about.f_files - about.f_ffree <= 25_000
"""
ENDS = {Status.TIMEOUT, Status.MEMORY, Status.ERROR}


def test_memory(anywhere: Arena) -> None:
    results = anywhere.attack_all(MEMORY)
    assert {kind: result for kind, result in results.items() if result.status not in ENDS} == {}


def test_memory_of_many_processes(anywhere: Arena) -> None:
    anywhere.attack(MANY)


def test_memory_that_is_a_file(anywhere: Arena) -> None:
    assert anywhere.attack(HUGE_FILE).status in ENDS


def test_endless_work(anywhere: Arena) -> None:
    results = anywhere.attack_all(ENDLESS, WAITS)
    assert {kind: result for kind, result in results.items() if result.status not in ENDS} == {}


def test_signals_that_are_not_heeded(anywhere: Arena) -> None:
    results = anywhere.attack_all({kind: f"import signal\n{code}" for kind, code in DEAF.items()}, WAITS)
    assert {kind: result.status for kind, result in results.items()} == dict.fromkeys(DEAF, Status.TIMEOUT)
    assert results["ignored"].state_lost
    assert results["blocked"].state_lost


def test_waiting_for_nothing(anywhere: Arena) -> None:
    results = anywhere.attack_all({kind: f"import time\n{code}" for kind, code in WAITING.items()}, WAITS)
    assert {kind: result.status for kind, result in results.items()} == dict.fromkeys(WAITING, Status.TIMEOUT)


def test_floods_of_output(anywhere: Arena) -> None:
    for kind, result in anywhere.attack_all(FLOODS, WAITS).items():
        assert len(result.feedback) < 2 * LIMITS.output_chars + 1000, kind
        assert result.truncated or result.status in ENDS, (kind, result)


def test_disk(anywhere: Arena) -> None:
    anywhere.attack_all(DISK, WAITS)


def test_the_scratch_folder_is_limited_as_a_whole(full: Arena) -> None:
    attacks = {kind: f"try:\n    exec({code!r})\nexcept OSError: pass\n{MEASURE}" for kind, code in DISK.items()}
    results = full.attack_all(attacks, replace(LIMITS, timeout_s=5))
    assert {kind: result.feedback for kind, result in results.items()} == dict.fromkeys(DISK, "(True, True)")


def test_a_file_has_a_size_limit(anywhere: Arena) -> None:
    error = str(anywhere.attack(DISK["one file"]).error)
    assert "File too large" in error or "No space left" in error


def test_data_that_expands(anywhere: Arena) -> None:
    results = anywhere.attack_all(EXPANDING, WAITS)
    assert {kind: result for kind, result in results.items() if result.status not in ENDS} == {}


def test_depth(anywhere: Arena) -> None:
    """A crash is a result as well; it must not be more than that session's."""
    anywhere.attack_all(DEEP, WAITS)
