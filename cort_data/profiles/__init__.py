"""Model profiles: what differs between model families, as data, one small YAML file a family."""

from __future__ import annotations

import functools
from enum import StrEnum
from importlib import resources
from typing import Annotated, Self

import yaml
from jinja2 import Environment, StrictUndefined, Template
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cort_data.errors import RecipeError

_MARK = "\x00content\x00"


class Dialect(StrEnum):
    """How a family writes code and reads what it printed. Rollouts write fences, whatever the dialect is."""

    FENCED = "fenced"  # python blocks inside the thinking, each followed by an output block
    HARMONY = "harmony"  # messages with channels; python is the recipient of a message
    TOOL_CALL = "tool_call"  # JSON tool calls in the family's own tags, outputs in turns of their own


class Quirk(StrEnum):
    """What goes wrong with a family when it is treated like any other."""

    ADDS_BOS = "adds_bos"  # its tokenizer puts a beginning-of-text token before everything unless told not to
    STRIPS_THINKING = "strips_thinking"  # its chat template leaves the thinking of assistant messages out
    MODEL_OPENS_THINKING = "model_opens_thinking"  # its generation prompt ends before the opening think tag
    THINKING_IN_FIELD = "thinking_in_field"  # its API returns the thinking beside the text, not in it


class Payload(StrEnum):
    """What stands inside the tags of a call."""

    PROGRAM = "program"  # the code as it is
    ARGUMENTS = "arguments"  # {"code": …}
    CALL = "call"  # {"name": "python", "arguments": {"code": …}}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Pair = tuple[str, str]


class Tags(_Part):
    """What stands before and after each step of a completion, in dialects other than `fenced`.

    A prompt ends with the first half of `thought`; each turn after an output begins with `turn`.
    """

    payload: Payload = Payload.CALL
    turn: Annotated[str, Field(description="Opens the assistant's turn after an output")]
    thought: Pair
    call: Pair
    output: Pair
    notice: Pair
    answer: Annotated[str, Field(description="Opens the answer")] = ""


class Profile(_Part):
    """How one model family is prompted, how it marks its thinking, and how it writes code."""

    name: str
    think_open: str = Field("<think>", description="Tag that opens the thinking")
    think_close: str = Field("</think>", description="Tag that ends the thinking; the answer follows")
    answer_joint: str = Field("\n</think>\n\n", description="The closing tag with the white space around it")
    template: str = Field(description="Jinja2 over `content`; ends where the model starts to think")
    stop: tuple[str, ...] = Field((), description="Tokens that end a text; the first one ends a training text")
    stop_ids: tuple[int, ...] = Field((), description="Their ids, where all models of the family share a vocabulary")
    dialect: Dialect = Field(Dialect.FENCED, description="How the family writes code")
    tags: Tags | None = Field(None, description="Of the dialects harmony and tool_call")
    quirks: frozenset[Quirk] = Field(frozenset(), description="What goes wrong if nobody thinks of it")

    @model_validator(mode="before")
    @classmethod
    def _joint_of_tags(cls, value: dict[str, object]) -> dict[str, object]:
        if "tags" in value:
            tags = Tags.model_validate(value["tags"])
            return value | {"answer_joint": tags.thought[1] + tags.answer}
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.dialect is Dialect.FENCED) == (self.tags is not None):
            raise ValueError("the dialects harmony and tool_call need tags, and fenced has none")
        if self.think_close not in self.answer_joint:
            raise ValueError("answer_joint must contain think_close")
        return self

    @property
    def end(self) -> str:
        """The token that ends a training text; empty where it is not known."""
        return self.stop[0] if self.stop else ""

    @property
    def opening(self) -> str:
        """What the prompt has of the assistant's message: the opening think tag with its white space, or nothing."""
        _, tag, rest = self.render(_MARK).rpartition(_MARK)[2].partition(self.think_open)
        return tag + rest

    def render(self, content: str) -> str:
        """The prompt, up to and with the opening think tag where the family has one."""
        return _compiled(self.template).render(content=content)

    def content_of(self, prompt: str) -> str | None:
        """Inverse of `render`; None for a prompt that this profile has not rendered."""
        head, _, tail = self.render(_MARK).partition(_MARK)
        if not (prompt.startswith(head) and prompt.endswith(tail)) or len(prompt) < len(head) + len(tail):
            return None
        return prompt[len(head) : len(prompt) - len(tail)]


def profile_names() -> list[str]:
    """Profiles that ship with cort."""
    return sorted(f.name.removesuffix(".yaml") for f in resources.files(__name__).iterdir() if f.name.endswith(".yaml"))


@functools.cache
def load_profile(name: str) -> Profile:
    """Raises RecipeError for a name that does not ship."""
    file = resources.files(__name__) / f"{name}.yaml"
    if not file.is_file():
        raise RecipeError(f"engine.profile: no profile named {name!r}; there are {', '.join(profile_names())}")
    return Profile.model_validate(yaml.safe_load(file.read_text("utf-8")))


@functools.lru_cache(maxsize=32)
def _compiled(template: str) -> Template:
    """Compiled once, not once a trace."""
    return Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(template)
