"""The judge: a model at a local server is asked about what a candidate fires on, and only its yes counts."""

import asyncio
import contextlib

import pytest
from builders import InProcess, make_trace
from fake_server import refused_address, serving_app
from hint_samples import BY_HAND, PROBLEM, WORK, hint_file, said
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from cort_data.engines.scripted import ScriptedEngine
from cort_data.errors import EngineError, HintError
from cort_data.hints.judge import AnswerCache, Judges, confirmed, objection_now
from cort_data.hints.policy import HintPolicy
from cort_data.hints.preview import preview
from cort_data.hints.template import load_hint
from cort_data.hints.triggers import Span
from cort_data.hints.triggers.judge import Judge
from cort_data.hints.view import View
from cort_data.jobs import Job, RolloutSettings
from cort_data.profiles import load_profile
from cort_data.rollout import Rollouts
from cort_data.trace import InterpreterUsed

ANSWER = "</think>\nIt is \\boxed{29842}."
USED = InterpreterUsed(backend="local", isolation="none", timeout_s=10, memory_mb=1024, output_chars=4000)
TEXT = "Some words before. Let me do this by hand. And what comes later."
SPAN = Span(19, 43, 1.0, 1.0, "found")
AGAIN = "Now I compute 29842 mod 7 by hand:\n29-4*7=1; 18-2*7=4; 44-6*7=2; 22-3*7=1.\n"


