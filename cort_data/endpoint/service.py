"""The HTTP server: OpenAI's routes over the completions of this package, until a signal ends it.

    POST /v1/chat/completions      with and without `stream`
    GET  /v1/models, /v1/models/NAME
    GET  /health

A client that hangs up ends its rollouts and their python sessions. Nothing is encrypted: between machines it belongs
behind a proxy that speaks TLS, or at the end of a tunnel.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cort_data import web
from cort_data.endpoint.answers import Answers
from cort_data.endpoint.asked import Offer, read_request
from cort_data.endpoint.completion import Completion, check_fits
from cort_data.endpoint.places import Places
from cort_data.endpoint.refusals import RefusedError, shutting_down
from cort_data.rollout import Rollouts
from cort_data.web import KeyGuard, body_of

MAX_BODY_BYTES = 4 * 2**20
JSON = "application/json"

T = TypeVar("T")


class Service:
    """What the routes do."""

    def __init__(self, rollouts: Rollouts, offer: Offer, places: Places) -> None:
        self._rollouts, self._offer, self._places = rollouts, offer, places
        self._live: set[Completion] = set()
        self._closing = False
        self._since = int(time.time())

    def application(self, key: str | None) -> ASGIApp:
        """The server as an ASGI application; `key` None: it asks for none."""
        routes = [
            Route("/health", self.health, methods=["GET"]),
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/models/{model:path}", self.model, methods=["GET"]),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
        ]
        errors: dict[Any, Any] = {
            RefusedError: _on_refusal,
            HTTPException: _on_http_error,
            ClientDisconnect: _on_hang_up,
            Exception: _on_bug,
        }
        app = Starlette(routes=routes, exception_handlers=errors)
        if key is None:
            return app
        refusal = RefusedError(HTTPStatus.UNAUTHORIZED, "the API key is missing or wrong")
        return KeyGuard(app, key, refusal.response({"WWW-Authenticate": "Bearer"}))

    async def health(self, _request: Request) -> Response:
        """It serves, and how busy it is."""
        self._refuse_if_closing()
        places = self._places
        busy = {"answers": places.taken, "at_once": places.written, "waiting": places.waiting}
        return JSONResponse({"status": "ok", "model": self._offer.model, **busy})

    async def models(self, _request: Request) -> Response:
        """The one model."""
        return JSONResponse({"object": "list", "data": [self._model()]})

    async def model(self, request: Request) -> Response:
        """The model by its name."""
        name = request.path_params["model"]
        if name != self._offer.model:
            what = f"{name!r} is not served here; there is {self._offer.model!r}"
            raise RefusedError(HTTPStatus.NOT_FOUND, what, "model", "model_not_found")
        return JSONResponse(self._model())

    async def chat(self, request: Request) -> Response:
        """Answer a question."""
        self._refuse_if_closing()
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the Content-Type must be {JSON}")
        asked = read_request(await body_of(request, MAX_BODY_BYTES), self._offer)
        await check_fits(self._rollouts, asked.question)
        completion = Completion(self._rollouts, asked, self._places)
        self._live.add(completion)
        answers = Answers(self._offer.model, self._rollouts.engine.name, asked.n)
        if asked.stream:
            return EventStream(lambda send: _stream(completion, answers, send), lambda: self._end(completion))
        try:
            return Response(await unless_hung_up(request.receive, _whole(completion, answers)), media_type=JSON)
        finally:
            self._end(completion)

    async def close(self) -> None:
        """End all answers, and take no more requests."""
        self._closing = True
        for completion in self._live:
            completion.end(shutting_down())

    def _model(self) -> dict[str, Any]:
        context = self._rollouts.engine.context
        return {
            "id": self._offer.model,
            "object": "model",
            "created": self._since,
            "owned_by": "cort",
            "max_model_len": context,
        }

    def _refuse_if_closing(self) -> None:
        if self._closing:
            raise shutting_down()

    def _end(self, completion: Completion) -> None:
        self._live.discard(completion)
        completion.close()


class EventStream(Response):
    """A response that is written as it comes about, and no longer than somebody reads it."""

    def __init__(self, write: Callable[[Send], Coroutine[Any, Any, None]], end: Callable[[], None]) -> None:
        super().__init__(headers={"Cache-Control": "no-cache"}, media_type="text/event-stream")
        del self.headers["content-length"]
        self._write, self._end = write, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        """Send it."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            with suppress(ClientDisconnect):
                await unless_hung_up(receive, self._write(send))
        finally:
            self._end()


async def unless_hung_up(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, which is cancelled when the client hangs up. Raises ClientDisconnect then."""
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_hang_up(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        done = working.done()
        for task in (working, gone):
            task.cancel()
        await asyncio.wait((working, gone))
    if not done:
        raise ClientDisconnect
    return working.result()


async def serve(service: Service, listener: socket.socket, key: str | None) -> None:
    """Serve until SIGINT or SIGTERM; then end all answers. Closes the listener."""
    await web.serve(service.application(key), listener, service.close)


async def _whole(completion: Completion, answers: Answers) -> bytes:
    async with aclosing(completion.events()) as events:
        return await answers.whole(events)


async def _stream(completion: Completion, answers: Answers, send: Send) -> None:
    async with aclosing(completion.events()) as events:
        async for chunk in answers.chunks(events, usage=completion.asked.stream_usage):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _hang_up(receive: Receive) -> None:
    """Returns when the client has gone; the body of its request is read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _on_refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return error.response()


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        what = f"no such path: {request.url.path}; there are /v1/chat/completions, /v1/models and /health"
    return RefusedError(error.status_code, what).response(error.headers)


async def _on_hang_up(_request: Request, _error: Exception) -> Response:
    """For nobody: the connection is gone."""
    return RefusedError(HTTPStatus.REQUEST_TIMEOUT, "the client hung up").response()


async def _on_bug(_request: Request, error: Exception) -> Response:
    """The traceback goes to the server's log."""
    what = f"the server failed ({type(error).__name__}); its log says more"
    return RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, what).response()
