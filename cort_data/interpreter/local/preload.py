"""What the server loads once, so that a session starts with it: the libraries, and sympy's caches."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cort_data.interpreter.local import hugepages

LIBRARIES = ("numpy", "scipy", "sympy", "pandas")
"""Reported when missing: code that needs one then fails in its session with ModuleNotFoundError."""

_SUBMODULES = (
    "scipy.integrate",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.special",
    "scipy.stats",
    "sympy.core.random",
    "sympy.geometry",
    "sympy.solvers.diophantine",
    "sympy.stats",
)
_STANDARD = (
    "bisect",
    "collections",
    "copy",
    "datetime",
    "decimal",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "json",
    "math",
    "operator",
    "random",
    "re",
    "statistics",
    "string",
    "typing",
)


def load() -> list[str]:
    """Import everything, warm sympy and settle memory for forking; returns the libraries that are missing."""
    with _hidden("pyarrow"):
        missing = [name for name in LIBRARIES if not _importable(name)]
    for name in _STANDARD:
        importlib.import_module(name)
    for name in _SUBMODULES:
        if name.partition(".")[0] not in missing:
            importlib.import_module(name)
    if "sympy" not in missing:
        _warm_sympy()
    gc.collect()
    gc.freeze()  # the collector would otherwise touch, and so copy, every shared page
    hugepages.collapse()
    return missing


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Let pandas do without a library that brings 40 MB and a thread, and that code can still import."""
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def _importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


def _warm_sympy() -> None:
    """Fill the caches with what nearly every session asks for first."""
    import sympy as sp

    x, y, n, k = sp.symbols("x y n k")
    sp.solve(x**2 - 5 * x + 6, x)
    sp.solve([x + y - 10, x - y - 2], [x, y])
    sp.solve(sp.Eq(2**x, 8), x)
    sp.solveset(x**2 - 2, x, domain=sp.S.Reals)
    sp.simplify(sp.sin(x) ** 2 + sp.cos(x) ** 2)
    sp.factor(sp.expand((x + 1) ** 3))
    sp.integrate(sp.exp(x) * x, x)
    sp.diff(sp.sin(x) * x, x)
    sp.limit(sp.sin(x) / x, x, 0)
    sp.summation(k, (k, 1, n))
    sp.Matrix([[1, 2], [3, 4]]).eigenvals()
    sp.nsimplify(sp.sqrt(8) + sp.Rational(1, 3))
    sp.N(sp.pi, 20)
    sp.factorint(360)
    sp.divisors(360)
    sp.isprime(10**9 + 7)
    sp.binomial(10, 3)
    str(sp.sqrt(2) * sp.Rational(3, 4) * x)
