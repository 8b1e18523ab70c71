"""Lines from strangers: good ones are rows, bad ones are named, and reading goes on."""

from hypothesis import given
from hypothesis import strategies as st

from cort_data.json_lines import BadLine, Row, as_text, read_rows, ticking


def test_bad_lines_are_named_by_number_and_the_rest_is_read() -> None:
    lines = [b'{"a": 1}\n', b"\n", b"{torn\n", b"\xff\xfe\n", b"[1]\n", b'{"a": NaN}\n', b'{"b": "\xc3\xa4"}']
    first, torn, binary, array, nan, last = read_rows(lines, "f.jsonl")
    assert first == Row("f.jsonl:1", {"a": 1})
    assert str(torn).startswith("f.jsonl:3: not JSON (Expecting property name")
    assert str(binary) == "f.jsonl:4: not UTF-8 (byte 1 of the line)"
    assert str(array) == "f.jsonl:5: expected a JSON object, got list"
    assert str(nan) == "f.jsonl:6: not JSON (NaN is no JSON number)"
    assert last == Row("f.jsonl:7", {"b": "ä"})


def test_deep_nesting_is_a_bad_line() -> None:
    (row,) = read_rows([b"[" * 200_000], "f")
    assert isinstance(row, BadLine)


@given(st.binary())
def test_any_line_is_a_row_or_a_bad_line(line: bytes) -> None:
    assert all(isinstance(row, Row | BadLine) for row in read_rows([line], "f"))


def test_numbers_are_text_and_nothing_else_is() -> None:
    assert [as_text(value) for value in ("x", 5, 2.5, True, None, [1], {})] == ["x", "5", "2.5", *[None] * 4]


def test_ticking_passes_everything_on() -> None:
    assert list(ticking(range(3), "t")) == [0, 1, 2]
