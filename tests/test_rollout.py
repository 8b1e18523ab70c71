"""The rollout loop: a scripted engine writes, the real interpreter runs, the shipped hint policies watch."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest

from cort_data.engines.base import Engine, Sent
from cort_data.engines.scripted import ScriptedEngine
from cort_data.errors import ContextError, EngineError, InterpreterError
from cort_data.hints.policy import load_policy
from cort_data.interpreter import Limits, open_interpreter
from cort_data.jobs import Job, RolloutSettings, rollout_seed
from cort_data.profiles import load_profile
from cort_data.rollout import BUDGET_NOTICE, STATE_NOTICE, Rollouts
from cort_data.trace import InterpreterUsed, Kind, Origin, Problem, Trace, Usage
from cort_data.transcript import CHARS_A_TOKEN

PROBLEM = Problem(id="p", text="What is 12 * 7?", answer="84")
BLOCK = "```python\nprint(12 * 7)\n```"
ANSWER = "</think>\n\\boxed{84}"


class Lab:
    """One event loop and one interpreter for all tests of this module."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.interpreter = open_interpreter("local", Limits(), "none")
        self.runner.run(self.interpreter.__aenter__())

    def close(self) -> None:
        self.runner.run(self.interpreter.close())
        self.runner.close()

    def roll(self, engine: Engine, *, policy: str = "none", calls: int = 5, tokens: int = 2000, seed: int = 0) -> Trace:
        used = InterpreterUsed(backend="local", isolation="none", timeout_s=10, memory_mb=1024, output_chars=4000)
        rollouts = Rollouts(
            engine=engine,
            interpreter=self.interpreter,
            interpreter_used=used,
            profile=load_profile("nano"),
            policy=load_policy(policy),
            settings=RolloutSettings(policy=policy, calls=calls, tokens=tokens, prompt="plain"),
            temperature=0.0,
            top_p=1.0,
        )
        return self.runner.run(rollouts.run(Job(problem=PROBLEM, sample=0, stage="synth", seed=seed)))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def roll(lab: Lab) -> Callable[..., Trace]:
    return lab.roll


def scripted(texts: Iterable[str] | Callable[[str], str]) -> ScriptedEngine:
    return ScriptedEngine(texts, ids=True)


def kinds(trace: Trace) -> list[tuple[str, str]]:
    return [(s.kind.value, s.origin.value) for s in trace.segments]


def test_a_block_is_run_and_its_output_shown(roll):
    engine = scripted([f"Compute.\n{BLOCK}\nnever read", f"So 84.\n{ANSWER}"])
    trace = roll(engine)
    assert trace.text == f"Compute.\n{BLOCK}\n```output\n84\n```\nSo 84.\n{ANSWER}"
    assert kinds(trace) == [("text", "model"), ("code", "model"), ("output", "interpreter"), ("text", "model")]
    assert trace.stop_reason == "answered"
    assert trace.calls == 1
    assert engine.live == 0


def test_the_prefix_of_every_stream_is_the_ids_so_far(roll):
    engine = scripted([BLOCK, ANSWER])
    trace = roll(engine)
    second = engine.calls[1][0]
    feedback = trace.segments[1].token_ids or ()
    assert second.ids == (trace.prompt_ids or ()) + tuple(map(ord, BLOCK)) + feedback
    assert second.text == trace.prompt + BLOCK + trace.segments[1].text


def test_streams_of_a_trace_draw_from_different_seeds_and_a_replay_from_the_same(roll):
    first, second = scripted([BLOCK, ANSWER]), scripted([BLOCK, ANSWER])
    assert roll(first) == roll(second)
    seeds = [sampling.seed for _, sampling in first.calls]
    assert seeds == [sampling.seed for _, sampling in second.calls]
    assert len(set(seeds)) == 2


def test_state_persists_over_blocks(roll):
    trace = roll(scripted(["```python\nx = 41\n```", "```python\nx + 1\n```", ANSWER]))
    outputs = [s.text for s in trace.segments if s.kind is Kind.OUTPUT]
    assert outputs == ["\n```output\n(no output)\n```\n", "\n```output\n42\n```\n"]


def test_only_executed_code_uses_the_call_budget_and_the_notice_comes_once(roll):
    trace = roll(scripted([BLOCK, BLOCK, BLOCK]), calls=1)
    assert kinds(trace)[1:] == [("output", "interpreter"), ("code", "model"), ("notice", "system"), ("code", "model")]
    assert trace.text.count(BUDGET_NOTICE) == 1
    assert trace.stop_reason == "calls"
    assert trace.calls == 1


