"""Frames survive any cutting of the stream; what is no frame is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cort_data.interpreter.wire import HEADER, FrameReader, WireError, encode

numbers = st.integers(-(2**63), 2**64 - 1)
frames = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | numbers), max_size=5)


@given(frames, st.integers(1, 10))
def test_frames_come_out_as_they_went_in(sent: list[dict[str, object]], step: int) -> None:
    data = b"".join(map(encode, sent))
    reader = FrameReader()
    received = [frame for at in range(0, len(data), step) for frame in reader.feed(data[at : at + step])]
    assert received == sent


@pytest.mark.parametrize("body", [b"nonsense", b"[1]", b"\xff\xff", b"[" * 100_000, b"9" * 100])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        list(FrameReader().feed(HEADER.pack(len(body)) + body))


def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(WireError, match="at most 10"):
        list(FrameReader(10).feed(HEADER.pack(11)))
