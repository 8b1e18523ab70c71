"""What the HTTP servers of cort share: listening and ending, a guard that asks for a key, bodies of bounded size."""

from __future__ import annotations

import hmac
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus

import uvicorn
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cort_data.errors import RecipeError

BACKLOG = 2048
KEEP_ALIVE_S = 120
"""Longer than clients keep an unused connection, so that they do not send into one that is being closed."""
SHUTDOWN_S = 5


class KeyGuard:
    """Lets through who has the key; nothing else of the server can be reached or seen without."""

    def __init__(self, app: ASGIApp, key: str, refusal: Response) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode()
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await (self._app if self._holds_key(scope) else self._refusal)(scope, receive, send)

    def _holds_key(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, self._expected)


def listen(address: str, port: int) -> socket.socket:
    """A socket to serve on; port 0 takes a free one. Raises RecipeError."""
    try:
        family, kind, protocol, _, name = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        # with the protocol named, asyncio sends small answers at once; else they wait 40 ms for more
        listener = socket.socket(family, kind, protocol)
        with suppress(AttributeError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(name)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise RecipeError(
            f"cannot listen on {address}:{port}: {error.strerror}; choose another --port or --host"
        ) from None
    return listener


def address_of(listener: socket.socket) -> str:
    """Where it can be reached, as http://127.0.0.1:8000."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(app: ASGIApp, listener: socket.socket, end: Callable[[], Awaitable[None]]) -> None:
    """Serve until SIGINT or SIGTERM. Closes the listener.

    `end` is called before connections are waited for: what runs is ended, and its client still hears of that.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        backlog=BACKLOG,
    )
    with _signals_only_end_the_server():
        await _Server(config, end).serve(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, end: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._end()
        await super().shutdown(sockets)


@contextmanager
def _signals_only_end_the_server() -> Iterator[None]:
    """Uvicorn raises a signal again once it has ended; what the server holds is still to be closed then."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def body_of(request: Request, most: int) -> bytes:
    """The body of a request. Raises HTTPException if it has more than `most` bytes."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            detail = f"the request is too large; at most {most} bytes"
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        parts.append(part)
    return b"".join(parts)
