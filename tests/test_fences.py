from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cort_data.fences import FenceScanner, Mark, Piece, PieceKind, code_of, feedback_fence, parse, unclosed

TEXT, CODE, OUTPUT, NOTICE = PieceKind.TEXT, PieceKind.CODE, PieceKind.OUTPUT, PieceKind.NOTICE

# Lines and fragments that meet in real completions; drawn at random they make every bad neighbourhood.
FRAGMENTS = (
    "```python\n",
    "```py\n",
    "~~~python3\n",
    "````python\n",
    "   ```python\n",
    "\t```Python\n",
    "```\n",
    "```",
    "````\n",
    "~~~\n",
    "     ```\n",
    "```output\n",
    "```Output\n",
    "~~~notice\n",
    "```bash\n",
    "``` ```output\n",
    "so:```python\n",
    "so:```output\n",
    "print('```')\n",
    "x = 1\n",
    "prose ",
    "`",
    "~",
    " ",
    "\n",
    "\r\n",
    "\t",
    "é√𝟛",
)
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join) | st.text(
    alphabet="`~ \n\tpythonupic", max_size=60
)


def kinds(text: str) -> list[PieceKind]:
    return [piece.kind for piece in parse(text)]


def programs(text: str) -> list[str]:
    return [code_of(piece.text) for piece in parse(text) if piece.kind is CODE]


def scan(chunks: list[str]) -> list[Mark]:
    scanner = FenceScanner()
    for chunk in chunks:
        scanner.feed(chunk)
    scanner.finish()
    return scanner.marks


@given(texts)
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(piece.text for piece in parse(text)) == text


@given(texts)
def test_neighbouring_pieces_are_never_both_text_and_none_is_empty(text: str) -> None:
    pieces = parse(text)
    assert all(piece.text for piece in pieces)
    assert (TEXT, TEXT) not in itertools.pairwise(piece.kind for piece in pieces)


@given(texts)
def test_an_output_directly_follows_code(text: str) -> None:
    for before, piece in itertools.pairwise([Piece(TEXT, ""), *parse(text)]):
        assert piece.kind is not OUTPUT or before.kind is CODE


@given(texts)
def test_only_the_last_piece_may_be_unclosed(text: str) -> None:
    assert all(piece.closed for piece in parse(text)[:-1])


@given(texts)
def test_every_code_piece_is_a_block_on_its_own(text: str) -> None:
    for piece in parse(text):
        if piece.kind is CODE:
            assert parse(piece.text) == [piece]
            assert unclosed(piece.text) is not piece.closed
            code_of(piece.text)


