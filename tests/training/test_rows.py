"""Masks come from segments: literal labels, the engine's ids where they are shared, one border a writer."""

import pytest

from cort_data.hints.library import load_library
from cort_data.profiles import load_profile
from cort_data.trace import Kind, Origin
from cort_data.training.rows import IGNORED, RowMaker, RowSettings
from cort_data.training.tokens import Student

from .hand import MARK, WORDS, every_origin, many, piece, trace, with_ids

M = IGNORED
LIBRARY = load_library()
# <|user|>⏎2*3?⏎<|assistant|>⏎<think>⏎ · Go.⏎ · Run it.⏎ · ```python⏎ · print(6)⏎``` · ⏎```output⏎6⏎```⏎ ·
# ⏎```notice⏎No.⏎```⏎ · So 6.⏎</think>⏎\boxed{6}<|endoftext|>
IDS = [1, 201, 20, 12, 21, 33, 201, 2, 201, 1022, 201, 868, 16, 201, 52, 358, 395, 16, 201, 275, 362, 201,
       376, 10, 24, 11, 201, 275, 201, 275, 361, 201, 24, 201, 275, 201, 201, 275, 80, 81, 86, 732, 201, 48, 81, 16,
       201, 275, 201, 266, 282, 16, 201, 1023, 201, 62, 338, 93, 24, 95, 0]  # fmt: skip
LABELS = [M, M, M, M, M, M, M, M, M, M, M, 868, 16, 201, 52, 358, 395, 16, 201, 275, 362, 201,
          376, 10, 24, 11, 201, 275, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
          M, M, M, 266, 282, 16, 201, 1023, 201, 62, 338, 93, 24, 95, 0]  # fmt: skip


def row_of(student, trace, **settings):
    return RowMaker(student, RowSettings(**settings), LIBRARY).row(trace)


def trained_text(student, row):
    return student.tokenizer.decode([i for i in row.labels if i != IGNORED])


def test_the_labels_of_a_trace_by_hand(student):
    row = row_of(student, every_origin("Run it.\n"))
    assert list(row.input_ids) == IDS
    assert list(row.labels) == LABELS
    origins = [None] * 11 + ["model"] * 3 + ["hint"] * 8 + ["model"] * 6 + ["interpreter"] * 8 + ["system"] * 13
    assert list(row.origins) == origins + ["model"] * 12


def test_trained_tokens_are_the_text_of_model_and_hints(student):
    made = every_origin()
    wanted = "".join(s.text for s in made.segments if s.origin in (Origin.MODEL, Origin.HINT))
    assert trained_text(student, row_of(student, made)) == wanted + "<|endoftext|>"


def test_the_ids_of_the_engine_are_kept_where_they_read_as_the_text(student):
    made = with_ids(every_origin(), student.encode, 0)
    # the engine drew G and o one by one where the tokenizer would join them
    first = made.segments[0].model_copy(update={"token_ids": (41, 81, 16, 201), "tokens": 4})
    assert student.tokenizer.decode([41, 81]) == "Go"
    made = made.model_copy(update={"segments": (first, *made.segments[1:])})
    row = row_of(student, made)
    assert row.engine_ids
    assert row.input_ids[11:15] == (41, 81, 16, 201)
    assert row.input_ids.count(0) == 1


def test_ids_of_another_vocabulary_are_not_kept(student):
    made = with_ids(every_origin(), student.encode, 0)
    shifted = [s.model_copy(update={"token_ids": tuple(i + 1 for i in s.token_ids)}) for s in made.segments]
    other = row_of(student, made.model_copy(update={"segments": tuple(shifted)}))
    assert not other.engine_ids
    assert other.input_ids == row_of(student, every_origin()).input_ids


def test_no_token_crosses_a_border_between_writers(student):
    made = trace(
        piece(Kind.TEXT, Origin.MODEL, "a comp"), piece(Kind.TEXT, Origin.HINT, "uter", MARK.model_copy()),
    )  # fmt: skip
    row = row_of(student, made)
    assert (
        student.tokenizer.decode([i for i, o in zip(row.input_ids, row.origins, strict=True) if o == "hint"]) == "uter"
    )


def test_a_text_that_a_budget_ended_has_no_end_token(student):
    assert row_of(student, every_origin(stop_reason="length")).input_ids[-1] == 95


