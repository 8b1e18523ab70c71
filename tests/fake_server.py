"""A real HTTP server on loopback that behaves as one kind of model server, well or badly.

Its model writes one of a few fixed texts from where the prompt has come to in it, one character a token, so that the
same prompt always continues in the same way. With `fault` it misbehaves in one of the ways that real servers do.
"""

import asyncio
import contextlib
import json
import re
import socket
import threading
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

TEXT = "So naïve 数 is 84."
END = 0
HOT = 1.0  # temperature from which the seed changes what is written
TURN = "\n<assistant>\n"  # what the chat template writes before the assistant's message
THINKING = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
CONTEXT = 100_000


@dataclass
class Behaviour:
    """What the server does. Ids are code points."""

    model: str = "tiny"
    vllm: bool = True  # /tokenize, token ids, the model's context
    raw: bool = True  # /completions
    chat: str | None = None  # "continue", "prefix", or "plain": neither; None: no chat template
    fault: str | None = None  # "restarts", "echoes", "trims", "drops thinking", "ignores stop and seed"
    thinks: str | None = None  # where whole turns show their thinking: "reasoning_content", "text" or "hidden"
    tools: bool = False
    code: str = "print(6 * 7)"  # what it calls the tool with
    texts: tuple[str, ...] = (TEXT,)
    logprobs: bool = True
    usage: bool = True
    cache: bool = False
    limits: dict = field(default_factory=dict)
    refuse_options: bool = False  # 400 for logprobs and stream_options
    per_event: int = 1
    failures: list = field(default_factory=list)  # for the next text requests: a status, or "cut" / "hang" / "garbage"
    retry_after: str | None = None
    no_quota_for: str | None = None  # what stands in prompts that are refused for want of money
    every: str | None = None  # "hang", "garbage", "html" or a status, for every request
    error: dict = field(default_factory=dict)  # more fields of an error
    context: int = CONTEXT
    break_after: int = 3
    pause_s: float = 0  # between events
    requests: list = field(default_factory=list)
    writing: set[object] = field(default_factory=set)  # streams whose last token is not sent
    most_open: int = 0
    drawn: int = 0
    prompts: list = field(default_factory=list)

    @property
    def open_streams(self) -> int:
        return len(self.writing)


