"""Sessions that run a model's python: one contract, several backends, one conformance suite.

async with open_interpreter() as interpreter:
    session = await interpreter.session(seed=0)
    result = await session.run("2 + 2")      # Result(status=ok, text="4\\n", …)
    twin = await session.fork()              # the same variables, its own future
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from cort_data.errors import InterpreterError
from cort_data.interpreter.base import Interpreter, Limits, Result, Session, Status
from cort_data.interpreter.cell import CellOutput, new_namespace, run_cell
from cort_data.interpreter.isolation import kernel
from cort_data.interpreter.isolation.report import Feature, isolation_report

__all__ = [
    "BACKENDS",
    "LEVELS",
    "CellOutput",
    "Feature",
    "Interpreter",
    "InterpreterError",
    "Limits",
    "Result",
    "Session",
    "Status",
    "isolation_report",
    "new_namespace",
    "open_interpreter",
    "run_cell",
]


LEVELS = ("full", "reduced", "none")
"""Levels of isolation, strongest first; `isolation/confine.py` says what each protects from and what none does."""


def open_interpreter(
    backend: str = "local", limits: Limits | None = None, isolation: str = "full", url: str = ""
) -> Interpreter:
    """The interpreter of a backend; it starts with its first session or on entering its context.

    `limits` None means the defaults; `url` is that of a `remote` backend. Raises InterpreterError for an unknown name
    here, and at the start when `isolation` cannot be had: it never silently runs weaker.
    """
    _require("backend", backend, tuple(_BACKENDS))
    _require("isolation", isolation, LEVELS)
    return _BACKENDS[backend](limits or Limits(), isolation, url)


def _local(limits: Limits, isolation: str, _url: str) -> Interpreter:
    if not kernel.is_linux():
        raise InterpreterError("the local interpreter needs Linux; run it in a Linux container or virtual machine")
    from cort_data.interpreter.local.session import LocalInterpreter

    return LocalInterpreter(limits, isolation)


def _jupyter(limits: Limits, isolation: str, _url: str) -> Interpreter:
    if isolation != "none":
        raise InterpreterError(
            f"the jupyter interpreter has no isolation, got isolation {isolation!r}; accept that a model's code can do "
            "everything that you can with --isolation none (in a recipe: interpreter.isolation: none)"
        )
    if not all(map(find_spec, ("jupyter_client", "ipykernel"))):
        raise InterpreterError(
            "the jupyter interpreter needs jupyter_client and ipykernel: pip install 'cort-data[jupyter]'"
        )
    from cort_data.interpreter.jupyter.session import JupyterInterpreter

    return JupyterInterpreter(limits)


def _remote(limits: Limits, isolation: str, url: str) -> Interpreter:
    from cort_data.interpreter.remote.session import RemoteInterpreter

    return RemoteInterpreter(url, limits, isolation)


_BACKENDS: dict[str, Callable[[Limits, str, str], Interpreter]] = {
    "local": _local,
    "jupyter": _jupyter,
    "remote": _remote,
}
BACKENDS = tuple(_BACKENDS)


def _require(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InterpreterError(f"interpreter.{name} must be one of {', '.join(allowed)}, got {value!r}")