@pytest.mark.parametrize(
    ("policy", "fence", "words", "opening"),
    [
        ("train", True, True, True),
        ("train", False, True, False),
        ("mask", True, False, True),
        ("mask", False, False, False),
    ],
)
def test_words_and_fence_of_a_hint_are_trained_apart(student, policy, fence, words, opening):
    text = trained_text(student, row_of(student, every_origin(), hint_tokens=policy, train_fence=fence))
    assert (WORDS in text) is words
    assert ("```python\n" in text) is opening
    assert "print(6)\n```" in text


def test_dropped_words_are_gone_and_what_follows_is_reported(student):
    row = row_of(student, every_origin(), hint_tokens="drop")
    text = student.tokenizer.decode(row.input_ids)
    assert "Go.\n```python\nprint(6)" in text
    assert row.hints == ("dropped",)
    trained = ("```python\n", "print(6)\n```", "So 6.\n</think>\n\\boxed{6}")
    assert row.out_of_context == sum(len(student.encode(text)) for text in trained)


def test_dropping_words_keeps_what_the_model_is_owed_and_ends_the_line(student):
    owed = trace(
        piece(Kind.TEXT, Origin.MODEL, "It is 12"),
        piece(Kind.TEXT, Origin.HINT, " * 7\n" + WORDS, MARK),
        piece(Kind.CODE, Origin.HINT, "```python\n", MARK),
        piece(Kind.CODE, Origin.MODEL, "print(84)\n```"),
    )
    row = row_of(student, owed, hint_tokens="drop")
    assert "It is 12 * 7\n```python\nprint(84)" in student.tokenizer.decode(row.input_ids)
    glued = trace(
        piece(Kind.TEXT, Origin.MODEL, "It is"),
        piece(Kind.TEXT, Origin.HINT, " so; unknown wording\n", MARK),
        piece(Kind.CODE, Origin.HINT, "```python\n", MARK),
        piece(Kind.CODE, Origin.MODEL, "print(84)\n```"),
    )
    assert "It is\n```python" in student.tokenizer.decode(row_of(student, glued, hint_tokens="drop").input_ids)


def test_a_paraphrase_is_another_wording_and_the_same_one_for_a_seed(student):
    hint = LIBRARY["delayed_computation"]
    first, again = (row_of(student, every_origin(), hint_tokens="paraphrase", seed=5) for _ in range(2))
    assert first == again
    text = student.tokenizer.decode(first.input_ids)
    others = [w.render({}).removesuffix("```python\n") for w in hint.wordings[1:]]
    assert sum(f"Go.\n{words}```python\nprint(6)" in text for words in others) == 1
    assert WORDS not in text
    texts = {row_of(student, every_origin(), hint_tokens="paraphrase", seed=s).input_ids for s in range(20)}
    assert len(texts) > 2


def test_a_hint_that_is_not_known_any_more_stays_as_it_was(student):
    lost = MARK.model_copy(update={"name": "lost"})
    made = trace(piece(Kind.TEXT, Origin.HINT, "Now.\n", lost), piece(Kind.TEXT, Origin.MODEL, "Yes."))
    row = row_of(student, made, hint_tokens="paraphrase")
    assert "Now.\nYes." in student.tokenizer.decode(row.input_ids)
    assert row.hints == ()


def test_a_trace_over_the_limit_is_dropped_and_counted_and_never_cut(student):
    maker = RowMaker(student, RowSettings(max_tokens=100))
    rows = list(maker.rows(many()))
    assert 0 < len(rows) < 24
    assert maker.counts.too_long == 24 - len(rows)
    assert all(row.input_ids[-1] == 0 and len(row.input_ids) <= 100 for row in rows)


def test_a_trace_without_a_token_to_train_is_counted(student):
    only_prompt = every_origin(stop_reason="length", segments=())
    maker = RowMaker(student, RowSettings())
    assert list(maker.rows([only_prompt])) == []
    assert maker.counts.untrained == 1


def test_a_trace_of_another_family_is_written_in_the_students_form(student):
    foreign = every_origin(profile="plain", prompt="2*3?\n\n<think>\n")
    row = row_of(student, foreign)
    assert row.new_prompt
    assert row.labels == row_of(student, every_origin()).labels


def test_calls_of_a_tagged_family_are_masked_by_writer(tokenizer):
    student = Student(tokenizer, load_profile("qwen3_tools"))
    text = trained_text(student, row_of(student, every_origin(), hint_tokens="mask"))
    assert "<tool_call>" in text
    assert "print(6)" in text
    assert "tool_response" not in text
    assert WORDS.strip() not in text
