"""What a server of interpreter sessions and its clients say to each other, over HTTP with a bearer token.

    GET    /status                                  → ServerStatus
    PUT    /sessions/ID            OpenRequest      open a session
    PUT    /sessions/ID/twins/ID                    copy a session
    PUT    /sessions/ID/cells/N    the code         → Result: run cell N, or give its result again
    DELETE /sessions/ID/cells/N                     kill cell N if it runs; its state is then lost
    DELETE /sessions/ID                             end a session
    POST   /heartbeat              Heartbeat        these sessions are still wanted

Ids (UUIDs) and cell numbers (from 1) are the client's, so a request that is sent again has no second effect. Code goes
as it is, in UTF-8. A refusal is a `Complaint` in one line.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, TypeAdapter

from cort_data.interpreter.base import Limits, Result

TOKEN_VARIABLE = "CORT_INTERPRETER_TOKEN"
VERSION = version("cort-data")
MAX_BODY_BYTES = 32 * 2**20
"""A request's body; code of more is not run."""

_RESULT = TypeAdapter(Result)


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ServerStatus(_Message):
    """What a server is and has."""

    service: Literal["cort interpreter"] = "cort interpreter"
    version: str
    """Of cort; a client of another version is refused by itself, so that a trace does not depend on the server."""
    isolation: str
    forks: bool
    sessions: int
    capacity: int
    idle_s: PositiveFloat
    """A session of which nothing is heard for so long is ended."""


class AskedLimits(_Message):
    """`Limits`, checked."""

    timeout_s: PositiveFloat
    memory_mb: PositiveInt
    output_chars: PositiveInt

    def limits(self) -> Limits:
        """As the interpreter takes them."""
        return Limits(self.timeout_s, self.memory_mb, self.output_chars)


class OpenRequest(_Message):
    """What a session is opened with."""

    seed: int
    limits: AskedLimits


class Heartbeat(_Message):
    """The sessions that a client still has."""

    sessions: list[UUID]


class Complaint(_Message):
    """Why a request is refused, in one line."""

    error: str


def open_request(seed: int, limits: Limits) -> bytes:
    """The body that opens a session. It is the server that checks it, as an `OpenRequest`."""
    return json.dumps({"seed": seed, "limits": asdict(limits)}).encode("ascii")


def encode_code(code: str) -> bytes:
    """Any string, also one with halves of surrogate pairs, which the interpreter answers as it does locally."""
    return code.encode("utf-8", "surrogatepass")


def decode_code(body: bytes) -> str:
    """The code of a request. Raises UnicodeDecodeError."""
    return body.decode("utf-8", "surrogatepass")


def encode_result(result: Result) -> bytes:
    """The body of a cell's answer; pure ASCII, so that any text can be in it."""
    return json.dumps(asdict(result)).encode("ascii")


def decode_result(body: bytes) -> Result:
    """The result in a cell's answer. Raises ValueError."""
    return _RESULT.validate_python(json.loads(body))
