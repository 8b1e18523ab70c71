"""Harmless blocks with a known right answer: what the soak runs nine times in ten.

Each kind gets the block's dice and the session's running total, and gives the code, the feedback that is right, and
the total after it. The total lives in the session as a variable, so that every block also checks the state.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Harmless:
    """One block, ready to run."""

    kind: str
    code: str
    feedback: str
    """What stands in the output block when all is right."""
    status: str
    total: int
    """The session's running total after the block."""


Maker = Callable[[random.Random], tuple[str, str]]
"""From dice: code, and the lines it shows before the total."""

_TOTAL = "total = globals().get('total', 0) + {more}\n"


def harmless(dice: random.Random, total: int) -> Harmless:
    """A block for a session whose running total is this; a fresh process has 0."""
    kind = dice.choice(sorted(_KINDS))
    code, shown = _KINDS[kind](dice)
    more = dice.randrange(1, 1000)
    total += more
    head = _TOTAL.format(more=more)
    if kind == "raises":  # the total is printed before
        feedback = f"{total}\n{shown.format(line=3)}"
        return Harmless(kind, f"{head}print(total)\n{code}", feedback, "error", total)
    feedback = f"{shown}\n{total}" if shown else str(total)
    return Harmless(kind, f"{head}{code}\ntotal", feedback, "ok", total)


def _arithmetic(dice: random.Random) -> tuple[str, str]:
    a, b, m = dice.randrange(1, 10**6), dice.randrange(2, 10**4), dice.randrange(2, 10**9)
    return f"print({a} ** {b} % {m}, {a} // {b}, -{a} % {b})", f"{pow(a, b, m)} {a // b} {-a % b}"


def _fraction(dice: random.Random) -> tuple[str, str]:
    a, b = (Fraction(dice.randrange(-99, 99), dice.randrange(1, 99)) for _ in range(2))
    return f"from fractions import Fraction\nprint({a!r} + {b!r} * 3)", str(a + b * 3)


def _sympy_roots(dice: random.Random) -> tuple[str, str]:
    a, b = sorted(dice.sample(range(-50, 50), 2))
    code = f"import sympy as sp\nx = sp.Symbol('x')\nprint(sorted(sp.solve(sp.expand((x - ({a})) * (x - ({b}))), x)))"
    return code, str([a, b])


def _sympy_integral(dice: random.Random) -> tuple[str, str]:
    n = dice.randrange(1, 12)
    return f"import sympy as sp\nt = sp.Symbol('t')\nprint(sp.integrate(t**{n}, (t, 0, 2)))", str(
        Fraction(2 ** (n + 1), n + 1)
    )


def _sympy_factors(dice: random.Random) -> tuple[str, str]:
    n = math.prod(dice.choice((2, 3, 5, 7, 11, 13)) for _ in range(5))
    factors = {p: e for p in (2, 3, 5, 7, 11, 13) if (e := _exponent(n, p))}
    return f"import sympy\nprint(sympy.factorint({n}))", str(factors)


def _numpy(dice: random.Random) -> tuple[str, str]:
    size = dice.randrange(2, 60)
    code = f"import numpy as np\ngrid = np.arange({size * size}).reshape({size}, {size})\nint(np.trace(grid @ grid.T))"
    return _printed(code), str(sum(n * n for n in range(size * size)))


def _loop(dice: random.Random) -> tuple[str, str]:
    n, m = dice.randrange(100, 5000), dice.randrange(3, 50)
    return f"found = 0\nfor i in range({n}):\n    if i * i % {m} == 1:\n        found += 1\nprint(found)", str(
        sum(i * i % m == 1 for i in range(n))
    )


def _recursion(dice: random.Random) -> tuple[str, str]:
    n = dice.randrange(5, 300)
    return f"def down(n):\n    return 0 if n == 0 else n + down(n - 1)\nprint(down({n}))", str(n * (n + 1) // 2)


def _classes(dice: random.Random) -> tuple[str, str]:
    a, b = dice.randrange(100), dice.randrange(100)
    code = (
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n    y: int\n"
        f"    def far(self):\n        return self.x ** 2 + self.y ** 2\nprint(Point({a}, {b}), Point({a}, {b}).far())"
    )
    return code, f"Point(x={a}, y={b}) {a * a + b * b}"


def _text(dice: random.Random) -> tuple[str, str]:
    word = "".join(dice.choice("abcäöü∑π") for _ in range(dice.randrange(1, 40)))
    return f"import re\nword = {word!r}\nprint(word[::-1], len(re.findall('[abc]', word)))", (
        f"{word[::-1]} {sum(c in 'abc' for c in word)}"
    )


def _file(dice: random.Random) -> tuple[str, str]:
    n = dice.randrange(1, 5000)
    return f"with open('notes.txt', 'w') as f:\n    f.write('x' * {n})\nprint(len(open('notes.txt').read()))", str(n)


def _stderr(dice: random.Random) -> tuple[str, str]:
    n = dice.randrange(1000)
    return f"import sys\nprint('a', {n}, file=sys.stderr)\nprint('b', {n})", f"a {n}\nb {n}"


def _thread(dice: random.Random) -> tuple[str, str]:
    n = dice.randrange(1, 500)
    code = (
        "import threading\nsums = []\nworkers = [threading.Thread(target=lambda k=k: sums.append(sum(range(k)))) "
        f"for k in range({n}, {n} + 4)]\nfor w in workers:\n    w.start()\nfor w in workers:\n    w.join()\nsum(sums)"
    )
    return _printed(code), str(sum(sum(range(k)) for k in range(n, n + 4)))


def _child(dice: random.Random) -> tuple[str, str]:
    code = dice.randrange(1, 100)
    return f"import os\nif (child := os.fork()) == 0:\n    os._exit({code})\nprint(os.waitpid(child, 0)[1] >> 8)", str(
        code
    )


def _raises(dice: random.Random) -> tuple[str, str]:
    n = dice.randrange(100)
    frame = f'Traceback (most recent call last):\n  File "<cell N>", line {{line}}, in <module>\n    {n} / 0\n'
    return f"{n} / 0", f"{frame}ZeroDivisionError: division by zero"


def _seeded(dice: random.Random) -> tuple[str, str]:
    seed = dice.randrange(10**6)
    return f"import random\nprint(random.Random({seed}).random())", str(random.Random(seed).random())


def _printed(code: str) -> str:
    """The code with its last line printed."""
    *before, last = code.split("\n")
    return "\n".join([*before, f"print({last})"])


def _exponent(n: int, p: int) -> int:
    found = 0
    while n % p == 0:
        n, found = n // p, found + 1
    return found


_KINDS: dict[str, Maker] = {
    "arithmetic": _arithmetic,
    "child": _child,
    "classes": _classes,
    "file": _file,
    "fraction": _fraction,
    "loop": _loop,
    "numpy": _numpy,
    "raises": _raises,
    "recursion": _recursion,
    "seeded": _seeded,
    "stderr": _stderr,
    "sympy factors": _sympy_factors,
    "sympy integral": _sympy_integral,
    "sympy roots": _sympy_roots,
    "text": _text,
    "thread": _thread,
}
