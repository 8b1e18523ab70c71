"""The server over HTTP, with a scripted engine and an interpreter that counts its sessions."""

import asyncio
import contextlib
import time
from dataclasses import dataclass

import httpx
import openai
import pytest
from builders import InProcess
from fake_server import serving_app

from cort_data.endpoint.asked import Offer
from cort_data.endpoint.places import Places
from cort_data.endpoint.service import MAX_BODY_BYTES, Service
from cort_data.engines.scripted import ScriptedEngine
from cort_data.errors import EngineError
from cort_data.hints.policy import load_policy
from cort_data.jobs import RolloutSettings
from cort_data.profiles import load_profile
from cort_data.rollout import Rollouts
from cort_data.trace import InterpreterUsed

KEY = "a-key-of-the-tests-0123456789"
ASK = [{"role": "user", "content": "What is 12 * 7?"}]
THOUGHT = "By a program.\n```python\nprint(12 * 7)\n```\n"
OUTPUT = "```output\n84\n```\n"
SCRIPT = {"<think>\n": THOUGHT + "never read", OUTPUT: "So `84`.\n</think>\nIt is \\boxed{84}. STOP it."}
USED = InterpreterUsed(backend="local", isolation="none", timeout_s=10, memory_mb=1024, output_chars=4000)


class Writer(ScriptedEngine):
    """Writes a script, and then, if it is told to wait, nothing more for as long as somebody reads."""

    def __init__(self, script=SCRIPT, waits=False, fails=False, context=4096):
        super().__init__(script, ids=True, context=context)
        self.waits, self.fails = waits, fails

    async def generate(self, prefix, sampling):
        async for chunk in super().generate(prefix, sampling):
            yield chunk
            if self.fails:
                raise EngineError("the engine is out of order")
            if self.waits and prefix.text.endswith(OUTPUT):
                self.live += 1
                try:
                    await asyncio.sleep(3600)
                finally:
                    self.live -= 1


@dataclass
class Served:
    """A served model, and what it holds."""

    url: str
    engine: Writer
    interpreter: InProcess
    places: Places
    service: Service

    @property
    def client(self):
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=KEY, max_retries=0, timeout=60)

    def ask(self, **fields):
        return self.client.chat.completions.create(**({"model": "m", "messages": ASK, "seed": 1} | fields))

    def post(self, body=b"", **fields):
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        return httpx.post(f"{self.url}/v1/chat/completions", content=body, **({"headers": headers} | fields))

    def held(self):
        """Streams, python sessions, places."""
        return self.engine.live, self.interpreter.live, self.places.taken

    def until(self, held):
        """What is held when it is as expected, or after five seconds."""
        deadline = time.monotonic() + 5
        while (now := self.held()) != held and time.monotonic() < deadline:
            time.sleep(0.01)
        return now


@contextlib.contextmanager
def serving(engine=None, *, at_once=4, waiting=2, tokens=500, calls=3):
    engine, interpreter, places = engine or Writer(), InProcess(), Places(at_once, waiting)
    rollouts = Rollouts(
        engine=engine,
        interpreter=interpreter,
        interpreter_used=USED,
        profile=load_profile("nano"),
        policy=load_policy("none"),
        settings=RolloutSettings(policy="none", calls=calls, tokens=tokens, prompt="plain"),
        temperature=0.6,
        top_p=0.95,
    )
    service = Service(rollouts, Offer("m", 0.6, 0.95, tokens, at_once), places)
    with serving_app(service.application(KEY)) as url:
        yield Served(url.removesuffix("/v1"), engine, interpreter, places, service)


@pytest.fixture(scope="module")
def shared():
    with serving() as served:
        yield served


@pytest.fixture
def served(shared):
    shared.engine.calls.clear()
    yield shared
    assert shared.until((0, 0, 0)) == (0, 0, 0)


def test_the_answer_is_the_content_and_the_thinking_a_field_of_its_own(served):
    answer = served.ask()
    [choice] = answer.choices
    assert choice.message.reasoning_content == THOUGHT + OUTPUT + "So `84`.\n"
    assert choice.message.content == "\nIt is \\boxed{84}. STOP it."
    assert (choice.finish_reason, choice.cort) == (
        "stop",
        {"stop_reason": "answered", "calls": 1, "interpreter_tokens": len("\n" + OUTPUT)},
    )
    assert (answer.object, answer.model, answer.system_fingerprint) == ("chat.completion", "m", "scripted")


