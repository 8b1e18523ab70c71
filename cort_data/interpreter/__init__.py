"""Sessions that run a model's python: one contract, several backends, one conformance suite.

async with open_interpreter() as interpreter:
    session = await interpreter.session(seed=0)
    result = await session.run("2 + 2")      # Result(status=ok, text="4\\n", …)
    twin = await session.fork()              # the same variables, its own future
"""

from __future__ import annotations

from cort_data.errors import InterpreterError
from cort_data.interpreter.base import Interpreter, Limits, Result, Session, Status
from cort_data.interpreter.cell import CellOutput, new_namespace, run_cell

__all__ = [
    "CellOutput",
    "Interpreter",
    "InterpreterError",
    "Limits",
    "Result",
    "Session",
    "Status",
    "new_namespace",
    "open_interpreter",
    "run_cell",
]


def open_interpreter(backend: str = "local", limits: Limits | None = None, isolation: str = "full") -> Interpreter:
    """The interpreter of a backend; `limits` None means the defaults."""
    from cort_data.interpreter.local import LocalInterpreter

    return LocalInterpreter(limits or Limits(), isolation)
