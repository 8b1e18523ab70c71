"""What is to be written: a job is one trace, bounded by the settings, and a writer writes it.

`Rollouts` writes straight on; the searches of `search.py` write with several rollouts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from cort_data.trace import Problem, Trace


class RolloutSettings(BaseModel):
    """What bounds one trace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: str = Field("hint_engineering", description="Hint policy: none, prompt_hint or hint_engineering")
    samples: int = Field(1, ge=1, description="Traces a problem")
    calls: int = Field(15, ge=0, description="Executed code blocks a trace")
    tokens: int = Field(32768, ge=1, description="Model tokens a trace, rewound ones included")
    prompt: str = Field("cort", description="Prompt template: cort, cir or plain")


@dataclass(frozen=True, slots=True)
class Job:
    """One trace to be written."""

    problem: Problem
    sample: int
    stage: str
    seed: int
    begin: Trace | None = None
    """A trace that was written elsewhere: taken over up to the first hint that fires in it."""


def rollout_seed(recipe_seed: int, problem_id: str, sample: int) -> int:
    """31-bit seed of a trace. Its parity is the sample's, so that two samples see two kinds of hint wordings."""
    digest = hashlib.sha256(f"{recipe_seed}/{problem_id}/{sample // 2}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFE | sample % 2


class Writer(Protocol):
    """Writes one trace for a job."""

    @property
    def width(self) -> int:
        """Rollouts that one trace takes at once."""
        ...

    async def run(self, job: Job) -> Trace:
        """Write one trace. Engine and interpreter failures become its `stop_reason` and `error`."""
        ...


class Stop(StrEnum):
    """Why a rollout ended."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"  # the model ended its text without a final answer
    LENGTH = "length"  # the token budget
    CONTEXT = "context"  # the engine's context
    CALLS = "calls"  # kept writing code after the budget notice
    FORGED_OUTPUT = "forged_output"
    NO_SPAN = "no_span"  # no hint fires in the given trace
    NOT_REPLAYED = "not_replayed"  # the given trace's python state cannot be had again; `error` says why
    ENGINE_ERROR = "engine_error"
    INTERPRETER_ERROR = "interpreter_error"
