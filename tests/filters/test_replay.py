"""Replay catches what did not happen, and nothing else."""

import asyncio

import pytest
from builders import GOOD, InProcess, block, completion, make_trace

from cort_data.filters import Resources, parse_filters
from cort_data.filters.replay import reads_clock

ERROR = """\
Traceback (most recent call last):
  File "<cell 2>", line 1, in <module>
    y
NameError: name 'y' is not defined"""


def replay(trace, interpreter=None):
    [spec] = parse_filters(["replay"])
    return asyncio.run(spec.build(Resources(interpreter=interpreter or InProcess())).decide(trace))


def test_a_true_trace_is_kept_and_its_session_closed():
    interpreter = InProcess()
    assert replay(make_trace(), interpreter).keep
    assert (interpreter.sessions, interpreter.live) == (1, 0)


def test_a_changed_output_is_named():
    decision = replay(make_trace(GOOD.replace("\n29842\n```", "\n29843\n```")))
    assert (decision.reason, decision.detail) == ("output_differs", "block 1: expected '29843', got '29842'")


def test_a_trace_without_code_starts_no_session():
    interpreter = InProcess()
    assert replay(make_trace("Words.\n</think>\n\\boxed{29842}"), interpreter).keep
    assert interpreter.sessions == 0


def test_state_and_errors_are_replayed():
    text = completion(block("x = 5", "(no output)"), "Next:\n", block("y", ERROR), "Again:\n", block("x", "5"))
    assert replay(make_trace(text)).keep


def test_a_block_of_a_lost_session_differs():
    text = completion(block("print(total)", "5"))
    decision = replay(make_trace(text))
    assert decision.reason == "output_differs"
    assert "NameError: name 'total' is not defined" in decision.detail


def test_the_traces_seed_seeds_the_session():
    import random

    drawn = random.Random(7).random()
    text = completion(block("import random\nprint(random.random())", str(drawn)))
    assert replay(make_trace(text, seed=7)).keep
    assert replay(make_trace(text, seed=8)).reason == "output_differs"


def test_object_addresses_are_masked():
    text = completion(block("print(object())", "<object object at 0x7f3a5c0d4e10>"))
    assert replay(make_trace(text)).keep


def test_a_clock_is_not_a_mismatch():
    text = completion(block("import time\nprint(time.perf_counter())", "12.5"))
    assert replay(make_trace(text)).reason == "nondeterministic"
    agreeing = completion(block("import time\nt = time.time()\nprint(6 * 7)", "42"))
    assert replay(make_trace(agreeing)).keep


def test_what_an_earlier_block_read_counts():
    text = completion(block("import time\nt = time.time()", "(no output)"), "Now:\n", block("print(t)", "12.5"))
    assert replay(make_trace(text)).reason == "nondeterministic"


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("import time", True),
        ("from datetime import datetime\ndatetime.now()", True),
        ("import os\nos.urandom(4)", True),
        ("import numpy as np\nrng = np.random.default_rng()", True),
        ("import numpy as np\nrng = np.random.default_rng(3)", False),
        ("print(id(x))", True),
        ("import random\nrandom.seed()", True),
        ("import random\nrandom.seed(1); random.random()", False),
        ("times = [3, 4]\nprint(times)", False),
        ("this is not python", False),
    ],
)
def test_reads_clock(code, reads):
    assert reads_clock(code) is reads
