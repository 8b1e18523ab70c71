"""The `sft` section of a recipe: what is trained on what, and how. Read and checked without importing torch."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

KEPT = "kept"


class HintTokens(StrEnum):
    """What becomes of the hints' words in a training row."""

    TRAIN = "train"  # the model learns to write them
    MASK = "mask"  # the model sees them and does not learn to write them
    DROP = "drop"  # they are taken out; what was written after them has lost its context, which is reported
    PARAPHRASE = "paraphrase"  # another wording of the same hint stands in, and is trained


class LoraSettings(BaseModel):
    """The adapter of `method: lora` and `method: qlora`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: Annotated[int, Field(ge=1, description="Rank of the update of each matrix")] = 32
    alpha: Annotated[int, Field(ge=1, description="Scale: the update is multiplied by alpha / rank")] = 64
    dropout: Annotated[float, Field(ge=0, lt=1, description="Dropout before the adapter")] = 0.0
    targets: Annotated[
        tuple[str, ...], Field(description="Names of the layers that get one; none given: all linear layers")
    ] = ()


class SftSettings(BaseModel):
    """Supervised fine-tuning. A batch is counted in traces, whatever the packing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[
        str | None,
        Field(min_length=1, description="Base model: a folder, a Hub id or nano-NAME; null: the engine's model"),
    ] = None
    data: Annotated[
        tuple[str, ...],
        Field(
            min_length=1,
            description="Traces, joined in this order: `kept` for those that the run's filter kept, `seeds` or "
            "`seeds/nano` for the shipped seeds, or paths (JSONL, Parquet, a run, a folder of seeds)",
        ),
    ] = (KEPT,)
    seed: Annotated[
        int | None, Field(ge=0, description="Of the order of the traces and of dropout; null: the recipe's seed")
    ] = None
    method: Annotated[
        Literal["full", "lora", "qlora"],
        Field(description="Train all weights, an adapter, or an adapter on a base in 4 bits (CUDA only)"),
    ] = "full"
    lora: Annotated[LoraSettings, Field(description="The adapter (lora and qlora)")] = LoraSettings()
    learning_rate: Annotated[float, Field(gt=0, description="Peak of the schedule")] = 1e-5
    schedule: Annotated[
        Literal["cosine", "linear", "constant"], Field(description="How the rate falls after the warm-up")
    ] = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1, description="Share of all updates in which the rate rises")] = 0.05
    weight_decay: Annotated[float, Field(ge=0, description="Decay of AdamW")] = 0.0
    epochs: Annotated[float, Field(gt=0, description="Passes over the data")] = 3.0
    batch: Annotated[int, Field(ge=1, description="Traces an update; where rows are packed, on average")] = 96
    max_tokens: Annotated[
        int, Field(ge=8, description="Longest trace in tokens, prompt included; a longer one is dropped and counted")
    ] = 16384
    packing: Annotated[
        bool, Field(description="Several traces a row, which do not see each other (best fit, none is ever cut)")
    ] = True
    row_tokens: Annotated[
        int | None, Field(ge=8, description="Tokens of a packed row; null: max_tokens, the least that holds any trace")
    ] = None
    rows: Annotated[int, Field(ge=1, description="Rows in one pass of a device; more take more memory")] = 1
    dtype: Annotated[
        Literal["bfloat16", "float32"],
        Field(description="Number type of the passes; full training keeps float32 weights"),
    ] = "bfloat16"
    gradient_checkpointing: Annotated[
        bool | None, Field(description="Compute activations twice and keep few of them; null: on a GPU")
    ] = None
    liger: Annotated[
        bool | None, Field(description="Liger's fused layers; null: on a GPU where liger-kernel is installed")
    ] = None
    hint_tokens: Annotated[
        HintTokens, Field(description="The hints' words: train, mask, drop, or paraphrase by another wording")
    ] = HintTokens.TRAIN
    hint_fence: Annotated[
        Literal["train", "mask"], Field(description="The opening of a python block that a hint made")
    ] = "train"
    prompts: Annotated[
        Literal["profile", "tokenizer"],
        Field(
            description="What renders the prompt: the engine's profile, as rollouts do, or the student's own chat "
            "template, which is refused if it drops the thinking"
        ),
    ] = "profile"
    eval_traces: Annotated[
        int, Field(ge=0, description="Traces held out for the evaluation loss, whole problems, chosen by id")
    ] = 0
    eval_every: Annotated[int | None, Field(ge=1, description="Updates between two evaluations; null: each epoch")] = (
        None
    )
    early_stop: Annotated[
        int | None,
        Field(ge=1, description="Stop after so many evaluations without a better loss, and keep the best; null: never"),
    ] = None
    save_every: Annotated[
        int | None, Field(ge=1, description="Updates between two checkpoints; null: each epoch, or each evaluation")
    ] = None
    report_to: Annotated[
        Literal["none", "tensorboard", "wandb", "trackio"], Field(description="Where curves are logged")
    ] = "none"

    @property
    def row(self) -> int:
        """Tokens of a packed row."""
        return self.row_tokens or self.max_tokens

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.row < self.max_tokens:
            raise ValueError(f"row_tokens ({self.row}) must hold the longest trace: max_tokens is {self.max_tokens}")
        if self.early_stop is not None and not self.eval_traces:
            raise ValueError("early_stop looks at the evaluation loss: eval_traces must be 1 or more")
        return self
