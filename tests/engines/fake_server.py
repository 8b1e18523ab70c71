"""A real HTTP server on loopback that behaves as one kind of model server, well or badly."""

import asyncio
import contextlib
import json
import socket
import threading
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

TEXT = "So naïve 数 is 84."
END = 0


@dataclass
class Behaviour:
    """What the server does. Ids are code points; one token is one character of TEXT after what the prompt has."""

    model: str = "tiny"
    vllm: bool = True
    logprobs: bool = True
    usage: bool = True
    refuse_options: bool = False  # 400 for logprobs and stream_options
    per_event: int = 1
    failures: list = field(default_factory=list)  # for the next text requests: a status, or "cut" / "hang"
    retry_after: str | None = None
    every: str | None = None  # "hang", "garbage", "html" or a status, for every request
    break_after: int = 3
    requests: list = field(default_factory=list)
    writing: set[object] = field(default_factory=set)  # streams whose last token is not sent
    most_open: int = 0

    @property
    def open_streams(self) -> int:
        return len(self.writing)


def _status(code):
    return JSONResponse({"error": {"message": f"told to\nanswer {code}", "code": code}}, code)


class FakeServer:
    """The routes of one behaviour."""

    def __init__(self, behaviour):
        self.b = behaviour

    async def _bad(self):
        match self.b.every:
            case "hang":
                await asyncio.sleep(30)
            case "garbage":
                return PlainTextResponse("{[", media_type="application/json")
            case "html":
                return PlainTextResponse("<html>welcome</html>", media_type="text/html")
            case int(code):
                return _status(code)
        return None

    async def models(self, _request):
        entry = {"id": self.b.model, "object": "model"} | ({"max_model_len": 777} if self.b.vllm else {})
        return await self._bad() or JSONResponse({"object": "list", "data": [entry]})

    async def tokenize(self, request):
        if not self.b.vllm:
            return _status(404)
        text = (await request.json())["prompt"]
        return await self._bad() or JSONResponse({"tokens": [ord(c) for c in text], "max_model_len": 777})

    async def completions(self, request):
        body = await request.json()
        self.b.requests.append(body)
        if self.b.refuse_options and ("logprobs" in body or "stream_options" in body):
            return _status(400)
        failure = self.b.failures.pop(0) if self.b.failures else None
        if isinstance(failure, int):
            headers = {"retry-after": self.b.retry_after} if self.b.retry_after else {}
            response = _status(failure)
            response.headers.update(headers)
            return response
        return await self._bad() or StreamingResponse(self._events(body, failure), media_type="text/event-stream")

    def _tokens(self, body):
        prompt = body["prompt"]
        prompt = prompt if isinstance(prompt, str) else "".join(map(chr, prompt))
        start = max((n for n in range(len(TEXT) + 1) if prompt.endswith(TEXT[:n])), default=0)
        return [*TEXT[start:], ""], [*map(ord, TEXT[start:]), END]

    async def _events(self, body, failure):
        stream = object()
        self.b.writing.add(stream)
        self.b.most_open = max(self.b.most_open, self.b.open_streams)
        try:
            texts, ids = self._tokens(body)
            count = min(len(texts), body["max_tokens"])
            for start in range(0, count, self.b.per_event):
                if failure and start >= self.b.break_after:
                    if failure == "hang":
                        await asyncio.sleep(30)
                    if failure == "garbage":
                        yield b"data: {[\n\n"
                    return
                stop = min(start + self.b.per_event, count)
                if stop == count:  # the client may go on as soon as it has read this
                    self.b.writing.discard(stream)
                yield self._event(body, texts[start:stop], ids[start:stop], self._finish(stop, count, texts))
                await asyncio.sleep(0.002)
            usage = {"completion_tokens": count, "prompt_tokens": 1, "total_tokens": count + 1}
            if self.b.usage and body.get("stream_options"):
                yield self._data({"choices": [], "usage": usage})
            yield b"data: [DONE]\n\n"
        finally:
            self.b.writing.discard(stream)

    def _finish(self, stop, count, texts):
        if stop < count:
            return None
        return "stop" if count == len(texts) else "length"

    def _event(self, body, texts, ids, finish):
        choice = {"index": 0, "text": "".join(texts), "finish_reason": finish, "logprobs": None}
        if self.b.logprobs and body.get("logprobs") is not None:
            shown = [t or "<end>" for t in texts]
            choice["logprobs"] = {"tokens": shown, "token_logprobs": [-0.5] * len(shown)}
        if self.b.vllm and body.get("return_token_ids"):
            choice["token_ids"] = ids
        return self._data({"choices": [choice]})

    def _data(self, fields):
        event = {"id": "c", "object": "text_completion", "created": 1, "model": self.b.model} | fields
        return f"data: {json.dumps(event)}\n\n".encode()

    def app(self):
        return Starlette(
            routes=[
                Route("/v1/models", self.models),
                Route("/tokenize", self.tokenize, methods=["POST"]),
                Route("/v1/completions", self.completions, methods=["POST"]),
            ]
        )


@contextlib.contextmanager
def serving(behaviour):
    """Serve on a free port in a thread; gives the base address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        FakeServer(behaviour).app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=0
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def refused_address():
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