def test_usage_counts_the_prompt_once_and_what_the_model_wrote(served):
    prompt = load_profile("nano").render(ASK[0]["content"])
    written = len(THOUGHT.rstrip("\n") + SCRIPT[OUTPUT]) + 1  # and the end-of-text token
    for n in (1, 3):
        usage = served.ask(n=n).usage
        assert (usage.prompt_tokens, usage.completion_tokens) == (len(prompt), n * written)
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_what_is_asked_for_reaches_the_engine(served):
    served.ask(temperature=0.25, top_p=0.5, max_tokens=77)
    prefix, sampling = served.engine.calls[0]
    assert prefix.text == load_profile("nano").render(ASK[0]["content"])
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.25, 0.5, 77)


def test_the_same_seed_draws_the_same_and_choices_differ(served):
    def seeds(seed):
        served.engine.calls.clear()
        served.ask(n=2, seed=seed)
        return sorted(sampling.seed for _, sampling in served.engine.calls)

    assert seeds(5) == seeds(5)
    assert seeds(5) != seeds(6)
    assert len(set(seeds(5))) == 4  # two choices of two streams


def streamed(events):
    texts, finishes, usage = {}, {}, None
    for event in events:
        usage = event.usage or usage
        for choice in event.choices:
            thinking, answer = texts.get(choice.index, ("", ""))
            more = getattr(choice.delta, "reasoning_content", None) or "", choice.delta.content or ""
            texts[choice.index] = thinking + more[0], answer + more[1]
            finishes[choice.index] = choice.finish_reason or finishes.get(choice.index)
    return texts, finishes, usage


@pytest.mark.parametrize("fields", [{}, {"n": 3}, {"stop": "STOP"}, {"max_tokens": 40}, {"max_tokens": 90}])
def test_a_stream_joined_is_the_whole_answer(served, fields):
    whole = served.ask(**fields)
    texts, finishes, usage = streamed(served.ask(stream=True, stream_options={"include_usage": True}, **fields))
    assert texts == {c.index: (getattr(c.message, "reasoning_content", ""), c.message.content) for c in whole.choices}
    assert finishes == {c.index: c.finish_reason for c in whole.choices}
    assert usage == whole.usage


def test_usage_comes_in_a_stream_only_if_asked_for(served):
    assert streamed(served.ask(stream=True))[2] is None


def test_a_stop_string_ends_the_answer_and_the_rollout(served):
    answer = served.ask(stop=["STOP", "python"])  # the second one is in the thinking, where it means nothing
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("\nIt is \\boxed{84}. ", "stop")
    assert choice.cort["stop_reason"] == "stop_string"
    assert answer.usage.completion_tokens == len(THOUGHT.rstrip("\n") + SCRIPT[OUTPUT].partition(" it.")[0])


def test_a_used_up_budget_is_length(served):
    [choice] = served.ask(max_tokens=5).choices
    assert (choice.message.reasoning_content, choice.message.content) == ("By a ", "")
    assert (choice.finish_reason, choice.cort["stop_reason"]) == ("length", "length")


def test_the_model_is_listed_and_found(served):
    assert [model.id for model in served.client.models.list()] == ["m"]
    assert served.client.models.retrieve("m").owned_by == "cort"
    with pytest.raises(openai.NotFoundError, match="'x/y' is not served here; there is 'm'"):
        served.client.models.retrieve("x/y")


def test_health_says_how_busy_it_is(served):
    health = httpx.get(f"{served.url}/health", headers={"Authorization": f"Bearer {KEY}"}).json()
    assert health == {"status": "ok", "model": "m", "answers": 0, "at_once": 4, "waiting": 2}


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/chat/completions", "/elsewhere"])
def test_nothing_is_seen_without_the_key(served, path):
    for headers in ({}, {"Authorization": f"Bearer {KEY}x"}):
        answer = httpx.get(served.url + path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"body": b"{"}, 400, "the body is not JSON"),
        ({"body": b" " * (MAX_BODY_BYTES + 1)}, 413, "the request is too large"),
        ({"body": b"{}", "headers": {"Authorization": f"Bearer {KEY}"}}, 415, "must be application/json"),
    ],
)
def test_hostile_bodies_are_refused_in_openai_s_form(served, given, status, said):
    answer = served.post(**given)
    error = answer.json()["error"]
    assert answer.status_code == status
    assert said in error["message"]
    assert error.keys() == {"message", "type", "param", "code"}


