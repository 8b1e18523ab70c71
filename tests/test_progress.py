from cort_data.progress import Meter
from cort_data.trace import Event, Kind, Origin, Problem, Segment, Trace

TRACE = Trace(
    id="t",
    problem=Problem(id="p", text="q", answer="1"),
    prompt="",
    segments=(Segment(kind=Kind.TEXT, origin=Origin.MODEL, text="x", tokens=5),),
    events=(Event(kind="rewind", tokens=3),),
)


def test_rewound_tokens_count_and_time_is_that_of_the_context(capsys):
    meter = Meter("synth", 2)
    assert meter.seconds == 0
    assert meter.tokens_per_s == 0
    with meter:
        meter.add(TRACE)
        meter.add(TRACE)
    assert (meter.traces, meter.tokens, meter.calls) == (2, 16, 0)
    assert meter.tokens_per_s == 16 / meter.seconds
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("synth: 2/2 traces · ")


def test_where_traces_are_read_their_own_rate_is_shown(capsys):
    with Meter("filter", 1, read=True) as meter:
        meter.add(TRACE)
    assert capsys.readouterr().err.endswith("traces/s\n")
