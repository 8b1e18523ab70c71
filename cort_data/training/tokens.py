"""The student's tokenizer: who shares it, how a text becomes ids, and whether its chat template keeps the thinking."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cort_data.engines.detokenize import Detokenizer
from cort_data.errors import TrainingError
from cort_data.profiles import Profile

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_QUESTION = "cort asks"
_THOUGHT = "a thought that must stay"


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder. Raises TrainingError."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrainingError(f"sft.model: no tokenizer can be loaded from {folder}: {first}") from None
    if tokenizer.eos_token_id is None:
        raise TrainingError(f"sft.model: the tokenizer in {folder} names no end token; set eos_token in its config")
    return tokenizer


def fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """16 hex digits over the vocabulary and all steps from text to ids. Equal prints: the same ids for any text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    steps = json.loads(backend.to_str()) if backend is not None else {"class": type(tokenizer).__name__}
    for passing in ("truncation", "padding", "post_processor"):  # none of them takes part here
        steps.pop(passing, None)
    tree = [sorted(tokenizer.get_vocab().items()), steps]
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Student:
    """A tokenizer, and how it puts a problem to the model."""

    tokenizer: PreTrainedTokenizerBase
    profile: Profile
    by_template: bool = False
    """The tokenizer's own chat template renders the prompt, and not the profile."""

    def encode(self, text: str) -> list[int]:
        """Ids of a text on its own: control tokens are recognized, none is added."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    @cached_property
    def end(self) -> int:
        """The token that ends a completion: the profile's, if the vocabulary has it, else the tokenizer's own."""
        known = self.tokenizer.get_vocab().get(self.profile.end)
        end: int = self.tokenizer.eos_token_id if known is None else known
        return end

    @cached_property
    def ends(self) -> frozenset[int]:
        """Every token of the vocabulary that an engine may have stopped at: the end token and other control tokens."""
        return frozenset({self.end, self.tokenizer.eos_token_id, *self.tokenizer.all_special_ids})

    def prompt(self, content: str) -> str:
        """The prompt up to and with the opening think tag."""
        return (
            template_prompt(self.tokenizer, self.profile, content) if self.by_template else self.profile.render(content)
        )

    def reads(self, ids: Sequence[int], before: Sequence[int], text: str) -> bool:
        """Are these ids this tokenizer's for exactly this text, where it follows `before`?"""
        if any(not 0 <= i < self._size for i in ids):
            return False
        decoder = self._detokenizer.open([i for i in before if 0 <= i < self._size])
        return "".join([*(decoder.step(i) for i in ids), decoder.flush()]) == text

    @cached_property
    def _size(self) -> int:
        return len(self.tokenizer)

    @cached_property
    def _detokenizer(self) -> Detokenizer:
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise TrainingError("sft.model: the student has no fast tokenizer (tokenizer.json); convert it first")
        return Detokenizer(backend, self._size)


def template_prompt(tokenizer: PreTrainedTokenizerBase, profile: Profile, content: str) -> str:
    """What the tokenizer's chat template makes of a question, opened for the thinking.

    Raises TrainingError if there is no template, or if it drops the thinking of an answer.
    """
    check_template(tokenizer, profile)
    prompt = _render(tokenizer, [{"role": "user", "content": content}], opened=True)
    opening = profile.think_open
    return prompt if prompt.rstrip().endswith(opening) else f"{prompt}{opening}\n"


def check_template(tokenizer: PreTrainedTokenizerBase, profile: Profile) -> None:
    """Raises TrainingError if there is no chat template, or if it drops the thinking of an answer."""
    remedy = "set sft.prompts: profile and the engine.profile of the family, or mend the tokenizer's chat_template"
    if not tokenizer.chat_template:
        raise TrainingError(f"sft.prompts: the student's tokenizer has no chat template; {remedy}")
    if not keeps_thinking(tokenizer, profile):
        raise TrainingError(
            f"sft.prompts: the student's chat template drops the thinking ({profile.think_open} … "
            f"{profile.think_close}) from an answer, so what is trained would not be what is read; {remedy}"
        )


def keeps_thinking(tokenizer: PreTrainedTokenizerBase, profile: Profile) -> bool:
    """Does the chat template keep the thinking of the last answer?"""
    answer = f"{profile.think_open}\n{_THOUGHT}\n{profile.think_close}\nan answer"
    messages = [{"role": "user", "content": _QUESTION}, {"role": "assistant", "content": answer}]
    return _THOUGHT in _render(tokenizer, messages, opened=False)


def template_note(tokenizer: PreTrainedTokenizerBase, profile: Profile) -> str | None:
    """How the tokenizer's own chat template differs from the profile; None where it does not, or there is none."""
    if not tokenizer.chat_template:
        return None
    if not keeps_thinking(tokenizer, profile):
        return (
            f"the student's own chat template drops the thinking; rows are rendered by the profile {profile.name}, "
            "which keeps it. Serve the model with raw completions, as rollouts do, or mend the template"
        )
    prompt = _render(tokenizer, [{"role": "user", "content": _QUESTION}], opened=True)
    if prompt.rstrip() not in {
        (p := profile.render(_QUESTION)).rstrip(),
        p.removesuffix(f"{profile.think_open}\n").rstrip(),
    }:
        return (
            f"the student's own chat template renders {prompt!r} where the profile {profile.name} renders "
            f"{profile.render(_QUESTION)!r}; rows follow the profile, as rollouts do"
        )
    return None


def _render(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], *, opened: bool) -> str:
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opened)
    except TemplateError as error:
        raise TrainingError(f"sft.prompts: the student's chat template cannot be rendered ({error})") from None
    return text