def test_refusals_come_as_the_client_s_errors(served):
    with pytest.raises(openai.NotFoundError, match="'gpt' is not served here"):
        served.ask(model="gpt")
    with pytest.raises(openai.BadRequestError, match=r"messages\.1: a turn of the role 'assistant'"):
        served.ask(messages=[*ASK, {"role": "assistant", "content": "84"}, *ASK])
    with pytest.raises(openai.BadRequestError, match="n: at most 4 here"):
        served.ask(n=5, stream=True)


def test_other_paths_and_methods_are_refused_in_openai_s_form(served):
    headers = {"Authorization": f"Bearer {KEY}"}
    elsewhere = httpx.post(f"{served.url}/v1/completions", headers=headers)
    assert (elsewhere.status_code, "no such path: /v1/completions" in elsewhere.text) == (404, True)
    assert httpx.get(f"{served.url}/v1/chat/completions", headers=headers).status_code == 405


@pytest.mark.parametrize("stream", [False, True])
def test_a_question_that_does_not_fit_is_refused(stream):
    with serving(Writer(context=50)) as served:
        with pytest.raises(openai.BadRequestError, match="tokens, and the model's context holds 50 with") as caught:
            served.ask(messages=[{"role": "user", "content": "7" * 60}], stream=stream)
        assert caught.value.code == "context_length_exceeded"
        assert served.held() == (0, 0, 0)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_ends_its_rollouts_and_sessions(stream, n):
    with serving(Writer(waits=True)) as served:
        body = {"model": "m", "messages": ASK, "stream": stream, "n": n}
        headers = {"Authorization": f"Bearer {KEY}"}
        with contextlib.suppress(httpx.ReadTimeout):
            url = f"{served.url}/v1/chat/completions"
            with httpx.stream("POST", url, json=body, headers=headers, timeout=1) as answer:
                for line in answer.iter_lines():
                    if "output" in line:
                        assert served.until((2 * n, n, n)) == (2 * n, n, n)
                        break
        assert served.interpreter.sessions == n
        assert served.until((0, 0, 0)) == (0, 0, 0)


def test_answers_wait_for_their_turn_and_too_many_are_refused():
    with serving(Writer(waits=True), at_once=1, waiting=1) as served:
        streams = [served.ask(stream=True), served.ask(stream=True)]
        assert served.until((2, 1, 2)) == (2, 1, 2)
        with pytest.raises(openai.RateLimitError, match="2 answers are being written or waiting") as caught:
            served.ask()
        assert caught.value.response.headers["Retry-After"] == "1"
        streams[0].close()
        assert served.until((2, 1, 1)) == (2, 1, 1)
        streams[1].close()
        assert served.until((0, 0, 0)) == (0, 0, 0)
        assert served.interpreter.sessions == 2


def test_a_failing_engine_is_the_server_s_error():
    with serving(Writer(fails=True)) as served:
        with pytest.raises(openai.InternalServerError, match="engine_error: the engine is out of order"):
            served.ask(n=2)
        with pytest.raises(openai.APIError, match="engine_error: the engine is out of order"):
            list(served.ask(stream=True))
        assert served.until((0, 0, 0)) == (0, 0, 0)


def test_closing_ends_answers_and_takes_no_more():
    with serving(Writer(waits=True)) as served:
        stream = served.ask(stream=True)
        assert served.until((2, 1, 1)) == (2, 1, 1)
        asyncio.run(served.service.close())
        with pytest.raises(openai.APIError, match="the server is shutting down"):
            list(stream)
        assert served.until((0, 0, 0)) == (0, 0, 0)
        with pytest.raises(openai.InternalServerError, match="the server is shutting down"):
            served.ask()
