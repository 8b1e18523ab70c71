"""The tokenizer's promises, and the loss mask of a row."""

from itertools import islice

import pytest

pytest.importorskip("torch")

from cort_data.nano.corpus import CorpusTrace, Piece, traces
from cort_data.nano.mixtures import BASE
from cort_data.nano.tokenizer import IGNORED, encode, prompt_text, train_tokenizer
from cort_data.trace import Origin, Problem


@pytest.fixture(scope="module")
def tokenizer():
    texts = [p.text for t in islice(traces("pretrain", 2, BASE), 200) for p in t.pieces]
    return train_tokenizer(texts, 600)


def test_digits_line_ends_and_fences_are_tokens_of_their_own(tokenizer):
    pieces = tokenizer.convert_ids_to_tokens(tokenizer.encode("x = 347\n```", add_special_tokens=False))
    assert pieces == ["x", "Ġ=", "Ġ3", "4", "7", "Ċ", "```"]


def test_any_text_comes_back(tokenizer):
    text = "3 × 4 — naïve\t`x`  ```py\n    é"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_chat_template_opens_thinking_and_keeps_it(tokenizer):
    user = {"role": "user", "content": "What is 3*4?"}
    prompt = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
    assert prompt == prompt_text("What is 3*4?")
    answer = {"role": "assistant", "content": "<think>\n12.\n</think>\n\\boxed{12}"}
    whole = tokenizer.apply_chat_template([user, answer], tokenize=False)
    assert whole.startswith(prompt + "12.\n</think>")


def test_loss_is_on_the_models_pieces_and_the_end_alone(tokenizer):
    pieces = (
        Piece(Origin.HINT, "Use code.\n```python\n"),
        Piece(Origin.MODEL, "print(7)\n```"),
        Piece(Origin.INTERPRETER, "\n```output\n7\n```\n"),
        Piece(Origin.MODEL, "</think>\n\\boxed{7}."),
    )
    trace = CorpusTrace(Problem(id="p", text="What?", answer="7"), pieces, (), "7")
    row = encode(tokenizer, trace)
    assert len(row.ids) == len(row.labels)
    learned = [i for i, label in zip(row.ids, row.labels, strict=True) if label != IGNORED]
    assert tokenizer.decode(learned) == "print(7)\n```</think>\n\\boxed{7}.<|endoftext|>"
    assert tokenizer.decode(list(row.ids)) == prompt_text("What?") + trace.text + "<|endoftext|>"
