"""The eval section of a recipe: which problem sets, under which policies, how many samples."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

TEST = "test"
"""The name of the set that `problems.test` is."""


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("must be a day, as YYYY-MM-DD") from None


Day = Annotated[str, AfterValidator(_day)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EvalSet(_Section):
    """One problem set of an evaluation. In place of it a text may stand: a name, a file, or `NAME=FILE`."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][\w.-]*$", description="A set that ships by name (aime24, math500, …), or your own"
        ),
    ]
    source: Annotated[
        str | None,
        Field(description="File or Hub data set (owner/name[:config][@split]); null: where the set of this name lies"),
    ] = None
    samples: Annotated[int | None, Field(ge=1, description="Traces a problem; null: as eval.samples says")] = None
    temperature: Annotated[float | None, Field(ge=0, le=5, description="null: as sampling.temperature says")] = None
    n: Annotated[int | None, Field(ge=1, description="How many problems, from the first on; null: all")] = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
        if not isinstance(value, str):
            return value
        name, equals, source = value.partition("=")
        if equals:
            return {"name": name, "source": source}
        return {"name": Path(value).stem, "source": value} if "/" in value or Path(value).suffix else {"name": value}


class EvalSettings(_Section):
    """The comparison of policies, models and problem sets."""

    policies: Annotated[
        tuple[str, ...],
        Field(
            min_length=1,
            description="Policies to compare; differences are taken to the first. `text`: no hints, and no code is run",
        ),
    ] = ("none", "prompt_hint", "hint_engineering")
    models: Annotated[
        tuple[str, ...], Field(description="Models to evaluate in turn; none given: the engine's model")
    ] = ()
    sets: Annotated[tuple[EvalSet, ...], Field(description="Problem sets; none given: problems.test")] = ()
    samples: Annotated[int, Field(ge=1, description="Traces a problem and policy")] = 2
    k: Annotated[
        tuple[int, ...], Field(description="k of pass@k and maj@k; none given: the powers of two up to the samples")
    ] = ()
    cutoffs: Annotated[
        dict[str, Day],
        Field(
            description="Model → last day of its training data, YYYY-MM-DD: problems that were public by then and "
            "those that were not make separate rows"
        ),
    ] = Field(default_factory=dict)
    teacher_tokens: Annotated[
        int | None,
        Field(
            ge=1,
            description="Compare at equal cost: of the traces that fit into so many generated tokens, the shortest "
            "right one counts; null: each trace counts as it is",
        ),
    ] = None

    @field_validator("k")
    @classmethod
    def _within(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        samples = info.data.get("samples", 1)
        fewest = min((part.samples or samples for part in info.data.get("sets", ())), default=samples)
        if value and not 1 <= min(value) <= max(value) <= fewest:
            raise ValueError(f"k must be from 1 to the number of samples a problem ({fewest})")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [part.name for part in self.sets]
        if len(set(names)) < len(names):
            raise ValueError(f"sets need names of their own, got {', '.join(names)}")
        return self

    def samples_of(self, part: EvalSet | None) -> int:
        """Traces a problem of this set."""
        return (part and part.samples) or self.samples

    def ks(self, part: EvalSet | None) -> tuple[int, ...]:
        """The k of pass@k and maj@k, ascending."""
        samples = self.samples_of(part)
        powers = {2**i for i in range(samples.bit_length())} | {samples}
        return tuple(sorted(set(self.k) or powers))
