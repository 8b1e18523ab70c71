from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cort_data.errors import TraceError
from cort_data.fences import parse
from cort_data.trace import (
    Decision,
    Event,
    HintMark,
    Kind,
    Origin,
    Problem,
    SamplingUsed,
    Segment,
    Trace,
    feedback,
    segments_of,
    trace_id,
)

PROBLEM = Problem(id="p1", text="What is 6 * 7?", answer="42")
HINT = HintMark(name="open", trigger="think_open", wording=1, span_start=0, span_end=0)


def seg(kind: Kind, origin: Origin, text: str, **more: object) -> Segment:
    return Segment.model_validate({"kind": kind, "origin": origin, "text": text, **more})


def tokens(kind: Kind, origin: Origin, *words: str, **more: object) -> Segment:
    """A segment of one token a word; a token's id is its length."""
    ids = [len(word) for word in words]
    return seg(kind, origin, "".join(words), tokens=len(ids), token_ids=ids, **more)


def trace(*segments: Segment, **more: object) -> Trace:
    fields = {"id": "t1", "problem": PROBLEM, "prompt": "Q<think>", "segments": segments}
    return Trace.model_validate(fields | more)


def executed() -> Trace:
    """A hint opens a block, the model fills it, the system closes it, the interpreter answers."""
    return trace(
        tokens(Kind.TEXT, Origin.MODEL, "Multiply", ".\n"),
        tokens(Kind.TEXT, Origin.HINT, "Use code", ".\n", hint=HINT),
        tokens(Kind.CODE, Origin.HINT, "```", "python", "\n", hint=HINT),
        tokens(Kind.CODE, Origin.MODEL, "6", "*", "7", logprobs=[-0.5, -1.0, -0.25]),
        tokens(Kind.CODE, Origin.SYSTEM, "\n", "```"),
        tokens(Kind.OUTPUT, Origin.INTERPRETER, *"\n```output\n42\n```\n".partition("42")),
        tokens(Kind.NOTICE, Origin.SYSTEM, feedback(Kind.NOTICE, "No calls are left.")),
        tokens(Kind.TEXT, Origin.MODEL, "So", " 42"),
        events=(Event(kind="rewind", tokens=5), Event(kind="glued_fence", tokens=1)),
    )


# Valid traces: text, then blocks, each followed by feedback, with tokens cut anywhere.

_prose = st.text(alphabet="ab. \né√", max_size=12)
_code = st.text(alphabet="x=1 \n'\"", max_size=12)
_body = st.text(alphabet="`~7 \nx", max_size=12)


@st.composite
def _cut(draw: st.DrawFn, kind: Kind, origin: Origin, text: str, hint: HintMark | None = None) -> Segment:
    """The segment with token ids, without, or with ids and log-probabilities."""
    count = draw(st.integers(0, 5))
    known = draw(st.booleans())
    ids = draw(st.lists(st.integers(0, 99), min_size=count, max_size=count)) if known else None
    probs = st.floats(max_value=0, allow_nan=False, allow_infinity=False, allow_subnormal=False)
    logprobs = draw(st.none() | st.lists(probs, min_size=count, max_size=count)) if known else None
    return seg(kind, origin, text, tokens=count, token_ids=ids, logprobs=logprobs, hint=hint)


@st.composite
def _block(draw: st.DrawFn) -> list[Segment]:
    fence = draw(st.sampled_from(["```", "~~~", "````"]))
    hinted = draw(st.booleans())
    head, body, close = f"{fence}python\n", draw(_code), f"\n{fence}"
    if hinted:
        parts = [(Origin.HINT, head, HINT), (Origin.MODEL, body + close, None)]
    else:
        parts = [(Origin.MODEL, head + body + close, None)]
    if draw(st.booleans()):  # the closing fence came from the system
        origin, text, hint = parts.pop()
        parts += [(origin, text.removesuffix(close), hint), (Origin.SYSTEM, close, None)]
    segments = [draw(_cut(Kind.CODE, o, t, h)) for o, t, h in parts if t]
    output, notice = feedback(Kind.OUTPUT, draw(_body)), feedback(Kind.NOTICE, draw(_body))
    shown = draw(st.sampled_from([[Kind.OUTPUT], [Kind.NOTICE], [Kind.OUTPUT, Kind.NOTICE]]))
    if Kind.OUTPUT in shown:
        segments.append(draw(_cut(Kind.OUTPUT, Origin.INTERPRETER, output)))
    if Kind.NOTICE in shown:
        segments.append(draw(_cut(Kind.NOTICE, Origin.SYSTEM, notice)))
    return segments


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    segments: list[Segment] = []
    for block in draw(st.lists(_block(), max_size=3)):
        before = draw(_prose)
        if before:
            segments.append(draw(_cut(Kind.TEXT, Origin.MODEL, before + "\n")))
        segments += block
    if end := draw(_prose):
        segments.append(draw(_cut(Kind.TEXT, Origin.MODEL, end)))
    return trace(*segments)


