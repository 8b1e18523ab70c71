"""What a request gets that is not served: a status, and one line in the form of OpenAI's errors."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from cort_data.errors import CortError

RETRY_AFTER_S = 1
_CODES = {
    HTTPStatus.UNAUTHORIZED: "invalid_api_key",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_exceeded",
    HTTPStatus.SERVICE_UNAVAILABLE: "overloaded",
}
_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class RefusedError(CortError):
    """A request that is not served, or not to its end. `param` names the part of it that does not hold."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = HTTPStatus(status)
        self.param = param
        self.code = code or _CODES.get(self.status)

    def body(self) -> dict[str, Any]:
        """As OpenAI's clients read it."""
        kind = "server_error" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The answer to the request."""
        later = {"Retry-After": str(RETRY_AFTER_S)} if self.status in _LATER else {}
        return Response(
            orjson.dumps(self.body()), self.status, {**later, **(headers or {})}, media_type="application/json"
        )


def shutting_down() -> RefusedError:
    """For what the end of the server cuts short."""
    return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the server is shutting down")
