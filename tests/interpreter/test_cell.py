"""Notebook semantics of one cell, in this process."""

import sys

import pytest

from cort_data.interpreter.cell import new_namespace, run_cell


def feedback(*cells: str) -> str:
    """The feedback of the last of these cells."""
    namespace = new_namespace()
    return [run_cell(code, namespace, number).feedback for number, code in enumerate(cells, 1)][-1]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("2 + 2", "4"),
        ("x = 2\nx", "2"),
        ("x = 2", "(no output)"),
        ("None", "(no output)"),
        ("2 + 2;", "(no output)"),
        ("(2 +\n 2) ;  # why", "(no output)"),
        ("'a;'", "'a;'"),
        ("'é'; 'b'", "'b'"),
        ("print('a')\n'b'", "a\n'b'"),
        ("for i in range(3):\n    i", "(no output)"),
        ("", "(no output)"),
        ("# nothing", "(no output)"),
        ("print('a\\n')", "a"),
        ("if __name__ == '__main__':\n    print('main')", "main"),
        ("print('größer ≤ 数')", "größer ≤ 数"),
        ("print('\\ud800')", "\\ud800"),
        ("import sys\nsys.stdout.buffer.write(b'\\xff\\n')\nNone", "\\xff"),
        ("import sys\nprint(1)\nprint(2, file=sys.stderr)\nprint(3)", "1\n2\n3"),
        ("def f(x: 'int') -> None: ...\nf.__annotations__['x']", "'int'"),
        ("def f(x: int): ...\nf.__annotations__['x']", "<class 'int'>"),
    ],
)
def test_output_of_a_cell(code: str, expected: str) -> None:
    assert feedback(code) == expected


def test_cells_share_variables_and_the_last_value() -> None:
    assert feedback("x = 20", "x + 1", "_ * 2") == "42"


def test_traceback_shows_the_line_without_carets() -> None:
    assert feedback("a = 1\ng = math.gcd(84, 36)") == (
        "Traceback (most recent call last):\n"
        '  File "<cell 1>", line 2, in <module>\n'
        "    g = math.gcd(84, 36)\n"
        "NameError: name 'math' is not defined"
    )


def test_traceback_shows_user_frames_alone() -> None:
    code = "import json\ndef load(text):\n    return json.loads(text)"
    assert feedback(code, "load('{')") == (
        "Traceback (most recent call last):\n"
        '  File "<cell 2>", line 1, in <module>\n'
        "    load('{')\n"
        '  File "<cell 1>", line 3, in load\n'
        "    return json.loads(text)\n"
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)"
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = = 3", '  File "<cell 1>", line 1\n    x = = 3\nSyntaxError: invalid syntax'),
        (
            "if True:\n\tx = 1\n        y = 2",
            '  File "<cell 1>", line 3\n    y = 2\nTabError: inconsistent use of tabs and spaces in indentation',
        ),
        (
            "int main() { return 0; }",
            '  File "<cell 1>", line 1\n    int main() { return 0; }\nSyntaxError: invalid syntax',
        ),
    ],
)
def test_syntax_errors_name_the_line(code: str, expected: str) -> None:
    assert feedback(code) == expected


def test_null_bytes_are_an_error_of_the_cell() -> None:
    assert feedback("a = 1\0").endswith("source code string cannot contain null bytes")


def test_lone_surrogates_are_an_error_of_the_cell() -> None:
    assert "UnicodeEncodeError" in feedback("'\ud800'")


def test_exit_ends_the_cell_and_says_that_the_session_goes_on() -> None:
    output = run_cell("print(1)\nimport sys\nsys.exit(3)\nprint(2)", new_namespace(), 1)
    assert output.text == "1\n"
    assert output.error is not None
    assert output.error.endswith("SystemExit: 3 (the block ended here; the session goes on)")


@pytest.mark.parametrize("code", ["input('n? ')", "import sys\nsys.stdin.read()"])
def test_reading_input_says_that_nobody_answers(code: str) -> None:
    assert feedback(code).endswith("EOFError: nobody can answer input() here; write the values into the code")


def test_recursion_is_folded() -> None:
    text = feedback("def f(n): return f(n + 1)\nf(0)")
    assert "RecursionError: maximum recursion depth exceeded" in text
    assert "more times]" in text
    assert len(text.splitlines()) < 15


def test_mutual_recursion_is_cut_in_the_middle() -> None:
    text = feedback("def f(n): return g(n)\ndef g(n): return f(n)\nf(0)")
    assert "frames cut] ..." in text
    assert len(text.splitlines()) < 40


def test_an_exception_that_cannot_be_shown_is_still_an_error() -> None:
    assert "E: <exception str() failed>" in feedback("class E(Exception):\n    def __str__(self): 1 / 0\nraise E")


def test_streams_come_back_whatever_the_cell_did() -> None:
    before = sys.stdout, sys.stderr, sys.stdin
    assert feedback("import sys\nsys.stdout = None\nsys.stderr.close()", "print(5)") == "5"
    assert (sys.stdout, sys.stderr, sys.stdin) == before


def test_a_closed_stdout_is_open_again() -> None:
    assert feedback("import sys\nsys.stdout.close()\nsys.stdout.buffer.close()", "print(5)") == "5"


def test_long_output_keeps_both_ends_and_says_what_was_cut() -> None:
    output = run_cell("print('a' * 3000 + 'b' * 3000)", new_namespace(), 1)
    assert output.text == "a" * 2000 + "\n... [2001 characters cut] ...\n" + "b" * 1999 + "\n"
    assert output.truncated == 2001


def test_long_errors_are_cut_too() -> None:
    output = run_cell("raise ValueError('a' * 100_000)", new_namespace(), 1)
    assert output.error is not None
    assert len(output.error) < 4100
    assert output.truncated > 90_000
