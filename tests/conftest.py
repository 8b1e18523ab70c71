"""Fixtures that several packages' tests share."""

import pytest
from hypothesis import settings

settings.register_profile("cort", settings(), deadline=None)  # a busy machine is not a failure
settings.load_profile("cort")

CORPUS = [
    "Let me compute 12 * 7 with a gcd of 84 and 36.\n",
    "```python\nprint(12 * 7)\n```\n```output\n84\n```\nSo the answer is \\boxed{84}.\n",
    "naïve café — 数学 🙂 ∑ √2 ≤ 1.5\n",
]


def byte_level_tokenizer(vocabulary=384):
    """A byte-level BPE that is trained on a few lines, with an end token and a think tag."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens(["<think>", "</think>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")


@pytest.fixture
def engine(monkeypatch):
    """The engine that stages open from now on: it writes by rule, and at once."""
    from stages.fakes import FakeEngine, use_fake_engine

    return use_fake_engine(monkeypatch, FakeEngine())


@pytest.fixture
def run(tmp_path):
    """A run's folder, entered."""
    from cort_data.runs import RunDirectory

    with RunDirectory(tmp_path / "run") as run:
        yield run


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory):
    """A random two-layer Qwen2 with grouped keys and a byte-level tokenizer, in Hugging Face format."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM
    from transformers.utils import logging

    folder = tmp_path_factory.mktemp("tiny-model")
    logging.disable_progress_bar()
    tokenizer = byte_level_tokenizer()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,  # spread, so that the greedy token is not a matter of rounding
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
