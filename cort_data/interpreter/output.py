"""What a cell prints: kept while it is produced, at both ends, so that a flood of output costs no memory.

`OutputBuffer` holds the first and the last characters of what was written; `OutputStream` is the text stream that
stands in for `sys.stdout` and `sys.stderr` at once, which keeps their order.
"""

from __future__ import annotations

import io
from collections import deque
from typing import TYPE_CHECKING

from cort_data.interpreter.partial import PartialOutput

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

DEFAULT_OUTPUT_CHARS = 4000
CUT_NOTE_CHARS = 64
"""What the line that says how much was cut adds, at most."""


class OutputBuffer:
    """Keeps the first half and the last half of `limit` characters; counts what falls between them."""

    def __init__(self, limit: int | None = DEFAULT_OUTPUT_CHARS, partial: PartialOutput | None = None) -> None:
        """`limit` is in characters; None keeps everything. `partial` gets the first half at once."""
        self._limit = limit
        self._partial = partial
        self._head_limit = 0 if limit is None else limit - limit // 2
        self._tail_limit = 0 if limit is None else limit // 2
        self._head: list[str] = []
        self._head_size = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._cut = 0

    def write(self, text: str) -> None:
        """Add text."""
        if self._limit is None:
            self._head.append(text)
            return
        room = self._head_limit - self._head_size
        if room > 0:
            self._head.append(text[:room])
            self._head_size += min(room, len(text))
            if self._partial:
                self._partial.add(text[:room])
            text = text[room:]
        if text:
            self._write_tail(text)

    def _write_tail(self, text: str) -> None:
        if len(text) > self._tail_limit:
            self._cut += self._tail_size + len(text) - self._tail_limit
            self._tail.clear()
            self._tail_size = 0
            text = text[len(text) - self._tail_limit :]
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._tail_limit:
            dropped = len(self._tail.popleft())
            self._tail_size -= dropped
            self._cut += dropped

    def value(self) -> tuple[str, int]:
        """The text, with a line that says how much was cut where it was cut, and the number of characters cut."""
        head, tail, cut = "".join(self._head), "".join(self._tail), self._cut
        surplus = max(0, len(tail) - self._tail_limit)
        cut, tail = cut + surplus, tail[surplus:]
        text = f"{head}\n... [{cut} characters cut] ...\n{tail}" if cut else head + tail
        return printable(text), cut


def printable(text: str) -> str:
    """The text without lone surrogates, which no file and no tokenizer would take."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def cut_text(text: str, limit: int | None) -> tuple[str, int]:
    """`text` cut as output is cut, and the number of characters cut."""
    buffer = OutputBuffer(limit)
    buffer.write(text)
    return buffer.value()


class OutputStream(io.TextIOBase):
    """A text stream that keeps what is written until it is taken; `buffer` takes bytes, which need not be UTF-8.

    One stream serves all cells of a session: a log handler made in the first cell still writes into the third.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, limit: int | None = DEFAULT_OUTPUT_CHARS, partial: PartialOutput | None = None) -> None:
        super().__init__()
        self.limit = limit
        self._partial = partial
        self._kept = OutputBuffer(limit, partial)
        self._binary = _BinaryStream(self)

    def take(self) -> tuple[str, int]:
        """What was written since the last call, and how many characters of it were cut."""
        kept, self._kept = self._kept, OutputBuffer(self.limit, self._partial)
        return kept.value()

    @property
    def buffer(self) -> io.RawIOBase:
        """The stream as one of bytes."""
        return self._binary

    def write(self, text: str) -> int:
        """Add text; returns its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._kept.write(text)
        return len(text)

    def writable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Stays open: a cell that closes its stdout must not silence the next one."""

    def reconfigure(self, **_options: object) -> None:
        """Accepted for code written for a real stdout; nothing here is configurable."""


class _BinaryStream(io.RawIOBase):
    """The bytes side of an `OutputStream`."""

    def __init__(self, stream: OutputStream) -> None:
        super().__init__()
        self._stream = stream

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Buffer) -> int:
        """Add bytes; what is not UTF-8 is shown as escapes."""
        raw = bytes(data)
        self._stream.write(raw.decode("utf-8", "backslashreplace"))
        return len(raw)

    def close(self) -> None:
        """Stays open, like its stream."""


class NoInput(io.TextIOBase):
    """The stdin of a cell: every read says that nobody can answer."""

    def _refuse(self) -> str:
        raise EOFError("nobody can answer input() here; write the values into the code")

    def read(self, _size: int | None = -1) -> str:
        """Refused."""
        return self._refuse()

    def readline(self, _size: int = -1) -> str:  # type: ignore[override]
        """Refused."""
        return self._refuse()

    def readable(self) -> bool:
        """Yes, so that readers come to the refusal."""
        return True

    def close(self) -> None:
        """Stays open: `exit()` closes stdin before it raises."""
