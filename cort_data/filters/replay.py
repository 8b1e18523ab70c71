"""Replay: run all code again in a fresh session with the trace's seed; the outputs must agree.

A trace whose outputs cannot be had again teaches trust in something that did not happen: forged or edited outputs,
another interpreter's semantics, lost state. Object addresses are masked. A block after which the session has read
the clock or the machine's entropy cannot be judged by its output: if that differs, the trace is dropped as
`nondeterministic`, not as a mismatch.
"""

from __future__ import annotations

import ast

from cort_data.agreement import agrees, first_difference
from cort_data.blocks import Block, blocks
from cort_data.errors import RecipeError
from cort_data.filters.base import Filter, FilterParams, Resources
from cort_data.interpreter.base import Result
from cort_data.trace import Decision, Trace

_CLOCK_MODULES = frozenset({"time", "timeit", "secrets", "uuid"})
_CLOCK_NAMES = frozenset({"now", "utcnow", "today", "urandom", "getrandom", "SystemRandom", "perf_counter"})
_CLOCK_CALLS = frozenset({"id"})
_UNSEEDED = frozenset({"default_rng", "seed", "Random", "RandomState"})


class Replay(Filter[FilterParams]):
    """Compares every output with what the interpreter gives now."""

    name = "replay"
    reasons = ("output_differs", "nondeterministic")

    def __init__(self, params: FilterParams, resources: Resources) -> None:
        super().__init__(params, resources)
        if resources.interpreter is None:
            raise RecipeError("filters: replay needs an interpreter, and this stage was given none")
        self.interpreter = resources.interpreter

    async def decide(self, trace: Trace) -> Decision:
        """Blocks that were refused or never answered were not run and are not run here."""
        todo = [block for block in blocks(trace) if block.output is not None]
        if not todo:
            return self.keep()
        session = await self.interpreter.session(trace.seed)
        try:
            clock = False
            for block in todo:
                clock = clock or reads_clock(block.code)
                result = await session.run(block.code)
                if not agrees(block, result):
                    return self._differs(block, result, clock)
        finally:
            await session.close()
        return self.keep()

    def _differs(self, block: Block, result: Result, clock: bool) -> Decision:
        expected, got = first_difference(block.output or "", result.feedback)
        if result.error is not None and not block.failed:
            got = result.error.rpartition("\n")[2]  # the message says more than the traceback's first line
        detail = f"block {block.number}: expected {expected!r}, got {got!r}"
        return self.drop("nondeterministic" if clock else "output_differs", detail)


def reads_clock(code: str) -> bool:
    """Does the code read the clock, entropy or object identities? Seeded randomness does not count."""
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError):
        return False
    return any(_is_clock(node) for node in nodes)


def _is_clock(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(alias.name.partition(".")[0] in _CLOCK_MODULES for alias in names)
        case ast.ImportFrom(module=module, names=names):
            imported = {alias.name for alias in names}
            return (module or "").partition(".")[0] in _CLOCK_MODULES or bool(imported & _CLOCK_NAMES)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[], keywords=[]):
            return name in _UNSEEDED or name in _CLOCK_NAMES
        case ast.Call(func=ast.Name(id=name)):
            return name in _CLOCK_CALLS
        case ast.Attribute(attr=name):
            return name in _CLOCK_NAMES
        case _:
            return False
