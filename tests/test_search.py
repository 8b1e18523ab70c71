"""Searches: a scripted engine writes, the real interpreter runs and forks, and every token is accounted for."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from cort_data.engines.scripted import ScriptedEngine
from cort_data.errors import EngineError, InterpreterError
from cort_data.grading import Grader
from cort_data.hints.policy import HintPolicy
from cort_data.hints.template import load_hint
from cort_data.interpreter import Limits, open_interpreter
from cort_data.jobs import Job, RolloutSettings, Writer
from cort_data.profiles import load_profile
from cort_data.rollout import Rollouts
from cort_data.search import BranchSearch, SearchSettings, ShortestOf, WithinTokens
from cort_data.trace import InterpreterUsed, Origin, Problem, Trace

PROBLEM = Problem(id="p", text="What is 12 * 7?", answer="84")
RIGHT = "</think>\n\\boxed{84}"
WRONG = "</think>\n\\boxed{85}"
HINT = "Use the short way.\n"
HINT_FILE = """\
---
name: short_way
trigger: {name: regex, pattern: "by hand"}
place: at_span_start
max_uses: 1
---
Use the short way.
"""


class Counting(ScriptedEngine):
    """Counts the tokens that it wrote; the text may depend on the seed."""

    def __init__(self, script: Callable[[str, int], str]) -> None:
        super().__init__(lambda prefix: script(prefix, self.calls[-1][1].seed), ids=True)
        self.written = 0

    async def generate(self, prefix, sampling):
        async for chunk in super().generate(prefix, sampling):
            self.written += chunk.tokens
            yield chunk


class Lab:
    """One event loop, interpreter and grader for all tests of this module."""

    def __init__(self, hint) -> None:
        self.runner = asyncio.Runner()
        self.interpreter = open_interpreter("local", Limits(), "none")
        self.runner.run(self.interpreter.__aenter__())
        self.grader = Grader()
        self.policy = HintPolicy("branch", (hint,))

    def close(self) -> None:
        self.grader.close()
        self.runner.run(self.interpreter.close())
        self.runner.close()

    def rollouts(self, engine: ScriptedEngine, tokens: int = 500) -> Rollouts:
        return Rollouts(
            engine=engine,
            interpreter=self.interpreter,
            interpreter_used=InterpreterUsed(
                backend="local", isolation="none", timeout_s=10, memory_mb=1024, output_chars=4000
            ),
            profile=load_profile("nano"),
            policy=self.policy,
            settings=RolloutSettings(policy="branch", calls=5, tokens=tokens, prompt="plain"),
            temperature=0.0,
            top_p=1.0,
        )

    def branch(self, script: Callable[[str, int], str], **settings: int) -> tuple[Trace, Counting]:
        engine = Counting(script)
        return self.run(BranchSearch(self.rollouts(engine), self.grader, SearchSettings(**settings))), engine

    def run(self, writer: Writer) -> Trace:
        return self.runner.run(writer.run(Job(PROBLEM, 0, "synth", seed=6)))


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    path = tmp_path_factory.mktemp("hints") / "short_way.md"
    path.write_text(HINT_FILE)
    lab = Lab(load_hint(path))
    yield lab
    lab.close()


def candidates(trace: Trace):
    return [event for event in trace.events if event.kind == "candidate"]


def pays(prefix: str, _seed: int) -> str:
    if prefix.endswith(HINT):
        return "12*7 is 84.\n" + RIGHT
    if "Plan." in prefix:
        return "by hand. " + "I go on and on. " * 5 + RIGHT
    return "Plan.\nI do it by hand. "


def test_a_hint_that_pays_is_kept_and_its_saving_noted(lab):
    trace, _ = lab.branch(pays, samples=2, fresh=2)
    assert trace.text == f"Plan.\n{HINT}12*7 is 84.\n{RIGHT}"
    [event] = candidates(trace)
    assert event.outcome == "win"
    assert event.arms is not None
    assert event.arms.with_hint.correct == (True, True)
    assert event.arms.fresh_without.mean_tokens > event.arms.fresh_with_hint.mean_tokens
    saved = event.arms.fresh_without.mean_tokens - event.arms.fresh_with_hint.mean_tokens
    assert [s.hint.tokens_saved for s in trace.segments if s.hint] == [saved]


def test_every_token_that_was_written_is_paid_for(lab):
    for script in (pays, harms):
        trace, engine = lab.branch(script, samples=2, fresh=1)
        assert trace.generated_tokens == engine.written
        assert sent(trace) == sum(len(prefix.ids or ()) for prefix, _ in engine.calls)
        assert engine.live == 0


def sent(trace: Trace) -> int:
    assert trace.usage is not None
    return trace.usage.fresh_tokens + trace.usage.cached_tokens


def harms(prefix: str, _seed: int) -> str:
    if prefix.endswith(HINT):
        return WRONG
    return "I do it by hand. " + RIGHT


def test_a_hint_that_harms_is_left_out_and_a_wrong_continuation_counts_at_full_length(lab):
    trace, _ = lab.branch(harms, samples=2)
    [event] = candidates(trace)
    assert event.outcome == "loss"
    assert event.arms is not None
    assert event.arms.with_hint.accuracy == 0
    assert event.arms.with_hint.mean_tokens > 400  # of a budget of 500
    assert HINT not in trace.text
    assert trace.text.endswith(RIGHT)
    assert not [s for s in trace.segments if s.origin is Origin.HINT]
    assert [e.outcome for e in trace.events if e.kind == "hint"] == ["declined"]


def test_both_arms_go_on_with_their_own_python_state(lab):
    def script(prefix: str, _seed: int) -> str:
        if "\n41\n" in prefix or "\n42\n" in prefix:
            return RIGHT
        if prefix.endswith(HINT):
            return "```python\nx += 1; print(x)\n```"
        if "(no output)" in prefix and "by hand" not in prefix:
            return "I do it by hand. "
        if "by hand" in prefix:
            return "Slowly, step after step. ```\n```python\nx += 0; print(x)\n```"
        return "```python\nx = 41\n```"

    trace, _ = lab.branch(script, samples=2, fresh=1)
    assert "\n42\n" in trace.text
    assert "\n43\n" not in trace.text
    assert trace.stop_reason == "answered"


def test_of_the_better_arm_the_shortest_right_continuation_is_kept(lab):
    lengths = []

    def script(prefix: str, seed: int) -> str:
        if prefix.endswith(HINT):
            lengths.append(seed % 50)
            return "a" * lengths[-1] + RIGHT
        return "by hand. " * 30 + RIGHT

    trace, _ = lab.branch(script, samples=4, fresh=2)
    assert len(set(lengths[:4])) > 1
    assert trace.text == f"{HINT}{'a' * min(lengths[:4])}{RIGHT}"


def test_a_failing_engine_is_a_recorded_failure(lab):
    def script(prefix: str, seed: int) -> str:
        if prefix.endswith(HINT):
            raise EngineError("the server hung up")
        return pays(prefix, seed)

    trace, engine = lab.branch(script)
    assert (trace.stop_reason, trace.error) == ("engine_error", "the server hung up")
    assert trace.generated_tokens <= engine.written
    assert engine.live == 0


def test_a_session_that_cannot_be_forked_lets_the_rollout_go_straight_on(lab, monkeypatch):
    from cort_data.interpreter.local.session import LocalSession

    async def refuse(_self: object) -> None:
        raise InterpreterError("cannot fork")

    monkeypatch.setattr(LocalSession, "fork", refuse)

    def script(prefix: str, seed: int) -> str:
        if "```output" not in prefix:
            return "```python\nprint(6)\n```"
        return pays(prefix, seed)

    trace, engine = lab.branch(script)
    assert HINT in trace.text
    assert [(e.outcome, e.reason) for e in candidates(trace)] == [("tie", "cannot fork")]
    assert trace.generated_tokens == engine.written


def test_no_session_stays_open(lab, monkeypatch):
    from cort_data.interpreter.local.session import LocalSession

    live: set[int] = set()
    fork, close = LocalSession.fork, LocalSession.close

    async def forked(self: LocalSession) -> LocalSession:
        twin = await fork(self)
        live.add(id(twin))
        return twin

    async def closed(self: LocalSession) -> None:
        live.discard(id(self))
        await close(self)

    monkeypatch.setattr(LocalSession, "fork", forked)
    monkeypatch.setattr(LocalSession, "close", closed)

    def script(prefix: str, seed: int) -> str:
        return pays(prefix, seed) if "```output" in prefix else "```python\nprint(6)\n```"

    lab.branch(script, samples=3)
    assert not live


def lengths(seed: int) -> str:
    """One in three is wrong; the right ones are of different lengths."""
    return "a" * (seed % 40) + (WRONG if seed % 3 == 0 else RIGHT)


def test_shortest_of_n_keeps_the_shortest_right_one_and_pays_for_all(lab):
    engine = Counting(lambda _prefix, seed: lengths(seed))
    trace = lab.run(ShortestOf(lab.rollouts(engine), lab.grader, 8))
    texts = [lengths(sampling.seed) for _, sampling in engine.calls]
    assert len(texts) == 8
    assert trace.text == min((t for t in texts if t.endswith(RIGHT)), key=len)
    assert trace.generated_tokens == engine.written
    assert sent(trace) == sum(len(prefix.ids or ()) for prefix, _ in engine.calls)


def test_within_tokens_the_budget_is_used_and_not_passed(lab):
    engine = Counting(lambda _prefix, _seed: "a" * 20 + WRONG)
    trace = lab.run(WithinTokens(lab.rollouts(engine), lab.grader, 200, "</think>"))
    each = 20 + len(WRONG) + 1
    assert len(engine.calls) == 200 // each
    assert trace.generated_tokens == engine.written == len(engine.calls) * each


def test_within_too_few_tokens_one_trace_is_written(lab):
    engine = Counting(lambda _prefix, _seed: "a" * 20 + WRONG)
    lab.run(WithinTokens(lab.rollouts(engine), lab.grader, 5, "</think>"))
    assert len(engine.calls) == 1
