"""Cutting on token boundaries: closing fences, glued tokens, rewinds, hints that open a block."""

import asyncio
import contextlib
import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from cort_data.engines.base import Chunk
from cort_data.fences import PieceKind, parse
from cort_data.trace import HintMark, Kind, Origin, Problem, Trace, feedback
from cort_data.transcript import Transcript

HINT = HintMark(name="h", trigger="regex", wording=0, span_start=0, span_end=0)


async def code_points(text: str) -> tuple[int, ...]:
    return tuple(ord(c) for c in text)


UNANSWERED = (
    "```python\n",
    "  ```py\n",
    "1\n",
    "\n```",
    "\n```\n",
    "```",
    "\n",
    " ",
    "\t",
    "So",
    "~~~python\n",
    "~~~\n",
)


def chunk(text: str) -> Chunk:
    """A token whose id is the code point of its first character: one id, however long the text."""
    return Chunk(text, 1, (ord(text[0]),), (-0.5,))


def write(transcript: Transcript, tokens: list[str]):
    for token in tokens:
        mark = transcript.write(chunk(token))
        if mark is not None:
            return mark
    return None


def new() -> Transcript:
    transcript = Transcript("P", code_points)
    with contextlib.suppress(StopIteration):  # nothing in there waits, be there an event loop or not
        transcript.open().send(None)
    return transcript


def finished(transcript: Transcript) -> Trace:
    transcript.commit()
    problem = Problem(id="p", text="q", answer="1")
    return Trace(id="t", problem=problem, prompt="P", prompt_ids=(80,), segments=tuple(transcript.segments))


def test_block_split_over_tokens_is_closed_at_the_closing_fence():
    t = new()
    mark = write(t, ["So", ":\n", "``", "`py", "thon\n", "print", "(1)", "\n", "``", "`", "never read"])
    assert mark is not None
    assert mark.kind is PieceKind.CODE
    code, dropped = asyncio.run(t.close_block(mark))
    assert code == "print(1)"
    assert dropped.tokens == 0
    asyncio.run(t.append_feedback(Kind.OUTPUT, feedback(Kind.OUTPUT, "1")))
    trace = finished(t)
    assert [(s.kind, s.origin, s.text, s.tokens) for s in trace.segments] == [
        (Kind.TEXT, Origin.MODEL, "So:\n", 2),
        (Kind.CODE, Origin.MODEL, "```python\nprint(1)\n```", 8),
        (Kind.OUTPUT, Origin.INTERPRETER, "\n```output\n1\n```\n", 17),
    ]
    assert trace.env_mask == (1,) * 10 + (0,) * 17


def test_white_space_in_the_closing_token_stays_in_the_block():
    t = new()
    mark = write(t, ["```python\n", "x", "\n```\n"])
    assert mark is not None
    _, dropped = asyncio.run(t.close_block(mark))
    assert dropped.tokens == 0
    assert t.segments[-1].text == "```python\nx\n```\n"


def test_a_closing_token_that_carries_more_is_dropped_and_the_fence_is_the_systems():
    t = new()
    mark = write(t, ["```python\n", "x", "\n```So the"])
    assert mark is not None
    code, dropped = asyncio.run(t.close_block(mark))
    assert code == "x"
    assert (dropped.text, dropped.tokens) == ("So the", 1)
    assert [(s.kind, s.origin, s.text) for s in t.segments] == [
        (Kind.CODE, Origin.MODEL, "```python\nx"),
        (Kind.CODE, Origin.SYSTEM, "\n```"),
    ]
    assert t.prefix().ids == (80, ord("`"), ord("x"), *map(ord, "\n```"))


def test_a_forged_output_is_cut_where_it_starts():
    t = new()
    mark = write(t, ["It", " is\n", "```", "output", "\n", "5"])
    assert mark is not None
    assert mark.kind is PieceKind.TEXT
    dropped = t.drop_from(mark.start)
    assert (dropped.text, dropped.tokens) == ("```output\n", 3)
    assert t.prefix().text == "PIt is\n"


def test_a_model_that_forges_right_after_a_real_output_is_seen():
    t = new()
    mark = write(t, ["```python\n", "x", "\n```"])
    assert mark is not None
    asyncio.run(t.close_block(mark))
    asyncio.run(t.append_feedback(Kind.OUTPUT, feedback(Kind.OUTPUT, "1")))
    t.model_continues()
    forged = write(t, ["\n```notice\n"])
    assert forged is not None
    assert forged.kind is PieceKind.TEXT