def test_a_killed_session_is_said_to_have_lost_its_state(roll):
    trace = roll(scripted(["```python\nimport os; os._exit(3)\n```", BLOCK, ANSWER]))
    assert STATE_NOTICE in trace.text
    assert [e.kind for e in trace.events] == ["state_lost"]
    assert trace.text.count("84\n") >= 1


def test_a_forged_output_is_cut_and_counted_and_a_stubborn_model_is_stopped(roll):
    trace = roll(scripted(lambda _prefix: "It is\n```output\n84\n```\n"))
    assert "output" not in trace.text
    assert trace.stop_reason == "forged_output"
    assert sum(e.count for e in trace.events if e.kind == "forged_output") == 3
    assert trace.generated_tokens == trace.kept_tokens + sum(e.tokens for e in trace.events)


def test_generated_tokens_are_what_the_engine_wrote(roll):
    trace = roll(scripted(["abc" + ANSWER]))
    assert trace.generated_tokens == len("abc" + ANSWER) + 1  # the end-of-text token
    assert trace.env_mask == (1,) * trace.generated_tokens


def test_the_token_budget_ends_a_trace(roll):
    trace = roll(scripted(lambda _prefix: "x" * 1000), tokens=50)
    assert trace.stop_reason == "length"
    assert trace.generated_tokens == 50


def test_the_context_ends_a_trace(roll):
    engine = ScriptedEngine(lambda _prefix: "x" * 1000, ids=True, context=100)
    assert roll(engine).stop_reason == "context"


def test_text_without_an_answer_is_no_answer(roll):
    assert roll(scripted(["I give up."])).stop_reason == "no_answer"


def test_the_open_hint_comes_first(roll):
    trace = roll(scripted([ANSWER]), policy="prompt_hint", seed=4)
    assert (trace.segments[0].origin, trace.segments[0].hint and trace.segments[0].hint.name) == (Origin.HINT, "open")
    assert [(e.name, e.outcome) for e in trace.events] == [("open", "fired")]


MANUAL = "We need 347 * 86.\nLet me compute this by hand.\n347*6: 7*6=42, write 2 carry 4; 4*6+4=28, write 8 carry 2; "


def test_manual_work_is_rewound_to_its_start_and_a_block_opened(roll):
    def script(prefix: str) -> str:
        if prefix.endswith("```python\n"):
            return "print(347 * 86)\n```"
        return ANSWER if "output" in prefix else MANUAL + "3*6+2=20. So 347*6=2082.\n347*80: 7*8=56.\n" + ANSWER

    trace = roll(scripted(script), policy="hint_engineering")
    assert kinds(trace)[1:] == [
        ("text", "model"),
        ("text", "hint"),
        ("code", "hint"),
        ("code", "model"),
        ("output", "interpreter"),
        ("text", "model"),
    ]
    assert trace.segments[1].text == "We need 347 * 86.\n"
    rewinds = [e for e in trace.events if e.kind == "rewind"]
    assert len(rewinds) == 1
    assert rewinds[0].text is not None
    assert rewinds[0].text.startswith("Let me compute this by hand.")
    assert rewinds[0].tokens == len(rewinds[0].text)
    assert "29842" in trace.text


class Broken(ScriptedEngine):
    """Fails in the middle of its text."""

    async def generate(self, prefix, sampling):
        async for chunk in super().generate(prefix, sampling):
            yield chunk
            raise EngineError("the server hung up")


def test_an_engine_failure_is_a_recorded_trace_with_what_was_written(roll):
    trace = roll(Broken(["abc"], ids=True))
    assert (trace.stop_reason, trace.error, trace.text) == ("engine_error", "the server hung up", "a")


def test_a_prompt_that_does_not_fit_is_a_failure_that_says_so(roll):
    trace = roll(ScriptedEngine(["abc"], ids=True, context=5))
    assert trace.stop_reason == "engine_error"
    assert "the context holds 5; serve the model with a longer one" in trace.error


class Full(ScriptedEngine):
    """Writes a little, and then its context is full, which only it knows."""

    async def generate(self, prefix, sampling):
        async for chunk in super().generate(prefix, sampling):
            yield chunk
            raise ContextError("it is full")