class Model:
    """Answers each request with the next of these, a text or a status; the last one for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.url = ""

    async def chat(self, request):
        self.asked.append(await request.json())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            return JSONResponse({"error": {"message": "no such model"}}, status_code=answer)
        if answer == "garbage":
            return PlainTextResponse("<html>", media_type="text/html")
        message = {"role": "assistant", "content": answer}
        return JSONResponse({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                             "choices": [{"index": 0, "finish_reason": "stop", "message": message}]})  # fmt: skip


@contextlib.contextmanager
def serving(*answers):
    model = Model(*answers)
    with serving_app(Starlette(routes=[Route("/v1/chat/completions", model.chat, methods=["POST"])])) as model.url:
        yield model


def judge(url, **fields):
    given = {"candidate": "manual_arithmetic", "question": "Is this by hand?", "model": "m", "url": url}
    return Judge.model_validate(given | fields)


@pytest.mark.parametrize(
    ("answer", "objection"),
    [
        ("yes", None),
        ("Yes.", None),
        ("<think>No… well,\nno doubt.</think>\n\nyes", None),
        ("no", "judge: no"),
        ("**No**, it is not", "judge: no"),
        ("perhaps", "judge: neither yes nor no: 'perhaps'"),
        ("", "judge: neither yes nor no: ''"),
    ],
)
def test_only_a_yes_counts(tmp_path, answer, objection):
    with serving(answer) as model:
        assert objection_now(judge(model.url), SPAN, TEXT, AnswerCache(tmp_path)) == objection


def test_what_is_asked(tmp_path):
    with serving("yes") as model:
        objection_now(judge(model.url, context=8), SPAN, TEXT, AnswerCache(tmp_path))
    [asked] = model.asked
    content = asked["messages"][-1]["content"]
    assert "<before>\nbefore. \n</before>\n<passage>\nLet me do this by hand. \n</passage>" in content
    assert content.endswith("Is this by hand?")
    assert "later" not in content
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("m", 0, 512)


def test_an_answer_is_kept_by_model_question_and_text(tmp_path):
    cache = AnswerCache(tmp_path)
    with serving("yes") as model:
        for _ in range(2):
            assert objection_now(judge(model.url), SPAN, TEXT, cache) is None
        assert len(model.asked) == 1
        objection_now(judge(model.url, model="other"), SPAN, TEXT, cache)
        objection_now(judge(model.url, question="Is it?"), SPAN, TEXT, cache)
        objection_now(judge(model.url), SPAN, "Other words beforehand" + TEXT, cache)
        assert len(model.asked) == 4
    assert objection_now(judge("http://127.0.0.1:1/v1"), SPAN, TEXT, cache) is None  # the address is not in the key


def test_an_unclear_answer_is_not_kept(tmp_path):
    with serving("hm", "yes") as model:
        assert "neither" in objection_now(judge(model.url), SPAN, TEXT, AnswerCache(tmp_path))
        assert objection_now(judge(model.url), SPAN, TEXT, AnswerCache(tmp_path)) is None


def test_the_cache_keeps_the_newest_and_survives_broken_files(tmp_path):
    cache = AnswerCache(tmp_path, room=3)
    for number in range(6):
        cache.put(f"aa{number}", "yes")
    assert len(list((tmp_path / "aa").iterdir())) == 3
    assert (cache.get("aa0"), cache.get("aa5")) == (None, "yes")
    (tmp_path / "aa" / "5").write_bytes(b"\xff")
    assert cache.get("aa5") is None


def test_without_a_place_to_keep_answers_it_works_all_the_same(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with serving("yes") as model:
        assert objection_now(judge(model.url), SPAN, TEXT, AnswerCache(tmp_path / "file" / "cache")) is None


def test_a_server_that_cannot_be_reached_is_one_line_with_address_and_remedy(tmp_path):
    async def ask(url):
        async with Judges(AnswerCache(tmp_path), attempts=1) as judges:
            await judges.objection(judge(url), SPAN, TEXT)

    url = refused_address()
    with pytest.raises(EngineError) as error:
        asyncio.run(ask(url))
    assert url in str(error.value)
    assert "start the server or correct the address" in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.transient


@pytest.mark.parametrize(("answer", "message"), [(404, "have this model"), ("garbage", "not the OpenAI API")])
def test_a_server_of_another_kind(tmp_path, answer, message):
    with serving(answer) as model, pytest.raises(EngineError, match=message) as error:
        objection_now(judge(model.url), SPAN, TEXT, AnswerCache(tmp_path))
    assert model.url in str(error.value)


def test_a_failure_that_passes_is_asked_again(tmp_path):
    with serving(503, "yes") as model:
        assert objection_now(judge(model.url), SPAN, TEXT, AnswerCache(tmp_path)) is None
        assert len(model.asked) == 2


def test_spans_of_a_finished_completion(tmp_path):
    spans = [Span(i, i + 5, 1.0, 1.0, "") for i in (0, 10, 20)]
    with serving("yes") as model:
        assert confirmed(judge(model.url), spans, TEXT, AnswerCache(tmp_path / "a")) == spans
    with serving("no") as model:
        assert confirmed(judge(model.url), spans, TEXT, AnswerCache(tmp_path / "b")) == []


def judged_hint(tmp_path, url):
    trigger = f"{{name: judge, candidate: {{name: manual_arithmetic}}, question: 'Is it?', model: m, url: '{url}'}}"
    return load_hint(hint_file(tmp_path, trigger=trigger, max_uses=4))


def test_a_policy_goes_on_after_a_refused_hint(tmp_path):
    """What the rollout loop does: ask, and decline."""
    text = BY_HAND + AGAIN

    async def firings(policy, view, judges):
        found = []
        while (firing := policy.observe(view)) is not None:
            objection = await judges.refusal(firing, view.text)
            if objection is None:
                found.append(firing.span.start)
            else:
                policy.decline(firing, objection)
        return found

    async def run(model):
        view = View()
        view.append(*said(text))
        policy = HintPolicy("x", (judged_hint(tmp_path, model.url),)).start(PROBLEM, 0)
        async with Judges(AnswerCache(tmp_path / "cache")) as judges:
            return await firings(policy, view, judges), policy.events

    with serving("no", "yes") as model:
        found, events = asyncio.run(run(model))
    assert found == [len(BY_HAND)]
    assert [(e.trigger, e.outcome, e.start) for e in events] == [
        ("judge", "declined", WORK),
        ("judge", "fired", len(BY_HAND)),
    ]
    assert events[0].reason == "judge: no"


def test_a_preview_shows_what_the_model_confirms(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trace = make_trace(BY_HAND + AGAIN + "</think>\nIt is \\boxed{1}.")
    with serving("no", "yes") as model:
        policy = HintPolicy("x", (judged_hint(tmp_path, model.url),))
        assert [spot.firing.span.start for spot in preview(trace, policy)] == [len(BY_HAND)]


def test_other_hints_are_not_asked_about(tmp_path):
    firing = HintPolicy("x", (load_hint(hint_file(tmp_path, trigger="think_open", place="here")),)).start(PROBLEM, 0)
    assert asyncio.run(Judges(AnswerCache(tmp_path)).refusal(firing.observe(View()), "")) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"candidate": "{name: nothing}"}, "trigger.candidate: .*unknown trigger 'nothing'"),
        ({"candidate": "{name: loop, repeats: many}"}, "trigger.candidate: .*trigger loop: repeats"),
        ({"candidate": "[loop]"}, "trigger.candidate: .*expected a trigger"),
        ({"candidate": "{name: judge, candidate: loop, question: q, model: m, url: u}"}, "candidate of a judge"),
        ({"question": "''"}, "trigger.question: "),
        ({"url": None}, "trigger.url: is missing"),
    ],
)
def test_bad_judges_are_refused(tmp_path, fields, message):
    given = {"name": "judge", "candidate": "loop", "question": "q", "model": "m", "url": "u"} | fields
    trigger = ", ".join(f"{key}: {value}" for key, value in given.items() if value is not None)
    with pytest.raises(HintError, match=message) as error:
        load_hint(hint_file(tmp_path, trigger=f"{{{trigger}}}"))
    assert "\n" not in str(error.value)


def test_where_the_model_is_served_is_not_part_of_what_a_hint_does():
    assert repr(judge("http://here/v1")) == repr(judge("http://there/v1"))
    assert repr(judge("u", question="a?")) != repr(judge("u", question="b?"))


def written(tmp_path, url, cache):
    """A trace of a rollout under a judged hint."""
    hint = judged_hint(tmp_path, url)

    async def write():
        async with Judges(AnswerCache(cache), attempts=1) as judges:
            rollouts = Rollouts(
                engine=ScriptedEngine([BY_HAND, f"So it is.\n{ANSWER}"], ids=True),
                interpreter=InProcess(),
                interpreter_used=USED,
                profile=load_profile("plain"),
                policy=HintPolicy("test", (hint,)),
                settings=RolloutSettings(prompt="plain"),
                temperature=0.0,
                top_p=1.0,
                judges=judges,
            )
            return await rollouts.run(Job(problem=PROBLEM, sample=0, stage="synth", seed=0))

    return asyncio.run(write())


def test_a_rollout_asks_before_it_rewinds(tmp_path):
    with serving("no", "yes") as model:
        refused = written(tmp_path, model.url, tmp_path / "a")
        confirmed_one = written(tmp_path, model.url, tmp_path / "b")
    assert [event.outcome for event in refused.events if event.kind == "hint"] == ["declined"]
    assert "7*6=42" in refused.text
    assert not any(segment.hint for segment in refused.segments)
    assert refused.stop_reason == confirmed_one.stop_reason == "answered"
    assert [segment.hint.trigger for segment in confirmed_one.segments if segment.hint] == ["judge"]
    assert "7*6=42" not in confirmed_one.text


def test_a_judge_that_cannot_be_reached_is_a_recorded_failure(tmp_path):
    trace = written(tmp_path, refused_address(), tmp_path / "c")
    assert trace.stop_reason == "engine_error"
    assert "trigger.url" in trace.error
