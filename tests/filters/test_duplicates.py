"""Duplicates are found among kept traces, in order."""

import asyncio

from builders import GOOD, make_trace

from cort_data.filters import Resources, build_filters, decide_all, parse_filters


def decide_each(entries, traces):
    filters = build_filters(parse_filters(entries), Resources())

    async def run():
        return [await decide_all(trace, filters) for trace in traces]

    return [[d.reason for d in decisions if not d.keep] for decisions in asyncio.run(run())]


def test_an_exact_copy_is_dropped():
    traces = [make_trace(id="a"), make_trace(id="b"), make_trace(GOOD.replace("347", "348"), id="c")]
    assert decide_each(["exact_duplicate"], traces) == [[], ["exact_duplicate"], []]


def test_a_copy_of_a_dropped_trace_is_kept():
    long = make_trace(GOOD + " Done." * 50, id="a")
    traces = [long, make_trace(GOOD + " Done." * 50, id="b")]
    entries = ["exact_duplicate", {"name": "over_length", "tokens": 40}]
    assert decide_each(entries, traces) == [["over_length"], ["over_length"]]


def test_near_duplicates_have_the_same_numerals():
    reworded = GOOD.replace("So the area is found", "So that area is found")
    numbers = GOOD.replace("29842", "29843")
    traces = [make_trace(id="a"), make_trace(reworded, id="b"), make_trace(numbers, id="c")]
    assert decide_each([{"name": "near_duplicate", "similarity": 0.7}], traces) == [[], ["near_duplicate"], []]
    assert decide_each([{"name": "near_duplicate", "similarity": 1.0}], traces) == [[], [], []]