def test_a_context_that_fills_up_is_no_failure(roll):
    trace = roll(Full(["abc"], ids=True))
    assert (trace.stop_reason, trace.error, trace.text) == ("context", None, "a")


def test_a_programming_error_ends_the_run(roll):
    with pytest.raises(ZeroDivisionError):
        roll(scripted(lambda _prefix: str(1 // 0)))


def test_a_broken_interpreter_is_a_recorded_trace(roll, monkeypatch: pytest.MonkeyPatch):
    from cort_data.interpreter.local import session as local

    async def broken(*_args: object) -> None:
        raise InterpreterError("the fork server is gone")

    monkeypatch.setattr(local.LocalInterpreter, "session", broken)
    trace = roll(scripted([BLOCK]))
    assert (trace.stop_reason, trace.error) == ("interpreter_error", "the fork server is gone")
    assert trace.segments[-1].kind is Kind.CODE


def test_what_the_engine_had_of_a_prefix_is_cached_and_the_rest_fresh(roll):
    engine = scripted(["ab" + BLOCK, ANSWER])
    trace = roll(engine)
    first, second = (len(prefix.ids or ()) for prefix, _ in engine.calls)
    written = len("ab" + BLOCK)
    assert trace.usage == Usage(streams=2, fresh_tokens=second - written, cached_tokens=first + written)


def test_after_a_rewind_only_what_is_left_is_cached(roll):
    def script(prefix: str) -> str:
        if prefix.endswith("```python\n"):
            return "print(347 * 86)\n```"
        return ANSWER if "output" in prefix else MANUAL + "3*6+2=20. So 347*6=2082.\n347*80: 7*8=56.\n" + ANSWER

    engine = scripted(script)
    trace = roll(engine, policy="hint_engineering")
    prefixes = [prefix.ids or () for prefix, _ in engine.calls]
    kept = len(prefixes[0]) + len("We need 347 * 86.\n")
    written = len("print(347 * 86)\n```")
    assert len(prefixes) == 3
    assert trace.usage is not None
    assert trace.usage.cached_tokens == kept + len(prefixes[1]) + written
    assert trace.usage.fresh_tokens == sum(map(len, prefixes)) - trace.usage.cached_tokens


class Telling(ScriptedEngine):
    """Says something of each prefix."""

    def __init__(self, sent: Sent) -> None:
        super().__init__([BLOCK, ANSWER], ids=True)
        self.sent = sent

    async def generate(self, prefix, sampling):
        async for chunk in super().generate(prefix, sampling):
            yield replace(chunk, sent=self.sent)


def test_the_engine_s_word_on_its_cache_goes_before_the_count(roll):
    assert roll(Telling(Sent(7, cached=4))).usage == Usage(streams=2, fresh_tokens=6, cached_tokens=8)


def test_of_an_engine_that_counts_prefixes_and_not_its_cache_the_cached_share_is_counted(roll):
    engine = Telling(Sent(1000, cached=None))
    usage = roll(engine).usage
    first, second = (len(prefix.ids or ()) for prefix, _ in engine.calls)
    assert usage.cached_tokens == round(1000 * (first + len(BLOCK)) / second)
    assert usage.fresh_tokens + usage.cached_tokens == 2000


def test_without_token_ids_a_prefix_is_counted_by_its_characters(roll):
    engine = ScriptedEngine([BLOCK, ANSWER])
    usage = roll(engine).usage
    first, second = (len(prefix.text) for prefix, _ in engine.calls)
    assert usage.cached_tokens == (first + len(BLOCK)) // CHARS_A_TOKEN
    assert usage.fresh_tokens + usage.cached_tokens == pytest.approx((first + second) / CHARS_A_TOKEN, abs=2)


def test_without_token_ids_prefixes_go_as_text(roll):
    engine = ScriptedEngine([BLOCK, ANSWER])
    trace = roll(engine)
    assert trace.token_ids is None
    assert [prefix.ids for prefix, _ in engine.calls] == [None, None]
    assert trace.stop_reason == "answered"


def test_seeds_alternate_in_parity_over_the_samples_of_a_problem():
    assert [rollout_seed(1, "p", s) % 2 for s in range(4)] == [0, 1, 0, 1]
    assert len({rollout_seed(1, p, s) for p in ("a", "b") for s in range(4)}) == 8
