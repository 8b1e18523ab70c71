"""An HTTP server of interpreter sessions: the routes of `remote_protocol` over the sessions of `hosting`.

Whoever has the token can run code within the limits and the isolation of the server. Nothing is encrypted: between
machines it belongs behind a proxy that speaks TLS, or at the end of a tunnel.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from cort_data import web
from cort_data.errors import InterpreterError
from cort_data.interpreter.base import Interpreter
from cort_data.interpreter.remote.hosting import Bounds, ClientGoneError, RefusedError, SessionHost
from cort_data.interpreter.remote.protocol import (
    MAX_BODY_BYTES,
    VERSION,
    Complaint,
    Heartbeat,
    OpenRequest,
    ServerStatus,
    decode_code,
    encode_result,
)
from cort_data.web import KeyGuard, body_of

RETRY_AFTER_S = 1

M = TypeVar("M", bound=BaseModel)


class Service:
    """What the routes do."""

    def __init__(self, host: SessionHost, isolation: str) -> None:
        self._host = host
        self._isolation = isolation

    def application(self, token: str) -> ASGIApp:
        """The server as an ASGI application."""
        session, cell = "/sessions/{session:uuid}", "/sessions/{session:uuid}/cells/{number:int}"
        routes = [
            Route("/status", self.status, methods=["GET"]),
            Route("/heartbeat", self.heartbeat, methods=["POST"]),
            Route(session, self.open, methods=["PUT"]),
            Route(session, self.end, methods=["DELETE"]),
            Route(session + "/twins/{twin:uuid}", self.fork, methods=["PUT"]),
            Route(cell, self.run, methods=["PUT"]),
            Route(cell, self.cancel, methods=["DELETE"]),
        ]
        errors = {InterpreterError: _on_error, HTTPException: _on_http_error, ClientDisconnect: _on_hang_up}
        refusal = _complaint(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"})
        return KeyGuard(Starlette(routes=routes, exception_handlers=errors), token, refusal)

    async def status(self, _request: Request) -> Response:
        """What this server is and has."""
        return _json(
            ServerStatus(
                version=VERSION,
                isolation=self._isolation,
                forks=self._host.forks,
                sessions=len(self._host),
                capacity=self._host.bounds.sessions,
                idle_s=self._host.bounds.idle_s,
            )
        )

    async def heartbeat(self, request: Request) -> Response:
        """Keep a client's sessions."""
        self._host.keep(_parsed(Heartbeat, await body_of(request, MAX_BODY_BYTES)).sessions)
        return _done()

    async def open(self, request: Request) -> Response:
        """Open a session."""
        asked = _parsed(OpenRequest, await body_of(request, MAX_BODY_BYTES))
        await self._host.open(request.path_params["session"], asked.seed, asked.limits.limits())
        return _done()

    async def fork(self, request: Request) -> Response:
        """Copy a session."""
        await self._host.fork(request.path_params["session"], request.path_params["twin"])
        return _done()

    async def run(self, request: Request) -> Response:
        """Run a cell."""
        try:
            code = decode_code(await body_of(request, MAX_BODY_BYTES))
        except UnicodeDecodeError as error:
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the code is not UTF-8 (byte {error.start})") from None
        names = request.path_params
        # the body is read: the next thing to be received is that the client hangs up
        result = await self._host.run(names["session"], names["number"], code, request.receive)
        return Response(encode_result(result), media_type="application/json")

    async def cancel(self, request: Request) -> Response:
        """Kill a cell."""
        await self._host.cancel(request.path_params["session"], request.path_params["number"])
        return _done()

    async def end(self, request: Request) -> Response:
        """End a session."""
        await self._host.end(request.path_params["session"])
        return _done()


async def serve(interpreter: Interpreter, isolation: str, bounds: Bounds, listener: socket.socket, token: str) -> None:
    """Serve until SIGINT or SIGTERM; then end all sessions. Closes the listener."""
    host = SessionHost(interpreter, bounds)
    reaper = asyncio.create_task(host.end_idle())
    try:
        await web.serve(Service(host, isolation).application(token), listener, host.close)
    finally:
        reaper.cancel()
        await host.close()


def _parsed(message: type[M], body: bytes) -> M:
    try:
        return message.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the request"
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{place}: {first['msg']}") from None


async def _on_error(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RefusedError) else HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, ClientGoneError):
        return await _on_hang_up(request, error)
    full = status is HTTPStatus.SERVICE_UNAVAILABLE
    return _complaint(status, str(error), {"Retry-After": str(RETRY_AFTER_S)} if full else {})


async def _on_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _complaint(HTTPStatus(error.status_code), error.detail, error.headers or {})


async def _on_hang_up(_request: Request, _error: Exception) -> Response:
    """For nobody: the connection is gone."""
    return _complaint(HTTPStatus.REQUEST_TIMEOUT, "the client hung up", {})


def _complaint(status: HTTPStatus, text: str, headers: Mapping[str, str]) -> Response:
    return _json(Complaint(error=text), status, headers)


def _json(message: BaseModel, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    return Response(message.model_dump_json(), status, headers, media_type="application/json")


def _done() -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT)
