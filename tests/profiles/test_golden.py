"""What a model is trained on is what it is served with, token by token, in every family.

The templates beside this file behave like those of the families; they are our own words for what is published
about them. The tokenizers are tiny and built here, with the families' special tokens.
"""

import functools
import itertools
from pathlib import Path

import pytest
from builders import GOOD, make_trace
from conftest import CORPUS

from cort_data.dialects import convert, render
from cort_data.messages import to_messages
from cort_data.profiles import Quirk, load_profile
from cort_data.steps import steps_of

TEMPLATES = Path(__file__).parent / "templates"
SPECIAL = {
    "deepseek": [
        "<｜begin▁of▁sentence｜>",
        "<｜end▁of▁sentence｜>",
        "<｜User｜>",
        "<｜Assistant｜>",
        "<think>",
        "</think>",
    ],
    "qwen": ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>", "<tool_call>", "</tool_call>"],
    "gpt_oss": ["<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>", "<|return|>", "<|endoftext|>"],
}
FAMILY = {
    "r1_distill": ("deepseek", "r1_distill", {}),
    "qwq": ("qwen", "qwq", {}),
    "qwen3": ("qwen", "qwen3", {}),
    "qwen3_thinking": ("qwen", "qwen3", {"thinking_only": True}),
    "qwen3_tools": ("qwen", "qwen3", {}),
    "gpt_oss": ("gpt_oss", "gpt_oss", {}),
    "deepseek_v3": ("deepseek", "deepseek_v3", {"thinking": True}),
}
QUESTION = "What is the area of a 347 by 86 field?"


@functools.cache
def tokenizer(vocabulary):
    """Byte-level BPE; DeepSeek's also puts its first token before everything, as the published ones do."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = SPECIAL[vocabulary]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(CORPUS, trainer)
    if vocabulary == "deepseek":
        begin = (special[0], core.token_to_id(special[0]))
        core.post_processor = processors.TemplateProcessing(single=f"{begin[0]} $A", special_tokens=[begin])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=special[0] if vocabulary == "deepseek" else None, eos_token=special[1]
    )


def templated(name, messages, *, prompt=False, **changes):
    """What the family's chat template makes of messages: a text and its ids, as a server does it."""
    vocabulary, template, settings = FAMILY[name]
    options = {
        "chat_template": (TEMPLATES / f"{template}.jinja").read_text("utf-8"),
        "add_generation_prompt": prompt,
        **settings,
        **changes,
    }
    tokens = tokenizer(vocabulary)
    text = tokens.apply_chat_template(messages, tokenize=False, **options)
    return text, tokens.apply_chat_template(messages, tokenize=True, return_dict=False, **options)


def encode(name, text):
    """As our engines do it: special tokens are read, none is added."""
    return tokenizer(FAMILY[name][0]).backend_tokenizer.encode(text, add_special_tokens=False).ids


def question(name):
    """The messages before the answer; the system text of gpt-oss is part of our prompt."""
    system = load_profile(name).render("").partition("<|message|>")[2].partition("<|end|>")[0]
    return [
        *([{"role": "system", "content": system}] if name == "gpt_oss" else []),
        {"role": "user", "content": QUESTION},
    ]


def trace(name, completion=GOOD):
    made = make_trace(completion, problem=QUESTION, profile="plain")
    made = made.model_copy(update={"prompt": load_profile("plain").render(QUESTION)})
    return convert(made, load_profile(name))


def training_text(name, completion=GOOD):
    made = trace(name, completion)
    return made.prompt + "".join(run.text for run in render(made))


@pytest.mark.parametrize("name", FAMILY)
def test_the_prompt_is_what_the_family_is_served_with(name):
    profile = load_profile(name)
    text, ids = templated(name, question(name), prompt=True)
    if Quirk.MODEL_OPENS_THINKING in profile.quirks:
        opening = profile.tags.thought[0] if profile.tags else "<think>\n"
        assert not text.endswith(opening)
        text, ids = text + opening, ids + encode(name, opening)
    assert profile.render(QUESTION) == text
    assert encode(name, profile.render(QUESTION)) == ids