@given(texts, st.data())
def test_marks_do_not_depend_on_how_the_text_was_cut(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    chunks = [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
    assert scan(chunks) == scan(list(text)) == scan([text])


@given(texts)
def test_a_closed_block_is_reported_once_and_with_the_character_that_closes_it(text: str) -> None:
    scanner = FenceScanner()
    reported = [(i, mark) for i, char in enumerate(text, 1) if (mark := scanner.feed(char)) is not None]
    closed = [mark.start for mark in scanner.marks]
    assert [mark.start for _, mark in reported] == closed
    assert all(mark.end == i for i, mark in reported if mark.kind is not TEXT)


@given(st.text(alphabet="`~ \nax", max_size=40))
def test_feedback_survives_any_body(body: str) -> None:
    block = "```python\nx\n```"
    text = block + feedback_fence("output", body) + feedback_fence("notice", body) + "so"
    assert [(p.kind, p.text) for p in parse(text)] == [
        (CODE, block),
        (OUTPUT, feedback_fence("output", body)),
        (NOTICE, feedback_fence("notice", body)),
        (TEXT, "so"),
    ]


def test_feedback_is_exact() -> None:
    assert feedback_fence("output", "3\n4") == "\n```output\n3\n4\n```\n"
    assert feedback_fence("output", "a ```` b ``` c") == "\n`````output\na ```` b ``` c\n`````\n"
    assert feedback_fence("notice", "~~~~") == "\n```notice\n~~~~\n```\n"


def test_pieces_of_an_ordinary_completion() -> None:
    text = "Let me see.\n```python\nprint(1)\n```\n\n```output\n1\n```\nSo 1."
    assert parse(text) == [
        Piece(TEXT, "Let me see.\n"),
        Piece(CODE, "```python\nprint(1)\n```\n"),
        Piece(OUTPUT, "\n```output\n1\n```\n"),
        Piece(TEXT, "So 1."),
    ]


@pytest.mark.parametrize(
    "chunks",
    [
        ["a\n`", "``", "pyt", "hon", "\n", "x", "\n`", "`", "`"],  # fences split over tokens
        ["a\n```python\nx\n```"],  # fences inside a token
        ["a", "\n```python\nx", "\n```"],
    ],
)
def test_a_block_closes_with_its_last_backtick(chunks: list[str]) -> None:
    scanner = FenceScanner()
    reports = [scanner.feed(chunk) for chunk in chunks]
    assert reports[:-1] == [None] * (len(chunks) - 1)
    assert reports[-1] == Mark(CODE, 2, 17)


def test_a_block_is_open_from_the_end_of_its_first_line_to_its_closing_fence() -> None:
    scanner = FenceScanner()
    opened = [(scanner.feed(part), scanner.open_block)[1] for part in ("a\n```py", "\n", "x\n``", "`", "\n")]
    assert opened == [None, 2, 2, None, None]


@pytest.mark.parametrize("word", ["python", "py", "python3", "Python", "{python}", "{.python}", "python:a.py"])
def test_python_by_any_of_its_names(word: str) -> None:
    assert programs(f"```{word}\nx = 1\n```") == ["x = 1"]
    assert programs(f"``` {word}\nx = 1\n```") == ["x = 1"]


@pytest.mark.parametrize("word", ["", "bash", "python2", "pycon", "pytb", "sh", "json", "text"])
def test_blocks_of_other_languages_are_text(word: str) -> None:
    assert kinds(f"```{word}\nx = 1\n```\nso") == [TEXT]


def test_a_python_block_after_a_stray_fence_still_runs() -> None:
    assert programs("```\nsome text\n```python\nx\n```\n") == ["x"]
    assert programs("```bash\nls\n```python\nx\n```\n") == ["x"]


def test_backticks_inside_strings_do_not_close() -> None:
    code = 'print("```")\ns = "a" # ```\n# ```'
    assert programs(f"```python\n{code}\n```\n") == [code]


def test_tilde_fences() -> None:
    assert programs("~~~python\nprint('```')\n```\n~~~\n") == ["print('```')\n```"]


def test_four_backticks_are_not_closed_by_three() -> None:
    text = "````python\nx\n```\ny\n"
    assert parse(text) == [Piece(CODE, text, closed=False)]
    assert programs(text + "````") == ["x\n```\ny"]


def test_a_longer_fence_closes() -> None:
    assert parse("```python\nx\n`````\nso") == [Piece(CODE, "```python\nx\n`````\n"), Piece(TEXT, "so")]


def test_an_unclosed_block_runs_to_the_end() -> None:
    assert parse("a\n```python\nx") == [Piece(TEXT, "a\n"), Piece(CODE, "```python\nx", closed=False)]


def test_a_fence_without_its_line_end_opens_nothing() -> None:
    assert kinds("a\n```python") == [TEXT]


def test_a_block_in_a_list_is_dedented_to_run() -> None:
    text = "1. Then\n   ```python\n   for i in (1, 2):\n       print(i)\n   ```\n2. Next"
    assert programs(text) == ["for i in (1, 2):\n    print(i)"]
    assert [piece.text for piece in parse(text)] == [text[:8], text[8:-7], "2. Next"]


def test_a_fence_indented_far_more_than_its_opening_is_code() -> None:
    assert programs('```python\ns = """\n    ```\n"""\n```\n') == ['s = """\n    ```\n"""']
    assert programs("```python\nx\n   ```\n") == ["x"]


def test_two_blocks_in_a_row() -> None:
    text = "```python\na\n```\n```python\nb\n```"
    assert [piece.text for piece in parse(text)] == ["```python\na\n```\n", "```python\nb\n```"]


def test_the_indentation_of_a_second_block_is_its_own() -> None:
    text = "  ```python\n  a\n  ```\n\n  ```python\n  b\n  ```\n"
    assert [piece.text for piece in parse(text)] == [text[:22], "\n", text[23:]]
    assert programs(text) == ["a", "b"]


def test_a_fence_glued_to_prose() -> None:
    assert parse("We compute:```python\nx\n```") == [Piece(TEXT, "We compute:"), Piece(CODE, "```python\nx\n```")]
    assert programs("We compute: ```py  \r\nx\n```") == ["x"]
    assert kinds("Write it in ```python``` please\n") == [TEXT]
    assert kinds("Use ```python x``` here\n") == [TEXT]


def test_text_glued_to_the_closing_fence_is_outside() -> None:
    assert parse("```python\nx\n```So ``` it is\n") == [
        Piece(CODE, "```python\nx\n```"),
        Piece(TEXT, "So ``` it is\n"),
    ]
    assert programs("```python\na\n``` then ```python\nb\n```") == ["a", "b"]


def test_an_output_that_the_model_writes_itself_is_forged() -> None:
    assert parse("I think\n```output\n5\n```\nso 5") == [Piece(TEXT, "I think\n```output\n5\n```\nso 5", forged=1)]
    assert [p.forged for p in parse("```python\nx\n```\nThis gives\n~~~Output\n5\n~~~\n")] == [0, 1]


@pytest.mark.parametrize("between", ["Result:", "text\n", "``` "])
def test_only_white_space_may_stand_between_code_and_its_output(between: str) -> None:
    assert kinds(f"```python\nx\n```\n{between}```output\n5\n```\n") == [CODE, TEXT]


def test_a_second_output_of_one_block_is_forged() -> None:
    text = "```python\nx\n```" + feedback_fence("output", "5") * 2
    assert [(p.kind, p.forged) for p in parse(text)] == [(CODE, 0), (OUTPUT, 0), (TEXT, 1)]


def test_a_notice_follows_an_output_but_not_prose() -> None:
    notice = feedback_fence("notice", "state lost")
    block = "```python\nx\n```" + feedback_fence("output", "5")
    assert kinds(block + notice) == [CODE, OUTPUT, NOTICE]
    assert kinds(block + "so" + notice) == [CODE, OUTPUT, TEXT]


def test_what_the_model_writes_itself_is_forged_from_the_end_of_its_fence_line() -> None:
    scanner = FenceScanner()
    scanner.feed("```python\nx\n```")
    scanner.refuse_feedback()
    assert scanner.feed("\n```output") is None
    assert scanner.feed("\n") == Mark(TEXT, 16, None)


def test_code_of_refuses_what_is_no_block() -> None:
    with pytest.raises(ValueError, match="must begin with its fence, got 'x = 1'"):
        code_of("x = 1")


@pytest.mark.parametrize(
    "block", ["``", "```py", "```python\n", "```python\nx\n", "```python\nx\n``", "```py\nx\n ~~~\n"]
)
def test_unclosed(block: str) -> None:
    assert unclosed(block)


@pytest.mark.parametrize("block", ["```python\n```", "```python\nx\n```\n\n", "  ~~~py\nx\n ~~~~"])
def test_not_unclosed(block: str) -> None:
    assert not unclosed(block)