@given(traces())
def test_parsing_the_rendered_text_gives_the_same_kinds_and_texts(t: Trace) -> None:
    assert [(p.kind.value, p.text) for p in parse(t.text)] == t.pieces()


@given(traces())
def test_json_round_trip_is_the_identity(t: Trace) -> None:
    line = t.to_json()
    assert "\n" not in line
    assert Trace.from_json(line) == t
    assert Trace.from_json(line).to_json() == line


@given(traces())
def test_the_mask_has_one_entry_a_token_and_none_of_the_environment_is_1(t: Trace) -> None:
    assert len(t.env_mask) == sum(s.tokens for s in t.segments)
    if t.token_ids is not None:
        assert len(t.env_mask) == len(t.token_ids)
    environment = t.tokens_by(Origin.INTERPRETER) + t.tokens_by(Origin.SYSTEM)
    assert t.env_mask.count(0) == environment


@given(traces())
def test_blocks_are_all_the_code(t: Trace) -> None:
    joined = ["".join(s.text for s in block) for block in t.blocks()]
    assert joined == [text for kind, text in t.pieces() if kind == Kind.CODE]


@given(traces())
def test_importing_the_rendered_text_gives_the_same_pieces(t: Trace) -> None:
    segments, events = segments_of(t.text)
    assert trace(*segments, events=events).pieces() == t.pieces()
    assert events == ()


_fences = ["```python\n", "```\n", "```", "  ```py\n", "```output\n", "~~~notice\n", "a```output\n"]
_ragged = st.lists(st.sampled_from([*_fences, "x\n", "so ", "\n", " "]), max_size=12)


@given(_ragged.map("".join))
def test_any_completion_can_be_imported(text: str) -> None:
    segments, events = segments_of(text)
    assert trace(*segments, events=events).text == text


def test_masks_ids_and_counts_are_read_off_the_segments() -> None:
    t = executed()
    assert t.env_mask == (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1)
    assert t.token_ids == (8, 2, 8, 2, 3, 6, 1, 1, 1, 1, 1, 3, 11, 2, 5, 34, 2, 3)
    assert (t.calls, t.kept_tokens, t.generated_tokens, t.tokens_after_last_output) == (1, 7, 13, 2)
    assert [t.tokens_by(o) for o in Origin] == [7, 5, 3, 3, 0]


def test_the_completion_is_the_segments_text() -> None:
    assert executed().text == (
        "Multiply.\nUse code.\n```python\n6*7\n```\n```output\n42\n```\n\n```notice\nNo calls are left.\n```\nSo 42"
    )


def test_a_block_may_have_three_writers() -> None:
    (block,) = executed().blocks()
    assert [s.origin for s in block] == [Origin.HINT, Origin.MODEL, Origin.SYSTEM]
    assert "".join(s.text for s in block) == "```python\n6*7\n```"


def test_two_closed_blocks_in_a_row_are_two() -> None:
    block = "```python\n1\n```\n"
    t = trace(seg(Kind.CODE, Origin.MODEL, block), seg(Kind.CODE, Origin.MODEL, block))
    assert [len(b) for b in t.blocks()] == [1, 1]
    assert t.pieces() == [("code", block), ("code", block)]


def test_one_segment_without_ids_leaves_the_trace_without() -> None:
    t = trace(tokens(Kind.TEXT, Origin.MODEL, "a"), seg(Kind.TEXT, Origin.HUMAN, "b", tokens=3))
    assert t.token_ids is None
    assert t.env_mask == (1, 1, 1, 1)


def test_no_code_has_no_tokens_after_an_output() -> None:
    assert trace(tokens(Kind.TEXT, Origin.MODEL, "42")).tokens_after_last_output is None


def test_an_empty_completion_is_a_trace() -> None:
    t = trace()
    assert (t.text, t.token_ids, t.env_mask, t.pieces(), list(t.blocks())) == ("", (), (), [], [])


def test_an_imported_forged_output_stays_text_and_becomes_an_event() -> None:
    segments, events = segments_of("I get\n```output\n5\n```\n")
    assert [(s.kind, s.origin) for s in segments] == [(Kind.TEXT, Origin.MODEL)]
    assert events == (Event(kind="forged_output", count=1),)


