"""What a request asks for, checked. A parameter is honoured or refused; none is passed over in silence.

Profiles have a form for one question and its answer. So system and user messages are joined into one, in their order,
and a conversation with turns of the assistant is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cort_data.endpoint.refusals import RefusedError
from cort_data.trace import first_problem

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
ASKING = ("system", "developer", "user")
STOPS = 16

_HERE = "python is the only tool, and it runs on the server"
_UNSUPPORTED: Mapping[str, tuple[tuple[object, ...], str]] = {
    "tools": (([],), _HERE),
    "functions": (([],), _HERE),
    "tool_choice": (("none", "auto"), _HERE),
    "parallel_tool_calls": ((True, False), _HERE),
    "frequency_penalty": ((0,), "tokens are drawn by temperature and top_p alone"),
    "presence_penalty": ((0,), "tokens are drawn by temperature and top_p alone"),
    "logit_bias": (({},), "tokens are drawn by temperature and top_p alone"),
    "logprobs": ((False,), "a text holds tokens that no model wrote"),
    "top_logprobs": ((0,), "a text holds tokens that no model wrote"),
    "response_format": (({"type": "text"},), "the answer is text"),
    "modalities": ((["text"],), "the answer is text"),
    "store": ((False,), "nothing is stored"),
}
"""Parameter → values that ask for nothing, and why others are refused."""

_ABOUT_THE_CALLER = ("user", "metadata", "safety_identifier", "service_tier", "prompt_cache_key")
"""They say who asks, and shape no answer anywhere."""

M = TypeVar("M", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Message(_Part):
    """One message. A content that is a list of texts is read as one."""

    role: Role
    content: str

    @field_validator("content", mode="before")
    @classmethod
    def _joined(cls, value: object) -> str:
        parts = value if isinstance(value, list) else [{"type": "text", "text": value}]
        texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
        if len(texts) < len(parts) or not all(isinstance(text, str) for text in texts):
            raise ValueError("expected a text, or a list of parts of the type text")
        return "".join(map(str, texts))


class StreamOptions(_Part):
    """What a stream also says."""

    include_usage: bool = False


class ChatRequest(_Part):
    """The body of a request, as far as it is honoured."""

    model_config = ConfigDict(allow_inf_nan=False)

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    n: Annotated[int, Field(ge=1)] = 1
    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    seed: int | None = None
    stop: str | list[str] = Field(default_factory=list)
    stream: bool = False
    stream_options: StreamOptions | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server has, and what a request gets that does not say."""

    model: str
    temperature: float
    top_p: float
    tokens: int
    """Most tokens that the model may write, and as many as it may where none are asked for."""
    choices: int
    """Most choices of one request."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that can be served."""

    question: str
    n: int
    temperature: float
    top_p: float
    tokens: int
    seed: int
    stops: tuple[str, ...]
    stream: bool
    stream_usage: bool


def read_request(body: bytes, offer: Offer) -> Asked:
    """What is asked for. Raises RefusedError."""
    request = _validated(ChatRequest, _supported(_tree(body)))
    if request.model != offer.model:
        raise RefusedError(
            HTTPStatus.NOT_FOUND,
            f"model: {request.model!r} is not served here; there is {offer.model!r}",
            "model",
            "model_not_found",
        )
    if request.stream_options is not None and not request.stream:
        raise _bad("stream_options", "only with stream: true")
    return Asked(
        question=_question(request.messages),
        n=_at_most("n", request.n, offer.choices, "--in-flight"),
        temperature=offer.temperature if request.temperature is None else request.temperature,
        top_p=offer.top_p if request.top_p is None else request.top_p,
        tokens=_tokens(request, offer),
        seed=secrets.randbits(31) if request.seed is None else request.seed,
        stops=_stops(request.stop),
        stream=request.stream,
        stream_usage=request.stream_options is not None and request.stream_options.include_usage,
    )


def _tree(body: bytes) -> dict[str, Any]:
    """The body as an object, without what is null."""
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from None
    if not isinstance(tree, dict):
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"the body must be a JSON object, got {type(tree).__name__}")
    return {name: value for name, value in tree.items() if value is not None}


def _supported(tree: dict[str, Any]) -> dict[str, Any]:
    """What is left to be honoured."""
    for name, (neutral, why) in _UNSUPPORTED.items():
        if name in tree and tree[name] not in neutral:
            raise _bad(name, f"not supported, {why}; leave it out")
    known = set(ChatRequest.model_fields)
    left = {name: tree[name] for name in tree if name not in _UNSUPPORTED and name not in _ABOUT_THE_CALLER}
    for name in left:
        if name not in known:
            raise _bad(name, f"no parameter of this server; it takes {', '.join(ChatRequest.model_fields)}")
    return left


def _validated(kind: type[M], tree: dict[str, Any]) -> M:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        place = error.errors(include_url=False)[0]["loc"]
        raise RefusedError(HTTPStatus.BAD_REQUEST, first_problem(error), str(place[0]) if place else None) from None


def _question(messages: list[Message]) -> str:
    """System and user messages as the one question that the profile has a place for."""
    for number, message in enumerate(messages):
        if message.role not in ASKING:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST,
                f"messages.{number}: a turn of the role {message.role!r}, and the model has a form for one question "
                "and its answer alone; send system and user messages, and what was said before as part of the question",
                "messages",
            )
    if not any(message.role == "user" and message.content.strip() for message in messages):
        raise _bad("messages", "no message of the role 'user' with a text; expected the question")
    return "\n\n".join(message.content for message in messages if message.content.strip())


def _tokens(request: ChatRequest, offer: Offer) -> int:
    given = {request.max_tokens, request.max_completion_tokens} - {None}
    if len(given) > 1:
        raise _bad("max_tokens", "not the same as max_completion_tokens; give one of them")
    name = "max_tokens" if request.max_completion_tokens is None else "max_completion_tokens"
    return _at_most(name, next(iter(given), None) or offer.tokens, offer.tokens, "--tokens")


def _stops(given: str | list[str]) -> tuple[str, ...]:
    stops = (given,) if isinstance(given, str) else tuple(given)
    if len(stops) > STOPS or not all(stops):
        raise _bad("stop", f"expected a text or at most {STOPS} of them, none empty")
    return stops


def _at_most(name: str, value: int, most: int, option: str) -> int:
    if value > most:
        raise _bad(
            name, f"at most {most:,} here, got {value:,}; ask for less, or start the server with more ({option})"
        )
    return value


def _bad(param: str, what: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, f"{param}: {what}", param)
