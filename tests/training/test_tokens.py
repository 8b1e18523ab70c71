"""Whose tokenizer it is, and whether a chat template keeps the thinking."""

import copy

import pytest

from cort_data.errors import TrainingError
from cort_data.nano.measure import WEIGHTS
from cort_data.profiles import load_profile
from cort_data.training.tokens import (
    Student,
    check_template,
    fingerprint,
    load_tokenizer,
    template_note,
    template_prompt,
)

NANO = load_profile("nano")
DROPS = (  # as the template of R1-Distill does
    "{% for m in messages %}{% if m['role'] == 'user' %}<|user|>\n{{ m['content'] }}\n"
    "{% else %}<|assistant|>\n{{ m['content'].split('</think>')[-1] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n<think>\n{% endif %}"
)


def test_equal_tokenizers_have_one_fingerprint_and_others_another(tokenizer):
    assert fingerprint(load_tokenizer(WEIGHTS / "teacher")) == fingerprint(tokenizer)
    other = copy.deepcopy(tokenizer)
    other.add_tokens(["newword"])
    assert fingerprint(other) != fingerprint(tokenizer)


def test_a_template_is_rendered_once_and_opens_the_thinking(tokenizer):
    assert template_prompt(tokenizer, NANO, "2*3?") == NANO.render("2*3?")
    assert Student(tokenizer, NANO, by_template=True).prompt("2*3?") == NANO.render("2*3?")


def test_a_template_that_leaves_the_tag_to_the_model_is_opened(tokenizer):
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = tokenizer.chat_template.replace("<|assistant|>\n<think>\n", "<|assistant|>\n")
    assert template_prompt(bare, NANO, "2*3?") == NANO.render("2*3?")


def test_a_template_that_drops_the_thinking_is_refused_with_the_remedy(tokenizer):
    dropping = copy.deepcopy(tokenizer)
    dropping.chat_template = DROPS
    with pytest.raises(TrainingError, match=r"drops the thinking .* set sft\.prompts: profile"):
        check_template(dropping, NANO)
    note = template_note(dropping, NANO)
    assert note is not None
    assert "drops the thinking" in note


def test_a_tokenizer_without_a_template_is_refused_where_one_is_asked_for(tokenizer):
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    with pytest.raises(TrainingError, match="no chat template"):
        check_template(bare, NANO)
    assert template_note(bare, NANO) is None


def test_a_template_that_asks_otherwise_than_the_profile_is_noted(tokenizer):
    note = template_note(tokenizer, load_profile("qwen3"))
    assert note is not None
    assert "<|user|>" in note
    assert template_note(tokenizer, NANO) is None


def test_a_folder_without_a_tokenizer_is_one_line(tmp_path):
    with pytest.raises(TrainingError, match="no tokenizer"):
        load_tokenizer(tmp_path)