def test_imported_writers_are_known_by_kind() -> None:
    text = "```python\n1\n```" + feedback(Kind.OUTPUT, "1") + feedback(Kind.NOTICE, "n") + "so"
    segments, _ = segments_of(text, Origin.HUMAN)
    assert [s.origin for s in segments] == [Origin.HUMAN, Origin.INTERPRETER, Origin.SYSTEM, Origin.HUMAN]


CODE = seg(Kind.CODE, Origin.MODEL, "```python\n1\n```")
OUTPUT = seg(Kind.OUTPUT, Origin.INTERPRETER, feedback(Kind.OUTPUT, "1"))


@pytest.mark.parametrize(
    ("segments", "complaint"),
    [
        ([OUTPUT], "an output must follow the code that made it, but follows nothing"),
        ([seg(Kind.TEXT, Origin.MODEL, "a"), OUTPUT], "must follow the code that made it, but follows text"),
        ([CODE, OUTPUT, OUTPUT], "but follows output"),
        ([seg(Kind.TEXT, Origin.MODEL, "a")] * 2, "segments 0 and 1 are one run .* must be joined"),
        ([seg(Kind.CODE, Origin.MODEL, t) for t in ("```python\n", "1\n```")], "must be joined"),
        ([seg(Kind.TEXT, Origin.MODEL, "a\n```output\n5\n```\n")], "no forged_output event"),
        ([seg(Kind.TEXT, Origin.MODEL, "a ```Output\n")], "no forged_output event"),
        ([seg(Kind.TEXT, Origin.MODEL, "```python\n1\n```")], "must parse back: given text .* reads code"),
        ([seg(Kind.CODE, Origin.MODEL, "1")], "must parse back: given code '1', the text reads text '1'"),
        ([CODE, seg(Kind.TEXT, Origin.MODEL, "\nso")], "must parse back"),
    ],
)
def test_what_is_no_trace(segments: list[Segment], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        trace(*segments)


def test_a_forged_output_split_over_two_writers_is_seen() -> None:
    with pytest.raises(ValueError, match="forged_output"):
        trace(seg(Kind.TEXT, Origin.HINT, "a\n```out", hint=HINT), seg(Kind.TEXT, Origin.MODEL, "put\n5"))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"tokens": 2, "token_ids": [1]}, r"tokens must be the number of token_ids \(1\), got 2"),
        ({"tokens": 1, "token_ids": [1], "logprobs": [0.0, 0.0]}, r"logprobs must be one a token \(1\), got 2"),
        ({"tokens": -1}, "greater than or equal to 0"),
    ],
)
def test_lengths_of_a_segment(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        seg(Kind.TEXT, Origin.MODEL, "a", **fields)


def test_a_bad_line_names_the_field_and_what_was_given() -> None:
    line = json.loads(executed().to_json())
    with pytest.raises(TraceError, match=r"^not a trace: sample: .*integer.* \(got 'x'\)$"):
        Trace.from_json(json.dumps(line | {"sample": "x"}))
    with pytest.raises(TraceError, match=r"schema_version must be 1, got 2"):
        Trace.from_json(json.dumps(line | {"schema_version": 2}))
    with pytest.raises(TraceError, match=r"^not a trace: extra: "):
        Trace.from_json(json.dumps(line | {"extra": 1}))
    with pytest.raises(TraceError, match=r"^not a trace: line: Invalid JSON"):
        Trace.from_json(executed().to_json()[:-9])


def test_log_probabilities_of_impossible_tokens_survive() -> None:
    t = trace(tokens(Kind.TEXT, Origin.MODEL, "a", logprobs=[float("-inf")]))
    assert Trace.from_json(t.to_json()) == t


def test_decisions_do_not_change_the_rest() -> None:
    t = executed()
    decided = t.with_decisions([Decision(filter="format", keep=False, reason="no_box")])
    assert decided.decisions[0].reason == "no_box"
    assert decided.with_decisions([]) == t


def test_sampling_is_kept() -> None:
    t = trace(sampling=SamplingUsed(temperature=0.6, top_p=0.95))
    assert Trace.from_json(t.to_json()).sampling == SamplingUsed(temperature=0.6, top_p=0.95)


def test_ids_are_fixed_by_what_a_rollout_is() -> None:
    assert trace_id("p1", "none", 0, "synth") == "9650ba6330f109ec"
    parts = [("p1", "none", 0, "synth"), ("p2", "none", 0, "synth"), ("p1", "open", 0, "synth")]
    parts += [("p1", "none", 1, "synth"), ("p1", "none", 0, "eval")]
    assert len({trace_id(*p) for p in parts}) == 5
