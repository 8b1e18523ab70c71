"""A trace for reading shows everything that was written, and who wrote it."""

import io

from builders import GOOD, block, completion, make_trace
from rich.console import Console

from cort_data.cli.show import draw
from cort_data.show import render_trace
from cort_data.trace import Decision, Event, Usage


def shown(trace, **options):
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard")
    console.print(render_trace(trace, **options))
    return console.file.getvalue()


def test_all_text_is_there_and_brackets_are_text():
    text = shown(make_trace(GOOD.replace("the area", "the [bold]area[/bold]")))
    assert "[bold]area[/bold]" in text
    assert "29842" in text


def test_events_and_decisions_are_shown():
    trace = make_trace(
        events=(Event(kind="rewind", tokens=17, text="347 * 86 is"),),
        decisions=(Decision(filter="answer", keep=False, reason="wrong", detail="expected 1"),),
    )
    text = shown(trace)
    for part in ("rewind", "17", "347 * 86 is", "answer", "wrong", "expected 1"):
        assert part in text


def test_what_the_engine_was_sent_is_shown():
    assert "83 fresh, 235 cached, in 4 streams" in shown(
        make_trace(usage=Usage(streams=4, fresh_tokens=83, cached_tokens=235))
    )
    assert "not counted" in shown(make_trace())


def test_tokens_show_writer_count_and_mask():
    text = shown(make_trace(), tokens=True)
    assert "[model text · " in text
    assert "[interpreter output · 3 tokens · mask 0]" in text


def test_a_failed_output_is_red():
    error = "Traceback (most recent call last):\nNameError: x"
    assert "\x1b[31m```output" in shown(make_trace(completion("Try.\n", block("x", error))))
    assert "\x1b[32m```output" in shown(make_trace())


def test_a_sample_is_drawn_from_all_in_order():
    assert draw(iter(range(3)), 5) == [0, 1, 2]
    sample = draw(iter(range(1000)), 20)
    assert sample == sorted(sample)
    assert len(set(sample)) == 20
    assert max(sample) > 500
    assert sample == draw(iter(range(1000)), 20)