class FakeServer:
    """The routes of one behaviour."""

    def __init__(self, behaviour):
        self.b = behaviour

    def _status(self, code, message=None):
        error = {"message": message or f"told to\nanswer {code}", "code": code} | self.b.error
        return JSONResponse({"error": error}, code)

    async def _bad(self):
        match self.b.every:
            case "hang":
                await asyncio.sleep(30)
            case "garbage":
                return PlainTextResponse("{[", media_type="application/json")
            case "html":
                return PlainTextResponse("<html>welcome</html>", media_type="text/html")
            case int(code):
                return self._status(code)
        return None

    async def models(self, _request):
        entry = {"id": self.b.model, "object": "model"} | ({"max_model_len": self.b.context} if self.b.vllm else {})
        return await self._bad() or JSONResponse({"object": "list", "data": [entry]})

    async def tokenize(self, request):
        if not self.b.vllm:
            return self._status(404)
        text = (await request.json())["prompt"]
        return await self._bad() or JSONResponse({"tokens": [ord(c) for c in text], "max_model_len": self.b.context})

    async def completions(self, request):
        body = await request.json()
        if bad := await self._bad():
            return bad
        if not self.b.raw:
            return self._status(404)
        prompt = body["prompt"]
        prompt = prompt if isinstance(prompt, str) else "".join(map(chr, prompt))
        return await self._answer(body, self._received(prompt), prompt, chat=False)

    async def chat(self, request):
        body = await request.json()
        if bad := await self._bad():
            return bad
        if self.b.chat is None:
            return self._status(400, "no chat template is defined")
        if "tools" in body and not self.b.tools:
            return self._status(400, "no tool parser is set")
        *_, last = messages = body["messages"]
        if last["role"] != "assistant":
            return await self._turn(body, messages)
        flagged = {"continue": body.get("continue_final_message"), "prefix": last.get("prefix")}
        written = last.get("reasoning_content", "") + last["content"]
        received = self._received(written)
        if not flagged.get(self.b.chat):  # a finished message, and a new one after it
            received = ""
        prompt = f"{messages[0]['content']}{TURN}{received}"
        return await self._answer(body, prompt, written, chat=True)

    async def _turn(self, body, messages):
        """An answer to messages that end with the user's, or with what a tool printed."""
        if "tools" in body and messages[-1]["role"] == "user":
            return await self._call(body)
        return await self._answer(body, "".join(str(m["content"]) for m in messages) + TURN, "", chat=True)

    async def _call(self, body):
        self.b.requests.append(body)
        arguments = json.dumps({"code": self.b.code})
        call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "python", "arguments": arguments}}
        usage = {"completion_tokens": 9, "prompt_tokens": 5, "total_tokens": 14}
        if not body.get("stream"):
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
            return JSONResponse({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage})

        async def events():
            yield self._data({"choices": [self._delta({"reasoning_content": "I will use the tool."}, None)]}, chat=True)
            half = len(arguments) // 2
            for part in (arguments[:half], arguments[half:]):
                delta = {"tool_calls": [call | {"function": {"name": "python", "arguments": part}}]}
                yield self._data({"choices": [self._delta(delta, None)]}, chat=True)
            yield self._data({"choices": [self._delta({}, "tool_calls")], "usage": usage}, chat=True)
            yield b"data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    def _received(self, text):
        """What of a prefix reaches the model."""
        match self.b.fault:
            case "restarts":
                return ""
            case "trims":
                return text.rstrip()
            case "drops thinking":
                return THINKING.sub("", text)
        return text

    async def _answer(self, body, prompt, sent, chat):
        self.b.requests.append(body)
        if self.b.refuse_options and ("logprobs" in body or "stream_options" in body):
            return self._status(400)
        if self.b.no_quota_for and self.b.no_quota_for in prompt:
            return JSONResponse({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}, 429)
        if len(prompt) > self.b.context:
            return self._status(400, f"the model's maximum context length is {self.b.context} tokens")
        failure = self.b.failures.pop(0) if self.b.failures else None
        if isinstance(failure, int):
            response = self._status(failure)
            response.headers.update({"retry-after": self.b.retry_after} if self.b.retry_after else {})
            return response
        events = self._events(body, prompt, sent, failure, chat)
        return StreamingResponse(events, media_type="text/event-stream", headers=self.b.limits)

    def _written(self, body, prompt):
        """The rest of the text that the prompt is in the middle of; the first text if it is in none."""
        starts = ((max(n for n in range(len(t) + 1) if prompt.endswith(t[:n])), t) for t in self.b.texts)
        start, text = max(starts, key=lambda found: found[0])
        rest = text[start:]
        if not start:  # what comes first depends on the prompt, as with any model
            rest = ("Blue. " if "blue, blue" in prompt else "Now. " if prompt.endswith("\n\n") else "") + rest
        if body["temperature"] >= HOT:
            self.b.drawn += 1
            number = self.b.drawn if self.b.fault == "ignores stop and seed" else body["seed"] % 90
            rest = f"{number} {rest}"
        for stop in () if self.b.fault == "ignores stop and seed" else body.get("stop", ()):
            rest = rest.partition(stop)[0]
        return rest

    def _shown(self, body, prompt, sent, chat):
        """Tokens as they are sent: what is written, after what an echoing server sends back."""
        rest = self._written(body, prompt)
        if self.b.fault == "trims":
            rest = rest.strip()
        if chat and not sent and self.b.thinks == "text":
            rest = f"<think>hm</think>{rest}"
        echo = [sent] if self.b.fault == "echoes" and sent else []
        return [*echo, *rest, ""], [END, *map(ord, rest), END][1 - len(echo) :]

    async def _events(self, body, prompt, sent, failure, chat):
        stream = object()
        self.b.writing.add(stream)
        self.b.most_open = max(self.b.most_open, self.b.open_streams)
        try:
            if chat and not sent and self.b.thinks == "reasoning_content":
                yield self._data({"choices": [self._delta({"reasoning_content": "hm"}, None)]}, chat=True)
            texts, ids = self._shown(body, prompt, sent, chat)
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
                yield self._event(body, texts[start:stop], ids[start:stop], self._finish(stop, count, texts), chat)
                await asyncio.sleep(self.b.pause_s)
            if self.b.usage and body.get("stream_options"):
                yield self._data({"choices": [], "usage": self._usage(prompt, count, chat, sent)}, chat)
            yield b"data: [DONE]\n\n"
        finally:
            self.b.writing.discard(stream)

    def _usage(self, prompt, count, chat, sent):
        if chat and not sent and self.b.thinks == "hidden":
            count += 500
        usage = {"completion_tokens": count, "prompt_tokens": len(prompt), "total_tokens": count + len(prompt)}
        if self.b.cache:
            usage["prompt_tokens_details"] = {"cached_tokens": len(prompt) if prompt in self.b.prompts else 0}
            self.b.prompts.append(prompt)
        return usage

    def _finish(self, stop, count, texts):
        if stop < count:
            return None
        return "stop" if count == len(texts) else "length"

    def _event(self, body, texts, ids, finish, chat):
        wants = self.b.logprobs and bool(body.get("logprobs") or (body.get("logprobs") == 0 and not chat))
        shown = [t or "<end>" for t in texts]
        if chat:
            choice = self._delta({"content": "".join(texts)}, finish)
            if wants:
                choice["logprobs"] = {"content": [{"token": t, "logprob": -0.5, "top_logprobs": []} for t in shown]}
            return self._data({"choices": [choice]}, chat)
        choice = {"index": 0, "text": "".join(texts), "finish_reason": finish, "logprobs": None}
        if wants:
            choice["logprobs"] = {"tokens": shown, "token_logprobs": [-0.5] * len(shown)}
        if self.b.vllm and body.get("return_token_ids"):
            choice["token_ids"] = ids
        return self._data({"choices": [choice]}, chat)

    def _delta(self, delta, finish):
        return {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}

    def _data(self, fields, chat):
        kind = "chat.completion.chunk" if chat else "text_completion"
        event = {"id": "c", "object": kind, "created": 1, "model": self.b.model} | fields
        return f"data: {json.dumps(event)}\n\n".encode()

    def app(self):
        return Starlette(
            routes=[
                Route("/v1/models", self.models),
                Route("/tokenize", self.tokenize, methods=["POST"]),
                Route("/v1/completions", self.completions, methods=["POST"]),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
            ]
        )


@contextlib.contextmanager
def serving_app(app):
    """Serve an app on a free port in a thread; gives the base address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def serving(behaviour):
    """Serve a fake server of this behaviour."""
    return serving_app(FakeServer(behaviour).app())


def refused_address():
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