def test_a_hint_rewinds_and_opens_a_block_that_the_model_fills():
    t = new()
    write(t, ["First", ". ", "By", " hand", ": 3*4"])
    dropped = t.drop_from(len("First. "))
    assert (dropped.text, dropped.tokens) == ("By hand: 3*4", 3)
    asyncio.run(t.insert_hint("Use python.\n```python\n", HINT))
    assert t.in_code
    mark = write(t, ["print(12)", "\n```"])
    assert mark is not None
    code, _ = asyncio.run(t.close_block(mark))
    assert code == "print(12)"
    assert [(s.kind, s.origin) for s in t.segments] == [
        (Kind.TEXT, Origin.MODEL),
        (Kind.TEXT, Origin.HINT),
        (Kind.CODE, Origin.HINT),
        (Kind.CODE, Origin.MODEL),
    ]
    assert ["".join(s.text for s in b) for b in finished(t).blocks()] == ["```python\nprint(12)\n```"]


@given(st.lists(st.sampled_from(["a", "\n", "`", "``", "```", "python\n", "py", "output\n", " ", "x\n```", "```\nz"])))
def test_any_tokens_give_a_trace_that_parses_back(tokens: list[str]):
    async def live() -> Trace:
        t = new()
        for token in tokens:
            mark = t.write(chunk(token))
            if mark is None:
                continue
            if mark.kind is PieceKind.TEXT:
                t.drop_from(mark.start)
                continue
            await t.close_block(mark)
            await t.append_feedback(Kind.OUTPUT, feedback(Kind.OUTPUT, "1"))
            t.model_continues()
        return finished(t)

    trace = asyncio.run(live())
    assert trace.pieces() == [(p.kind.value, p.text) for p in parse(trace.text)]
    assert len(trace.env_mask) == len(trace.token_ids or ())
    assert not any(p.forged for p in parse(trace.text))


def written_by_the_loop(text: str, cuts: list[int]):
    """Yields the transcript whenever the loop may show it, as the rollout does without hints."""
    t = new()
    at = 0
    for size in cuts:
        if at >= len(text):
            return
        token = text[at : at + size]
        at += size
        mark = t.write(chunk(token))
        if mark is not None and mark.kind is PieceKind.TEXT:
            t.drop_from(mark.start)
            t.model_continues()
        elif mark is not None:
            asyncio.run(t.close_block(mark))
            asyncio.run(t.append_feedback(Kind.OUTPUT, feedback(Kind.OUTPUT, "1")))
            t.model_continues()
        yield t


def written_without_answers(tokens: list[str]) -> Trace:
    """As a rollout writes that runs no code."""
    t = new()
    for token in tokens:
        mark = t.write(chunk(token))
        if mark is not None and mark.kind is PieceKind.TEXT:
            t.drop_from(mark.start)
        elif mark is not None:
            asyncio.run(t.close_block(mark, ends_line=True))
    return finished(t)


def cut(text: str, sizes: list[int]) -> list[str]:
    ends = list(itertools.accumulate(sizes))
    return [part for start, end in zip([0, *ends], ends, strict=False) if (part := text[start:end])]


@given(st.lists(st.sampled_from(UNANSWERED), max_size=14).map("".join), st.lists(st.integers(1, 6), min_size=99))
@example("```python\n```\n So", [10, 4, 3])
@example("```python\n```\n\n", [10, 4, 1])
@example("```python\n```\n\n```py\n1\n```", [10, 5, 6, 2, 3])
@example("```python\n```py\n So", [10, 6, 3])
@example("```python\n```\n\nSo", [10, 5, 2])
def test_blocks_that_are_not_run_read_back_as_they_were_written(text: str, sizes: list[int]):
    trace = written_without_answers(cut(text, sizes))
    assert trace.pieces() == [(p.kind.value, p.text) for p in parse(trace.text)]
    assert len(trace.env_mask) == len(trace.token_ids or ())


SETTLING = (
    "```python\n",
    "```\n",
    "```",
    "```output\n",
    "so:```output\n",
    "x `y` z",
    "~~~py\n",
    "a ~ b",
    "  ",
    "\n",
    "no",
)


@given(st.lists(st.sampled_from(SETTLING), max_size=12).map("".join), st.lists(st.integers(1, 6), min_size=90))
def test_what_is_settled_is_never_taken_back(text: str, cuts: list[int]):
    shown = ""
    for t in written_by_the_loop(text, cuts):
        assert t.text.startswith(shown)
        shown = t.text[: t.settled]


def test_words_settle_at_once_and_fences_when_their_line_ends():
    t = new()
    settled = []
    for token in ["So", " it", " is:", "\n", "``", "`bash", "\n", "ls"]:
        write(t, [token])
        settled.append(t.text[: t.settled])
    assert settled[:4] == ["So", "So it", "So it is:", "So it is:\n"]
    assert settled[4:] == ["So it is:\n", "So it is:\n", "So it is:\n```bash\n", "So it is:\n```bash\nls"]
