"""One cell with notebook semantics, run in this process.

The local interpreter runs this inside its isolated sessions; the nano corpus generator runs it directly on code
of its own, so that the outputs in the corpus are exactly those that the interpreter gives. It protects from
nothing: no limits, no isolation. Never run a model's code with it.
"""

from __future__ import annotations

import ast
import io
import linecache
import sys
import tokenize
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, TracebackType
from typing import Any

from cort_data.interpreter.output import NoInput, OutputStream, cut_text

MAX_FRAMES = 12
"""A traceback with more user frames keeps half of these at each end."""


class CellTimeout(KeyboardInterrupt):
    """Raised into a cell whose time is up; `except Exception` in the cell does not stop it."""


@dataclass(frozen=True, slots=True)
class CellOutput:
    """What one cell produced."""

    text: str
    """stdout, stderr and the echo of a trailing expression, in order."""
    error: str | None
    """The short traceback; None when the cell ran to its end."""
    truncated: int = 0
    """Characters cut from text and error."""
    raised: type[BaseException] | None = None
    """The class of the exception that ended the cell."""

    @property
    def feedback(self) -> str:
        """What stands in the output block."""
        return feedback_text(self.text, self.error)


def feedback_text(text: str, error: str | None) -> str:
    """What stands in the output block: the text, then the error; `(no output)` when there is neither."""
    parts = [part for part in (text.rstrip("\n"), error) if part]
    return "\n".join(parts) or "(no output)"


def new_namespace() -> dict[str, Any]:
    """A fresh namespace in which `if __name__ == "__main__"` holds."""
    return {"__name__": "__main__", "__builtins__": __builtins__}


def run_cell(code: str, namespace: dict[str, Any], number: int, stream: OutputStream | None = None) -> CellOutput:
    """Run `code` as cell `number` (from 1) in `namespace`, which keeps what it defines.

    Every exception of the code becomes `error`, SystemExit and KeyboardInterrupt included. `stream` is the
    session's stream and carries the output limit; without it the cell gets one with the default limit.
    """
    stream = stream if stream is not None else OutputStream()
    error, raised, cut_error = None, None, 0
    with _streams(stream):
        try:
            _execute(code, namespace, f"<cell {number}>")
        except BaseException as exc:  # noqa: BLE001 - whatever the cell raises is its result
            raised = type(exc)
            error, cut_error = cut_text(format_error(exc), stream.limit)
    text, cut = stream.take()
    return CellOutput(text, error, cut + cut_error, raised)


@contextmanager
def _streams(stream: OutputStream) -> Iterator[None]:
    """The cell's stdout, stderr and stdin; the process's own come back whatever the cell put there."""
    saved = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = NoInput(), stream, stream
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = saved


def _execute(code: str, namespace: dict[str, Any], filename: str) -> None:
    _remember_source(code, filename)
    body, last = _compile(code, filename)
    exec(body, namespace)
    if last is None:
        return
    value = eval(last, namespace)
    if value is not None:
        namespace["_"] = value
        print(repr(value))


def _remember_source(code: str, filename: str) -> None:
    """Let tracebacks, warnings and `inspect` find the lines of the cell, also after later cells."""
    lines = [line + "\n" for line in code.splitlines()]
    linecache.cache[filename] = (len(code), None, lines, filename)


def _compile(code: str, filename: str) -> tuple[CodeType, CodeType | None]:
    """The statements, and the trailing expression to echo if there is one."""
    if "\0" in code:  # a ValueError before Python 3.11.4
        raise SyntaxError("source code string cannot contain null bytes")
    tree = ast.parse(code, filename)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr) or _ends_with_semicolon(code):
        return compile(tree, filename, "exec", dont_inherit=True), None
    tree.body.pop()
    expression = ast.Expression(last.value)
    return (
        compile(tree, filename, "exec", dont_inherit=True),
        compile(expression, filename, "eval", dont_inherit=True),
    )


_BLANK_TOKENS = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def _ends_with_semicolon(code: str) -> bool:
    """Whether the last statement is followed by `;`, which suppresses its echo."""
    if ";" not in code:
        return False
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [token.string for token in tokens if token.type not in _BLANK_TOKENS][-1] == ";"


def format_error(exc: BaseException) -> str:
    """The traceback as a model sees it: user frames alone, no carets, alike on every Python version."""
    if isinstance(exc, SyntaxError) and not list(_user_frames(exc.__traceback__)):
        return _format_syntax_error(exc)
    frames = _format_frames(exc.__traceback__)
    header = ["Traceback (most recent call last):"] if frames else []
    return "\n".join([*header, *frames, _format_message(exc)])


def _format_syntax_error(exc: SyntaxError) -> str:
    lines = [f'  File "{exc.filename}", line {exc.lineno or 1}'] if exc.filename else []
    source = (exc.text or "").strip()
    if source:
        lines.append(f"    {source.splitlines()[0]}")
    return "\n".join([*lines, f"{type(exc).__name__}: {exc.msg}"])


def _format_message(exc: BaseException) -> str:
    if isinstance(exc, CellTimeout):
        return f"TimeoutError: {exc}"
    if isinstance(exc, SystemExit):
        return f"SystemExit: {exc.code} (the block ended here; the session goes on)"
    if isinstance(exc, SyntaxError):
        return f"{type(exc).__name__}: {exc.msg}"
    return "".join(traceback.format_exception_only(exc)).rstrip("\n")


def _user_frames(trace: TracebackType | None) -> Iterator[traceback.FrameSummary]:
    for frame, line in traceback.walk_tb(trace):
        code = frame.f_code
        if code.co_filename.startswith("<cell "):
            yield traceback.FrameSummary(code.co_filename, line, code.co_name)


def _format_frames(trace: TracebackType | None) -> list[str]:
    """One entry a frame; a frame repeated by recursion is counted, a long chain is cut in the middle."""
    entries = [entry.rstrip("\n") for entry in traceback.StackSummary.from_list(_user_frames(trace)).format()]
    if len(entries) <= MAX_FRAMES:
        return entries
    half = MAX_FRAMES // 2
    gap = f"  ... [{len(entries) - 2 * half} frames cut] ..."
    return [*entries[:half], gap, *entries[-half:]]
