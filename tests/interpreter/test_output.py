"""The output buffer keeps both ends of anything."""

from hypothesis import given
from hypothesis import strategies as st

from cort_data.interpreter.output import OutputBuffer, cut_text


@given(st.lists(st.text("abcdé")), st.integers(1, 20))
def test_pieces_are_cut_as_the_whole_is(pieces: list[str], limit: int) -> None:
    buffer = OutputBuffer(limit)
    for piece in pieces:
        buffer.write(piece)
    assert buffer.value() == cut_text("".join(pieces), limit)


@given(st.text("abcdé", max_size=60), st.integers(1, 20))
def test_head_cut_and_tail_add_up(text: str, limit: int) -> None:
    shown, cut = cut_text(text, limit)
    if len(text) <= limit:
        assert (shown, cut) == (text, 0)
    else:
        head, tail = text[: limit - limit // 2], text[len(text) - limit // 2 :]
        assert cut == len(text) - limit
        assert shown == f"{head}\n... [{cut} characters cut] ...\n{tail}"


def test_a_flood_does_not_stay_in_memory() -> None:
    buffer = OutputBuffer(100)
    for _ in range(10_000):
        buffer.write("x" * 37)
    kept = sum(map(len, buffer._head)) + sum(map(len, buffer._tail))
    assert kept < 300


def test_without_a_limit_all_is_kept() -> None:
    assert cut_text("x" * 10_000, None) == ("x" * 10_000, 0)
