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
    OPENAI = "openai"


class EngineSettings(BaseModel):
    """What it takes to open an engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Annotated[
        EngineKind,
        Field(description="`transformers`: in this process; `openai`: a server that speaks its API"),
    ] = EngineKind.TRANSFORMERS
    model: Annotated[
        str,
        Field(min_length=1, description="A folder in Hugging Face format, or the name that the server serves"),
    ]
    url: Annotated[
        str | None, Field(description="Base address of the server, as http://localhost:8000/v1 (openai only)")
    ] = None
    dtype: Annotated[
        Literal["auto", "bfloat16", "float32"],
        Field(description="Number type (transformers only); auto: the faster one, measured at start-up"),
    ] = "auto"
    profile: Annotated[str, Field(description="Model profile: think tags, template, stop tokens")] = "plain"
    in_flight: Annotated[int, Field(ge=1, le=4096, description="Most traces that are written at once")] = 64
