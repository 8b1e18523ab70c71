"""Work by hand and doubts about outputs are found in finished traces, where they were carried out."""

import asyncio

import pytest
from builders import block, completion, make_trace

from cort_data.filters import Resources, parse_filters
from cort_data.trace import HintMark, Kind, Origin, Segment

BY_HAND = """\
Let me compute 347 * 86 by hand.
347*6: 7*6=42, write 2 carry 4.
4*6=24, 24+4=28, write 8 carry 2.
3*6=18, 18+2=20, write 20. So 347*6=2082.
347*80: 7*8=56, write 6 carry 5.
4*8=32, 32+5=37, write 7 carry 3.
3*8=24, 24+3=27, write 27. So 347*80=27760.
2082+27760=29842.
"""
AGAIN = """\
Let me check that by hand.
347*6=2082.
347*80=27760.
2082+27760=29842.
So 29842 is right.
"""
CODE = block("print(347 * 86)", "29842")


def verdict(name, trace):
    [spec] = parse_filters([name])
    decision = asyncio.run(spec.build(Resources()).decide(trace))
    return "kept" if decision.keep else decision.reason


@pytest.mark.parametrize(
    ("name", "parts", "reason"),
    [
        ("delayed_computation", ["We need 347 * 86.\n", CODE, "So it is 29842.\n"], "kept"),
        ("delayed_computation", [BY_HAND, "Let me confirm it:\n", CODE], "delayed_computation"),
        ("delayed_computation", [BY_HAND], "never_code"),
        ("delayed_computation", ["We need 347 * 86.\n", CODE, AGAIN], "kept"),
        ("delayed_computation", ["We need 347 * 86.\n", CODE, AGAIN, "Now one more:\n", CODE], "kept"),
        ("result_distrust", ["We need 347 * 86.\n", CODE, AGAIN], "result_distrust"),
        ("result_distrust", ["We need 347 * 86.\n", CODE, "So it is 29842.\n"], "kept"),
        ("loop", ["Wait, is that all?\n" * 12, CODE], "loop"),
        ("loop", ["Wait, is that all?\n", CODE], "kept"),
    ],
)
def test_wasted(name, parts, reason):
    assert verdict(name, make_trace(completion(*parts))) == reason


def test_work_that_a_hint_stopped_was_not_carried_out():
    """A hint with `place: here` leaves the first steps in the trace."""
    begun = "".join(BY_HAND.splitlines(keepends=True)[:5])

    def trace(trigger):
        hint = HintMark(name="h", trigger=trigger, wording=0, span_start=0, span_end=len(begun))
        text = Segment(kind=Kind.TEXT, origin=Origin.MODEL, text=begun)
        hinted = Segment(kind=Kind.TEXT, origin=Origin.HINT, text="Code does this.\n", hint=hint)
        rest = make_trace(completion(CODE)).segments
        return make_trace(segments=(text, hinted, *rest))

    assert verdict("delayed_computation", trace("manual_arithmetic")) == "kept"
    assert verdict("delayed_computation", trace("think_open")) == "delayed_computation"
