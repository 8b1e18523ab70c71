"""The `rft` section of a recipe: rejection fine-tuning. Read and checked without importing torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cort_data.selection import Choice


class RftSettings(BaseModel):
    """How often a model samples, what is chosen of it, and from where it is trained; the training is that of `sft`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: Annotated[int, Field(ge=1, description="Traces a problem and round, written without hints")] = 4
    rounds: Annotated[int, Field(ge=1, description="How often the model samples and is trained")] = 1
    choice: Annotated[
        Choice, Field(description="Which traces of a problem: shortest, or diverse (the least like those taken)")
    ] = Choice.SHORTEST
    most: Annotated[int, Field(ge=1, description="Traces a problem at most")] = 1
    difficulty: Annotated[
        tuple[float, float],
        Field(description="Window of the share of right samples; problems outside are left out"),
    ] = (0.0, 1.0)
    start: Annotated[
        Literal["base", "last"], Field(description="Train the base anew in each round, or go on with the last model")
    ] = "base"
    join: Annotated[
        tuple[str, ...],
        Field(description="Other traces to train on: `kept`, `seeds`, `seeds/nano`, or paths, as in sft.data"),
    ] = ("seeds",)

    @model_validator(mode="after")
    def _window(self) -> Self:
        low, high = self.difficulty
        if not 0 <= low <= high <= 1:
            raise ValueError(f"difficulty must be two shares from 0 to 1, the lower first, got {low} and {high}")
        return self
