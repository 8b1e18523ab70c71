"""What the engine costs: tokens in and out, and money for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cort_data.trace import Trace

MILLION = 1e6
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens as engines bill them: of prompts, those read and those found in a cache, and those written."""

    fresh: float = 0
    cached: float = 0
    output: float = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.fresh + other.fresh, self.cached + other.cached, self.output + other.output)

    def __mul__(self, share: float) -> Tokens:
        return Tokens(self.fresh * share, self.cached * share, self.output * share)


def tokens_of(trace: Trace) -> Tokens:
    """All that was paid for a trace, rewound and branch tokens too; prompts only where they were recorded."""
    usage = trace.usage
    sent = (usage.fresh_tokens, usage.cached_tokens) if usage is not None else (0, 0)
    return Tokens(*sent, trace.generated_tokens)


class Prices(BaseModel):
    """What the engine costs, in one currency. Nothing of it shapes a result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Annotated[str, Field(min_length=1, description="Name of the currency, as it is printed")] = "USD"
    input_per_million: Annotated[
        float | None, Field(ge=0, description="A million tokens of prompts; null: not known, no money is shown")
    ] = None
    cached_per_million: Annotated[
        float | None, Field(ge=0, description="A million tokens of prompts that were cached; null: as the others")
    ] = None
    output_per_million: Annotated[float | None, Field(ge=0, description="A million tokens that the model wrote")] = None
    gpus: Annotated[int, Field(ge=0, description="GPUs that the engine runs on, for GPU-hours")] = 0
    gpu_hour: Annotated[float | None, Field(ge=0, description="One GPU for an hour, if paid by time")] = None

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.input_per_million is None) != (self.output_per_million is None):
            raise ValueError("input_per_million and output_per_million go together: name both or none")
        if self.cached_per_million is not None and self.input_per_million is None:
            raise ValueError("cached_per_million needs input_per_million and output_per_million")
        if self.gpu_hour is not None and not self.gpus:
            raise ValueError("gpu_hour needs gpus: how many the engine runs on")
        return self

    @property
    def known(self) -> bool:
        """Is there a price of anything?"""
        return self.output_per_million is not None or self.gpu_hour is not None

    @property
    def a_second(self) -> float:
        """Money for a second of the engine's time; 0 where time is not paid."""
        return (self.gpu_hour or 0) * self.gpus / HOUR_S

    def money(self, tokens: Tokens) -> float:
        """Money for tokens; 0 where tokens are not paid."""
        fresh, output = self.input_per_million or 0, self.output_per_million or 0
        cached = fresh if self.cached_per_million is None else self.cached_per_million
        return (fresh * tokens.fresh + cached * tokens.cached + output * tokens.output) / MILLION