@pytest.mark.parametrize("name", FAMILY)
def test_a_training_text_goes_on_from_the_served_prompt_token_by_token(name):
    """Serving encodes the prompt, then each piece by itself, and the model closes its turn."""
    made = trace(name)
    pieces = [made.prompt, *(run.text for run in render(made))]
    served = [i for piece in pieces for i in encode(name, piece)]
    assert tokenizer(FAMILY[name][0]).decode(served) == training_text(name)
    assert served[: len(encode(name, made.prompt))] == encode(name, load_profile(name).render(QUESTION))
    assert served[-1] == encode(name, load_profile(name).end)[0]


@pytest.mark.parametrize("name", FAMILY)
def test_thinking_is_kept(name):
    text = training_text(name)
    thoughts = ("The product of both sides is the area", "So the area is found.")
    assert all(part in text for part in thoughts)
    _, _, after = text.rpartition(load_profile(name).think_close)
    assert not any(part in after for part in thoughts)


STRIPPING = [name for name in FAMILY if Quirk.STRIPS_THINKING in load_profile(name).quirks]


@pytest.mark.parametrize("name", STRIPPING)
def test_the_templates_of_these_families_would_lose_it(name):
    said = {
        "role": "assistant",
        "content": "<think>\nWe think.\n</think>\n\nIt is 5.",
        "reasoning_content": "We think.",
    }
    if name == "gpt_oss":
        said["content"] = "It is 5."
    text, _ = templated(name, [*question(name), said, {"role": "user", "content": "And now?"}], prompt=True)
    assert "It is 5." in text
    assert "We think." not in text


@pytest.mark.parametrize("name", ["qwen3", "qwen3_thinking"])
def test_where_the_template_keeps_thinking_it_gives_the_training_text(name):
    fences = trace(name)
    thinking, _, words = fences.text.partition("</think>")
    said = {"role": "assistant", "reasoning_content": thinking, "content": words}
    text, ids = templated(name, [*question(name), said])
    assert training_text(name) + "\n" == text
    assert encode(name, training_text(name) + "\n") == ids


def test_tool_calls_are_written_as_the_template_writes_them():
    steps = steps_of(trace("qwen3_tools").segments, "</think>")
    text, ids = templated("qwen3_tools", to_messages(QUESTION, steps))
    assert training_text("qwen3_tools") + "\n" == text
    assert encode("qwen3_tools", training_text("qwen3_tools") + "\n") == ids


def test_harmony_is_written_as_the_template_writes_it_where_no_code_is():
    words = "We multiply.\n</think>\n\nIt is \\boxed{29842}."
    said = {"role": "assistant", "reasoning_content": "We multiply.", "content": "It is \\boxed{29842}."}
    text, ids = templated("gpt_oss", [*question("gpt_oss"), said], keep_analysis=True)
    assert training_text("gpt_oss", words) == text
    assert encode("gpt_oss", training_text("gpt_oss", words)) == ids


@pytest.mark.parametrize("name", FAMILY)
def test_no_special_token_is_doubled(name):
    ids = encode(name, training_text(name))
    special = {i for token in SPECIAL[FAMILY[name][0]] for i in encode(name, token)}
    assert not any(a == b and a in special for a, b in itertools.pairwise(ids))
    begin = tokenizer(FAMILY[name][0]).bos_token_id
    assert ids.count(begin) == (1 if begin is not None else 0)


@pytest.mark.parametrize("name", FAMILY)
def test_the_tokenizers_that_add_a_first_token_are_known(name):
    tokens = tokenizer(FAMILY[name][0])
    by_default = tokens(load_profile(name).render(QUESTION)).input_ids
    doubled = tokens.bos_token_id is not None and by_default.count(tokens.bos_token_id) == 2
    assert doubled == (Quirk.ADDS_BOS in load_profile(name).quirks)


@pytest.mark.parametrize("name", FAMILY)
def test_a_text_ends_with_tokens_of_the_family(name):
    for token in load_profile(name).stop:
        assert len(encode(name, token)) == 1


def test_nano_is_served_with_the_template_of_its_weights():
    from transformers import AutoTokenizer

    import cort_data.nano

    tokens = AutoTokenizer.from_pretrained(Path(cort_data.nano.__file__).parent / "weights" / "teacher")
    profile = load_profile("nano")
    asked = [{"role": "user", "content": QUESTION}]
    ids = tokens.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
    assert tokens.encode(profile.render(QUESTION), add_special_tokens=False) == ids
    assert tokens.convert_tokens_to_ids(list(profile.stop)) == list(profile.stop_ids)
