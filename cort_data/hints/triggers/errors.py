"""Errors that come back: the same kind of error in block after block."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import Field

from cort_data.hints.triggers.base import Detector, Span, Trigger
from cort_data.hints.view import Clause, View

_KIND = re.compile(r"[A-Za-z_][\w.]*")


class RepeatedError(Trigger):
    """The last blocks all ended in the same kind of error: the repair did not help."""

    name: ClassVar[str] = "repeated_error"

    times: Annotated[int, Field(ge=2, description="Blocks in a row with the same kind of error")] = 2

    def detector(self) -> Detector:
        """Looks only directly after an output."""
        return _RepeatedError(self.times)


class _RepeatedError:
    reads = False

    def __init__(self, times: int) -> None:
        self.times = times
        self.calls = 0  # the block that was looked at last
        self.kind: str | None = None
        self.count = 0

    def restart(self, view: View) -> Span | None:
        if not view.follows_output or view.length > view.run_start:
            return None
        if view.calls != self.calls:
            kind = error_kind(view.last_output or "") if view.last_error else None
            again = kind is not None and kind == self.kind and view.calls == self.calls + 1
            self.count = self.count + 1 if again else int(kind is not None)
            self.kind, self.calls = kind, view.calls
        if not self.count:
            return None
        reason = f"{self.kind} in {self.count} blocks in a row"
        return Span(view.length, view.length, float(self.count), float(self.times), reason)

    def read(self, view: View, clause: Clause) -> Span | None:  # noqa: ARG002
        return None


def error_kind(output: str) -> str:
    """The name of the exception that ended a block."""
    name = _KIND.match(output.rstrip().rpartition("\n")[2])
    return name[0] if name else ""
