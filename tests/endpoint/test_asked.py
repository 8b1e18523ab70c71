"""What a request asks for: honoured, or refused in one line that names the parameter."""

import json

import pytest

from cort_data.endpoint.asked import Asked, Offer, read_request
from cort_data.endpoint.refusals import RefusedError

OFFER = Offer(model="m", temperature=0.6, top_p=0.95, tokens=1000, choices=8)
USER = {"role": "user", "content": "What is 12 * 7?"}


def asked(**fields: object) -> Asked:
    return read_request(json.dumps({"model": "m", "messages": [USER], **fields}).encode(), OFFER)


def refused(body: bytes | None = None, **fields: object) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        asked(**fields) if body is None else read_request(body, OFFER)
    assert "\n" not in str(caught.value)
    return caught.value


def test_what_is_not_said_is_as_the_server_has_it():
    found = asked()
    assert (found.question, found.n, found.temperature, found.top_p, found.tokens) == (
        USER["content"],
        1,
        0.6,
        0.95,
        1000,
    )
    assert (found.stops, found.stream) == ((), False)
    assert asked().seed != asked().seed


def test_what_is_said_is_honoured():
    found = asked(temperature=0, top_p=0.5, max_tokens=7, n=8, seed=-3, stop="x", stream=True)
    assert (found.temperature, found.top_p, found.tokens, found.n, found.seed) == (0, 0.5, 7, 8, -3)
    assert (found.stops, found.stream, found.stream_usage) == (("x",), True, False)
    assert asked(max_completion_tokens=9).tokens == 9
    assert asked(stream=True, stream_options={"include_usage": True}).stream_usage


def test_system_and_user_messages_are_one_question_in_their_order():
    system = {"role": "system", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]}
    assert asked(messages=[system, USER, USER]).question == "Be brief.\n\nWhat is 12 * 7?\n\nWhat is 12 * 7?"


@pytest.mark.parametrize("role", ["assistant", "tool"])
def test_a_conversation_is_refused(role: str):
    error = refused(messages=[USER, {"role": role, "content": "84"}, USER])
    assert (error.status, error.param) == (400, "messages")
    assert str(error).startswith(f"messages.1: a turn of the role '{role}', and the model has a form for one question")


@pytest.mark.parametrize(
    "neutral",
    [
        {"temperature": None, "stop": None, "top_k": None},
        {"tools": [], "tool_choice": "auto", "frequency_penalty": 0.0, "logprobs": False, "store": False},
        {"response_format": {"type": "text"}, "user": "somebody", "metadata": {"a": "b"}},
    ],
)
def test_what_asks_for_nothing_is_no_matter(neutral: dict[str, object]):
    assert asked(**neutral).question == USER["content"]


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"tools": [{"type": "function"}]}, "tools", "not supported, python is the only tool"),
        ({"logprobs": True}, "logprobs", "not supported"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "not supported"),
        ({"response_format": {"type": "json_object"}}, "response_format", "not supported"),
        ({"top_k": 5}, "top_k", "no parameter of this server; it takes model, messages, n,"),
        ({"temperature": 9}, "temperature", "less than or equal to 5 (got 9)"),
        ({"temperature": "0.5"}, "temperature", "valid number"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 9}, "n", "at most 8 here, got 9; ask for less, or start the server with more (--in-flight)"),
        ({"max_tokens": 1001}, "max_tokens", "at most 1,000 here, got 1,001"),
        ({"max_completion_tokens": 1001}, "max_completion_tokens", "at most 1,000 here"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", "not the same as max_completion_tokens"),
        ({"seed": 1.5}, "seed", "valid integer"),
        ({"stop": [""]}, "stop", "none empty"),
        ({"stop": ["a"] * 17}, "stop", "at most 16"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "only with stream: true"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages", "expected the question"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages", "expected the question"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages", "Input should be 'system'"),
        ({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, "messages", "Extra inputs"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages",
            "of the type text",
        ),
        ({"messages": "x"}, "messages", "valid list"),
    ],
)
def test_what_cannot_be_honoured_is_refused(fields: dict[str, object], param: str, said: str):
    error = refused(**fields)
    assert (error.status, error.param) == (400, param)
    assert said in str(error)
    assert error.body()["error"]["type"] == "invalid_request_error"


def test_another_model_is_not_found():
    error = refused(model="gpt-5")
    assert (error.status, error.code) == (404, "model_not_found")
    assert str(error) == "model: 'gpt-5' is not served here; there is 'm'"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"\xff", b'{"model": NaN}', b"[" * 100_000, b'{"a": "\\ud800"}']
)
def test_a_body_that_is_no_request_is_refused(body: bytes):
    assert refused(body).status == 400
