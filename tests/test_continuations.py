"""A trace that was written elsewhere goes on here, from the first hint that fires in it."""

import asyncio

import pytest
from builders import make_trace
from hint_samples import BY_HAND, WORK

from cort_data.beginning import before, find_cut, objection
from cort_data.engines.scripted import ScriptedEngine
from cort_data.hints.judge import Judges
from cort_data.hints.policy import load_policy
from cort_data.hints.view import View
from cort_data.interpreter import Limits, open_interpreter
from cort_data.jobs import Job, RolloutSettings
from cort_data.profiles import load_profile
from cort_data.rollout import Rollouts
from cort_data.trace import InterpreterUsed, Kind, Origin

BLOCK = "```python\nx = 347\nprint(x)\n```\n```output\n347\n```\n"
GIVEN = f"Let me set it up.\n{BLOCK}Now the product. {BY_HAND}So it is.\n</think>\n\\boxed{{5}}"
CUT = GIVEN.index("Let me compute")
REST = "print(x * 86)\n```"
ANSWER = "Done.\n</think>\n\\boxed{29842}"


class Lab:
    """One event loop and one interpreter for all tests of this module."""

    def __init__(self):
        self.runner = asyncio.Runner()
        self.interpreter = open_interpreter("local", Limits(), "none")
        self.runner.run(self.interpreter.__aenter__())

    def close(self):
        self.runner.run(self.interpreter.close())
        self.runner.close()

    def run(self, given, *, policy="hint_engineering", texts=(REST, ANSWER), ids=True, context=1 << 20, calls=5):
        """The trace that a scripted engine makes of a given one, with real python, and the engine."""
        engine = ScriptedEngine(list(texts), ids=ids, context=context)
        rollouts = Rollouts(
            engine=engine,
            interpreter=self.interpreter,
            interpreter_used=InterpreterUsed(
                backend="local", isolation="none", timeout_s=10, memory_mb=1024, output_chars=4000
            ),
            profile=load_profile("nano"),
            policy=load_policy(policy),
            settings=RolloutSettings(policy=policy, calls=calls, tokens=500, prompt="plain"),
            temperature=0.0,
            top_p=1.0,
        )
        return self.runner.run(rollouts.run(Job(given.problem, 0, "synth", 0, given))), engine


@pytest.fixture(scope="module")
def run():
    lab = Lab()
    yield lab.run
    lab.close()


def test_the_trace_is_cut_where_the_hint_fires_and_goes_on_with_it(run):
    trace, engine = run(make_trace(GIVEN, id="given"))
    assert trace.text.startswith(GIVEN[:CUT].rstrip(" "))
    assert [(s.kind, s.origin) for s in trace.segments] == [
        (Kind.TEXT, Origin.MODEL),
        (Kind.CODE, Origin.MODEL),
        (Kind.OUTPUT, Origin.INTERPRETER),
        (Kind.TEXT, Origin.MODEL),
        (Kind.TEXT, Origin.HINT),
        (Kind.CODE, Origin.HINT),
        (Kind.CODE, Origin.MODEL),
        (Kind.OUTPUT, Origin.INTERPRETER),
        (Kind.TEXT, Origin.MODEL),
    ]
    assert "write 2 carry 4" not in trace.text
    assert (trace.stop_reason, trace.calls) == ("answered", 2)
    assert engine.live == 0


def test_the_python_state_is_that_of_the_given_blocks(run):
    trace, _ = run(make_trace(GIVEN))
    assert "```output\n29842\n```" in trace.text  # x is the variable of the given block


def test_ids_are_the_engines_own_segment_by_segment(run):
    trace, engine = run(make_trace(GIVEN))
    prefix, _ = engine.calls[0]
    assert prefix.ids == tuple(map(ord, prefix.text))
    assert all(s.token_ids is not None for s in trace.segments)
    assert len(trace.env_mask) == len(trace.token_ids or ())


def test_given_tokens_are_kept_and_not_generated(run):
    trace, _ = run(make_trace(GIVEN, id="given"))
    (event,) = [e for e in trace.events if e.kind == "imported"]
    cut = len(GIVEN[:CUT].rstrip(" "))
    assert (event.name, event.end) == ("given", cut)
    assert trace.imported_tokens == event.tokens == cut - len("\n```output\n347\n```\n")
    assert trace.generated_tokens == len(REST) + len(ANSWER) + 1  # the end-of-text token
    assert trace.kept_tokens == trace.generated_tokens + trace.imported_tokens


def test_it_works_where_prefixes_go_as_text(run):
    trace, engine = run(make_trace(GIVEN), ids=False)
    assert engine.calls[0][0].ids is None
    assert trace.stop_reason == "answered"


def test_a_hint_with_nothing_before_it_does_not_count(run):
    trace, _ = run(make_trace(GIVEN))
    declined = [e for e in trace.events if e.outcome == "declined"]
    assert [(e.name, e.start) for e in declined] == [("open", 0)]


def test_a_trace_in_which_no_hint_fires_is_recorded_without_text(run):
    trace, engine = run(make_trace("Easy.\n</think>\n\\boxed{1}"))
    assert (trace.stop_reason, trace.error, trace.text, engine.calls) == ("no_span", None, "", [])


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (GIVEN.replace("\n347\n", "\n348\n"), "block 1: its output is '348', run again it is '347'"),
        (GIVEN.replace("```output\n347\n```\n", ""), "block 1: it was never run"),
    ],
)
def test_what_cannot_be_had_again_is_refused(run, given, error):
    trace, engine = run(make_trace(given))
    assert (trace.stop_reason, trace.error) == ("not_replayed", error)
    assert not engine.calls
    assert trace.generated_tokens == 0


def test_a_given_text_that_fills_the_context_ends_the_trace(run):
    trace, engine = run(make_trace(GIVEN), context=60)
    assert (trace.stop_reason, trace.error, engine.calls) == ("context", None, [])


def test_given_blocks_count_as_calls(run):
    trace, _ = run(make_trace(GIVEN), policy="none+delayed_computation", calls=1)
    assert trace.stop_reason == "no_span"  # a hint that opens a block would open one too many


def test_an_outputs_writer_matters():
    segments = make_trace(GIVEN).segments
    forged = [s.model_copy(update={"origin": Origin.MODEL}) for s in segments]
    assert objection(segments) is None
    assert objection(forged) == "block 1: its output is the model's own"
    assert objection(make_trace("It is:\n```output\n5\n```\nSo.").segments) == "an output follows no block"


@pytest.mark.parametrize("cut", [0, 1, len("Let me set it up.\n"), CUT, len(GIVEN)])
def test_what_stands_before_a_cut(cut):
    parts = list(before(make_trace(GIVEN).segments, cut))
    assert "".join(part.text for part in parts) == GIVEN[:cut]
    assert all(part.text and part.token_ids is None for part in parts)


def test_the_hint_fires_where_it_would_have_fired_live():
    firing = asyncio.run(
        find_cut(
            make_trace(BY_HAND).segments,
            View(),
            load_policy("none+delayed_computation").start(make_trace().problem, 0),
            Judges(),
        )
    )
    assert firing is not None
    assert (firing.cut, firing.span.start) == (WORK, WORK)
