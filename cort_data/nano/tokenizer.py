"""The nano tokenizer, and how a corpus trace becomes token ids with a loss mask.

Byte-level BPE with single digits. A fence, a line end and a digit are always tokens of their own, and each piece of a
trace is tokenized alone, as it arises live: a sequence of the corpus is exactly one that a rollout can produce.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cort_data.nano.corpus import CorpusTrace
from cort_data.trace import Origin

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|endoftext|>"
PATTERN = r"```|\n| {4}| ?[0-9]| ?[A-Za-z]+| ?[^\sA-Za-z0-9`]+|`|\s"
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{{ '<|assistant|>\n' }}{%- generation -%}{{ message['content'] + '<|endoftext|>' }}{%- endgeneration -%}{{ '\n' }}"
    "{%- else -%}{{ '<|user|>\n' + message['content'] + '\n' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>\n<think>\n' }}{%- endif -%}"
)
"""Thinking in an assistant message is kept; any other role is rendered as the user's."""

IGNORED = -100
"""Label of a token without loss."""


@dataclass(frozen=True, slots=True)
class Row:
    """One training sequence; `labels` is as long as `ids`, IGNORED for prompt, hint and interpreter tokens."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A transformers fast tokenizer trained on prompts and completions."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 2,
        special_tokens=[END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in ("<think>", "</think>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )


def prompt_text(problem: str) -> str:
    """What the chat template gives for a problem with the generation prompt."""
    return f"{USER}\n{problem}\n{ASSISTANT}\n<think>\n"


def encode(tokenizer: PreTrainedTokenizerFast, trace: CorpusTrace) -> Row:
    """Ids and labels of a trace, piece by piece; loss on the model's own tokens and the end alone."""
    ids: list[int] = tokenizer.encode(prompt_text(trace.problem.text), add_special_tokens=False)
    labels = [IGNORED] * len(ids)
    for piece in trace.pieces:
        new = tokenizer.encode(piece.text, add_special_tokens=False)
        ids += new
        labels += new if piece.origin is Origin.MODEL else [IGNORED] * len(new)
    end = tokenizer.eos_token_id
    return Row((*ids, end), (*labels, end))
