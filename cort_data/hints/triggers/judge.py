"""A model's word on what a detector found: the candidate's spans count only where the model says yes.

Reading is synchronous and asking is not, so the detector here is the candidate's own; `hints.judge` asks about what it
fires on, before the hint goes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from cort_data.errors import HintError
from cort_data.hints.triggers.base import Detector, Trigger


class Judge(Trigger):
    """Another trigger proposes a span, and a model is asked about it: only a yes lets the hint go in."""

    name: ClassVar[str] = "judge"

    candidate: Annotated[
        Trigger,
        Field(
            description="The trigger that proposes spans: its name and parameters",
            examples=[{"name": "manual_arithmetic"}],
        ),
    ]
    question: Annotated[
        str,
        Field(
            min_length=1,
            description="About the passage, to be answered with yes or no",
            examples=["Is a computation carried out by hand here that a short program would do?"],
        ),
    ]
    model: Annotated[str, Field(min_length=1, description="Name of the model at the server", examples=["my-judge"])]
    url: Annotated[
        str,
        Field(
            min_length=1,
            repr=False,  # where the model is served does not change what it says: not part of a run's key
            description="Base address of an OpenAI-compatible server",
            examples=["http://localhost:8000/v1"],
        ),
    ]
    context: Annotated[int, Field(ge=0, description="Characters before the passage that the model is shown")] = 2000
    tokens: Annotated[int, Field(ge=1, description="Most tokens of the model's answer")] = 512

    @field_validator("candidate", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Trigger:  # noqa: ANN401 - whatever stands in the file
        from cort_data.hints.triggers.registry import make_trigger  # which knows this class

        if isinstance(value, Trigger):
            return value
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping):
            raise ValueError("expected a trigger, as {name: manual_arithmetic}")
        try:
            candidate = make_trigger(given)
        except HintError as error:
            raise ValueError(str(error)) from None
        if isinstance(candidate, Judge):
            raise ValueError("a judge cannot be the candidate of a judge")
        return candidate

    def detector(self) -> Detector:
        """The candidate's."""
        return self.candidate.detector()
