"""What detectors see: complete clauses, whatever the chunks; runs, outputs and budgets."""

from hint_samples import OUTPUT, ran, said, view_of
from hypothesis import given
from hypothesis import strategies as st

from cort_data.hints.view import MAX_CLAUSE, View
from cort_data.trace import Kind, Origin

TEXTS = st.text(st.sampled_from("ab1 .,;:!?\n。，=*"), max_size=120)


def clauses(view):
    return [clause.text for clause in view.clauses]


def test_clauses_end_at_punctuation_before_white_space_and_at_line_ends():
    view = view_of(said("We get 3.5, or 1,000; so x=2:\nDone. Is it? yes"))
    assert clauses(view) == ["We get 3.5, ", "or 1,000; ", "so x=2:\n", "Done. ", "Is it? "]


def test_sentences_start_at_their_first_character():
    view = view_of(said("One, two.\n\n  Three: 1. four; e.g. five.\n1. six\n"))
    starts = {view.text[c.sentence :].split()[0].strip(",:.") for c in view.clauses}
    assert starts == {"One", "Three", "1"}
    assert [c.text for c in view.clauses if c.ends_sentence] == ["two.\n", "five.\n", "six\n"]


def test_chinese_clauses_need_no_white_space():
    assert clauses(view_of(said("先算，再看。好"))) == ["先算，", "再看。"]


def test_a_text_without_ends_is_cut_all_the_same():
    view = view_of(said("x" * (2 * MAX_CLAUSE + 5)))
    assert [len(text) for text in clauses(view)] == [MAX_CLAUSE, MAX_CLAUSE]


@given(st.lists(TEXTS, max_size=8))
def test_chunks_do_not_matter(chunks):
    whole = view_of(said("".join(chunks)))
    parts = view_of(*(said(chunk) for chunk in chunks if chunk))
    assert (parts.clauses, parts.text, parts.length) == (whole.clauses, whole.text, whole.length)


@given(TEXTS, TEXTS)
def test_later_text_changes_no_clause(text, more):
    view = view_of(said(text))
    before = list(view.clauses)
    view.append(*said(more))
    assert view.clauses[: len(before)] == before


@given(TEXTS, TEXTS, st.data())
def test_after_a_truncation_all_is_as_if_never_written(text, more, data):
    view = view_of(*ran(), said(text))
    start = view.run_start
    length = data.draw(st.integers(start, view.length))
    view.truncate(length)
    view.append(*said(more))
    fresh = view_of(*ran(), said((text)[: length - start] + more))
    assert (view.text, view.clauses, view.run_start) == (fresh.text, fresh.clauses, fresh.run_start)


def test_a_run_starts_after_what_the_model_did_not_write():
    view = view_of(said("Text.\n"), *ran())
    assert (view.run_start, view.clauses, view.follows_output) == (view.length, [], True)
    assert (view.calls, view.calls_left, view.last_output) == (1, 4, "29842")
    assert (view.has_code, view.answers_code, view.in_code) == (True, True, False)
    view.append(Kind.TEXT, Origin.HINT, "Trust it.\n")
    assert (view.run_start, view.answers_code, view.follows_output) == (view.length, True, False)
    view.append(*said("So"))
    assert view.text[view.run_start :] == "So"


def test_inside_code():
    view = view_of(said("Text.\n"), (Kind.CODE, Origin.MODEL, "```python\n"), (Kind.CODE, Origin.MODEL, "x = 1.\n"))
    assert view.in_code
    assert view.clauses == []
    view.append(Kind.OUTPUT, Origin.INTERPRETER, OUTPUT)
    assert view.last_code == "```python\nx = 1.\n"


def test_errors_are_known_by_their_form():
    traceback = 'Traceback (most recent call last):\n  File "<cell 1>", line 1, in <module>\n    x\nNameError: no x'
    assert view_of(*ran(f"\n```output\n{traceback}\n```\n")).last_error
    assert not view_of(*ran("\n```output\nrelative error: 0.01\n```\n")).last_error


def test_nothing_is_read_after_the_thinking():
    view = view_of(said("One. Two.\n</think>\nThree. Four.\n"))
    assert clauses(view) == ["One. ", "Two.\n"]
    other = View(think_close="<|end_of_thought|>")
    other.append(*said("One.\n<|end_of_thought|>\nTwo.\n"))
    assert clauses(other) == ["One.\n"]
