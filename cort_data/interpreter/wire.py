"""Frames between a session's process and its client: four bytes of length, then JSON.

A session runs untrusted code, so its frames are input to be checked: a length over the limit or a body that is not a
JSON object is a `WireError`.
"""

from __future__ import annotations

import struct
from typing import Any

import orjson

HEADER = struct.Struct(">I")
MAX_REPLY = 1 << 20
"""Bytes a session may send at once; its output limits keep honest replies far below."""

Frame = dict[str, Any]


class WireError(ValueError):
    """The other side does not speak the protocol."""


def encode(frame: Frame) -> bytes:
    """The bytes of one frame. Its texts have no lone surrogates, its integers 64 bits."""
    body = orjson.dumps(frame)
    return HEADER.pack(len(body)) + body


class FrameReader:
    """Collects bytes and gives complete frames."""

    def __init__(self, limit: int | None = None) -> None:
        """`limit` is the most bytes of a frame's body; None takes any."""
        self._limit = limit
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Add bytes as they came; returns the frames that are complete."""
        self._data += data
        frames = []
        while len(self._data) >= HEADER.size:
            (size,) = HEADER.unpack_from(self._data)
            if self._limit is not None and size > self._limit:
                raise WireError(f"a frame of {size} bytes; at most {self._limit} are allowed")
            end = HEADER.size + size
            if len(self._data) < end:
                break
            frames.append(_decode(bytes(self._data[HEADER.size : end])))
            del self._data[:end]
        return frames


def _decode(body: bytes) -> Frame:
    try:
        frame = orjson.loads(body)
    except ValueError as exc:
        raise WireError(f"a frame that is not JSON: {exc}") from exc
    if not isinstance(frame, dict):
        raise WireError(f"a frame must be an object, got {type(frame).__name__}")
    return frame
