"""The engine section of a recipe: which engine writes, with which model.

It stands apart from the engines, so that a recipe is read and checked without importing torch or a client.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class EngineKind(StrEnum):
    """Where text comes from. The scripted engine of the tests is built in code and is not in this list."""

    TRANSFORMERS = "transformers"
    VLLM = "vllm"
    OPENAI = "openai"


class Continuation(StrEnum):
    """How a server is asked to go on with a text that is half written, the best way first."""

    AUTO = "auto"  # the first of the others that the server proves to honour
    IDS = "ids"  # raw completions; prefixes go as token ids and tokens come back as ids
    TEXT = "text"  # raw completions; prefixes go as text
    CHAT_CONTINUE = "chat_continue"  # chat with `continue_final_message`
    PREFIX_FLAG = "prefix_flag"  # chat with `prefix: true` on the last message, as DeepSeek and Mistral have it
    NATIVE_TOOLS = "native_tools"  # nothing is continued: whole turns, with the interpreter as a tool of the model


class EngineSettings(BaseModel):
    """What it takes to open an engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Annotated[
        EngineKind,
        Field(
            description="`transformers` and `vllm`: in this process; `openai`: a server that speaks its API",
        ),
    ] = EngineKind.TRANSFORMERS
    model: Annotated[
        str,
        Field(min_length=1, description="A folder in Hugging Face format, or the name that the server serves"),
    ]
    url: Annotated[
        str | None, Field(description="Base address of the server, as http://localhost:8000/v1 (openai only)")
    ] = None
    continuation: Annotated[
        Continuation,
        Field(description="How a server continues a half-written text (openai only); auto: the best that it can"),
    ] = Continuation.AUTO
    dtype: Annotated[
        Literal["auto", "bfloat16", "float32"],
        Field(
            description="Number type (in process); auto: with transformers the faster one, measured at start-up, with "
            "vllm the model's own"
        ),
    ] = "auto"
    profile: Annotated[str, Field(description="Model profile: think tags, template, stop tokens")] = "plain"
    in_flight: Annotated[int, Field(ge=1, le=4096, description="Most traces that are written at once")] = 64
