"""What was seen in a trace: every event with the text that it was about, though that was taken back."""

import asyncio

import pytest
from builders import InProcess, make_trace
from hint_samples import BY_HAND, PROBLEM, WORK, hint_file

from cort_data.engines.scripted import ScriptedEngine
from cort_data.hints.explain import GONE, explain, explain_table
from cort_data.hints.policy import HintPolicy, by_priority
from cort_data.hints.template import load_hint
from cort_data.jobs import Job, RolloutSettings
from cort_data.profiles import load_profile
from cort_data.rollout import Rollouts
from cort_data.trace import Arm, Arms, Event, InterpreterUsed

ANSWER = "</think>\nIt is \\boxed{29842}."


def written(texts, *hints, calls=5):
    """A trace of a real rollout under these hint files."""
    rollouts = Rollouts(
        engine=ScriptedEngine(texts, ids=True),
        interpreter=InProcess(),
        interpreter_used=InterpreterUsed(
            backend="local", isolation="none", timeout_s=10, memory_mb=1024, output_chars=4000
        ),
        profile=load_profile("plain"),
        policy=HintPolicy("test", by_priority([load_hint(path) for path in hints])),
        settings=RolloutSettings(calls=calls, prompt="plain"),
        temperature=0.0,
        top_p=1.0,
    )
    return asyncio.run(rollouts.run(Job(problem=PROBLEM, sample=0, stage="synth", seed=0)))


def rows(trace):
    return [(row.event.name, row.event.outcome, row.text) for row in explain(trace)]


def test_the_text_that_a_hint_took_back_is_shown(tmp_path):
    hint = hint_file(tmp_path, body="Python does this.\n```python\n")
    trace = written([BY_HAND, f"print(347 * 86)\n```\n{ANSWER}", ANSWER], hint)
    [(name, outcome, text)] = rows(trace)
    assert (name, outcome) == ("tedious", "fired")
    assert BY_HAND[WORK:].startswith(text)
    assert "7*6=42" in text
    assert "7*6=42" not in trace.text


def test_several_hints_and_their_rewinds(tmp_path):
    first = hint_file(tmp_path, "one", trigger="{name: regex, pattern: alpha}", body="One.\n")
    second = hint_file(tmp_path, "two", trigger="{name: regex, pattern: beta}", body="Two.\n")
    trace = written(["Plain. An alpha here. ", "Now a beta there. And ", f"so on.\n{ANSWER}"], first, second)
    assert rows(trace) == [("one", "fired", "An alpha here. "), ("two", "fired", "Now a beta there. ")]


def test_a_hint_that_takes_nothing_back(tmp_path):
    hint = hint_file(tmp_path, trigger="{name: regex, pattern: alpha}", place="here", body="One.\n")
    trace = written(["Plain. An alpha here. ", f"so on.\n{ANSWER}"], hint)
    assert rows(trace) == [("tedious", "fired", "An alpha here. ")]


def test_near_misses_and_blocks(tmp_path):
    hint = hint_file(tmp_path, body="Python does this.\n```python\n")
    trace = written([f"{BY_HAND}{ANSWER}"], hint, calls=0)
    [(_, outcome, text)] = rows(trace)
    assert (outcome, text) == ("blocked", BY_HAND[WORK : WORK + len(text)])
    hint = hint_file(tmp_path, trigger="{name: case_enumeration}")
    trace = written([f"n = 1: six. n = 2: nine. So it is.\n{ANSWER}"], hint)
    assert rows(trace) == [("tedious", "below", "n = 1: six. n = 2: ")]


def candidate(**fields):
    event = Event(kind="candidate", name="h", trigger="t", start=3, end=9, score=1.0, threshold=1.0, outcome="win")
    return event.model_copy(update=fields)


def test_both_arms_of_a_candidate():
    arms = Arms(
        with_hint=Arm(correct=(True, True), tokens=(100, 140)),
        without=Arm(correct=(True, False), tokens=(300, 500)),
        fresh_with_hint=Arm(correct=(True,), tokens=(90,)),
        fresh_without=Arm(correct=(False,), tokens=(250,)),
    )
    found = explain(make_trace(events=(candidate(arms=arms),)))
    about = str(next(iter(explain_table(found).columns[-1].cells)))
    assert about.splitlines() == [
        "chosen by: with 2/2 right, 120 tokens; without 1/2 right, 400 tokens",
        "afresh: with 1/1 right, 90 tokens; without 0/1 right, 250 tokens",
    ]


def test_a_declined_candidate_makes_no_guess_about_text_that_is_gone():
    """Which rewind belongs to it is not recorded."""
    trace = make_trace("x" * 20)
    declined = Event(kind="hint", name="h", trigger="t", start=15, end=40, score=1.0, threshold=1.0, outcome="declined")
    trace = trace.model_copy(update={"events": (Event(kind="rewind", tokens=3, text="lost"), declined)})
    assert [row.text for row in explain(trace)] == [GONE]


def test_a_trace_without_events():
    assert explain(make_trace()) == []


@pytest.mark.parametrize("length", [10, 400])
def test_the_table_keeps_texts_short(length):
    event = Event(kind="hint", name="h", trigger="t", start=0, end=length, score=1.0, threshold=2.0, outcome="below")
    table = explain_table(explain(make_trace("x" * 400, events=(event,))))
    assert len(str(next(iter(table.columns[3].cells)))) <= 100
    assert list(table.columns[4].cells) == ["1/2"]
