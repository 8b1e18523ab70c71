"""The recipe's schema: every option of a run with its unit, its default and one sentence."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cort_data.engines.settings import EngineSettings
from cort_data.errors import RecipeError
from cort_data.evaluation.settings import EvalSettings
from cort_data.grading.rules import DEFAULT as GRADERS
from cort_data.grading.rules import find_rule
from cort_data.jobs import RolloutSettings
from cort_data.prices import Prices
from cort_data.prompts import check_prompt
from cort_data.search import SearchSettings
from cort_data.training.rounds import RftSettings
from cort_data.training.settings import SftSettings

if TYPE_CHECKING:
    from cort_data.filters import FilterSpec


class StageName(StrEnum):
    """The stages of a run, in the order in which they can run."""

    SYNTH = "synth"
    FILTER = "filter"
    DATASET = "dataset"
    SFT = "sft"
    RFT = "rft"
    DISTILL = "distill"
    EVAL = "eval"


Split = Literal["pretrain", "synth", "dev", "test"]
"""The parts of the nano world, disjoint by problem."""

Level = Literal["normal", "easy"]
"""How large the numbers of generated problems are."""


class Isolation(StrEnum):
    """How far a session of the interpreter is kept from the machine."""

    FULL = "full"
    REDUCED = "reduced"
    NONE = "none"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProblemSource(_Section):
    """Where problems come from."""

    source: Annotated[
        str,
        Field(
            min_length=1,
            description="`nano` for generated problems, or a file that `cort problems import` wrote; a path is "
            "looked up from the current folder, then among the shipped pipelines",
        ),
    ]
    split: Annotated[
        Split | None, Field(description="Part of the nano world; null: the part with the role's own name")
    ] = None
    level: Annotated[
        Level | None, Field(description="Difficulty of nano problems: normal (where none is given) or easy")
    ] = None
    n: Annotated[int | None, Field(ge=1, description="How many problems, from the first on; null: all of a file")] = (
        None
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
        return {"source": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.source == "nano" and self.n is None:
            raise ValueError("nano problems are generated without end: n must say how many")
        if self.source != "nano" and (self.split is not None or self.level is not None):
            raise ValueError("split and level belong to the source nano; a file has none")
        return self


class Problems(_Section):
    """The problems that traces are written for, and those that tables are made on."""

    synth: Annotated[ProblemSource | None, Field(description="Problems of the data set")] = None
    test: Annotated[ProblemSource | None, Field(description="Problems of the tables; never used for the data set")] = (
        None
    )


class SynthFrom(StrEnum):
    """What the synthesis goes out from."""

    PROBLEMS = "problems"  # each trace is written from its first word on
    TRACES = "traces"  # each trace goes on with one that was written elsewhere


class SynthSettings(_Section):
    """What the synthesis goes out from."""

    model_config = ConfigDict(serialize_by_alias=True)

    from_: Annotated[
        SynthFrom,
        Field(
            alias="from",
            description="`problems`; or `traces`: problems.synth names a file that `cort traces import` wrote, and "
            "each trace in it is cut where the first hint fires, and goes on with that hint",
        ),
    ] = SynthFrom.PROBLEMS


class SamplingSettings(_Section):
    """How the model's tokens are drawn."""

    temperature: Annotated[float, Field(ge=0, le=5, description="0 takes the likeliest token")] = 0.6
    top_p: Annotated[
        float, Field(gt=0, le=1, description="Draw from the likeliest tokens that hold this probability")
    ] = 0.95


class InterpreterSettings(_Section):
    """What runs the python of a trace, and within which limits."""

    backend: Annotated[
        str, Field(description="`local`: processes on this machine; `remote`: such processes on another one")
    ] = "local"
    url: Annotated[
        str | None, Field(description="Address of `cort interpreter serve`, as http://host:8400 (remote only)")
    ] = None
    timeout_s: Annotated[float, Field(gt=0, description="CPU seconds that one block may take")] = 10.0
    memory_mb: Annotated[int, Field(ge=64, description="Memory that one session may hold, in MB")] = 1024
    output_chars: Annotated[
        int, Field(ge=100, description="Characters of output that are shown; the middle of more is cut")
    ] = 4000
    isolation: Annotated[Isolation, Field(description="How far sessions are kept from the machine")] = Isolation.FULL

    def semantics(self) -> dict[str, Any]:
        """What shapes a cell's result: not the machine; a remote session is a local one there."""
        tree = self.model_dump(mode="json", exclude={"url"})
        return tree | {"backend": "local"} if self.backend == "remote" else tree


class RolloutSection(RolloutSettings):
    """How a trace is written."""

    search: Annotated[SearchSettings, Field(description="How far the policies branch and shortest_of_n search")] = (
        SearchSettings()
    )
    wordings: Annotated[
        dict[str, tuple[str, ...]],
        Field(description="Hint name → wordings that stand in for those of the hint's file"),
    ] = Field(default_factory=dict)

    @field_validator("prompt")
    @classmethod
    def _prompt(cls, value: str) -> str:
        try:
            return check_prompt(value)
        except RecipeError as error:
            raise ValueError(str(error)) from None


class FilterEntry(BaseModel):
    """One filter with its parameters, which the filter itself declares and checks."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Annotated[str, Field(min_length=1, description="Name of the filter")]

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
        return {"name": value} if isinstance(value, str) else value


class Recipe(_Section):
    """A complete run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", description="Names the run and its default folder")]
    seed: Annotated[int, Field(ge=0, description="All random choices derive from it")] = 0
    problems: Annotated[Problems, Field(description="Problems of the data set and of the tables")]
    engine: Annotated[EngineSettings, Field(description="Who writes")]
    sampling: Annotated[SamplingSettings, Field(description="How tokens are drawn")] = SamplingSettings()
    interpreter: Annotated[InterpreterSettings, Field(description="What runs the python of a trace")] = (
        InterpreterSettings()
    )
    synth: Annotated[SynthSettings, Field(description="What the synthesis goes out from")] = SynthSettings()
    rollout: Annotated[RolloutSection, Field(description="How a trace is written")] = RolloutSection()
    graders: Annotated[
        tuple[str, ...],
        Field(
            description="Grading rules beside the first one, which is cort's own with math-verify; an answer on which "
            "two rules disagree is unscored. `numeric` ships with cort, others come by entry point"
        ),
    ] = GRADERS
    filters: Annotated[
        tuple[FilterEntry, ...], Field(description="Filters in the order in which drops are counted")
    ] = ()
    sft: Annotated[SftSettings, Field(description="Supervised fine-tuning")] = SftSettings()
    rft: Annotated[RftSettings, Field(description="Rejection fine-tuning; it trains as `sft` says")] = RftSettings()
    distill: Annotated[
        SftSettings | None, Field(description="Fine-tuning of a weaker model on this run's traces; model must be given")
    ] = None
    eval: Annotated[EvalSettings, Field(description="Models, problem sets and policies compared")] = EvalSettings()
    prices: Annotated[Prices, Field(description="What the engine costs; shapes no result")] = Prices()
    stages: Annotated[tuple[StageName, ...], Field(min_length=1, description="Stages to run, in order")] = (
        StageName.SYNTH,
        StageName.FILTER,
        StageName.DATASET,
    )

    @field_validator("graders")
    @classmethod
    def _graders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            try:
                find_rule(name)
            except RecipeError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _stages_can_run(self) -> Self:
        order = list(StageName)
        if sorted(set(self.stages), key=order.index) != list(self.stages):
            raise ValueError(f"stages must be in the order {', '.join(order)}, each at most once")
        if StageName.SYNTH in self.stages and self.problems.synth is None:
            raise ValueError("the stage synth needs problems.synth")
        if StageName.RFT in self.stages and self.problems.synth is None:
            raise ValueError("the stage rft samples on problems.synth, which is missing")
        if StageName.DISTILL in self.stages and (self.distill is None or self.distill.model is None):
            raise ValueError("the stage distill needs distill.model: the weaker model that is trained")
        if StageName.EVAL in self.stages and self.problems.test is None and not self.eval.sets:
            raise ValueError("the stage eval needs problems.test or eval.sets")
        return self

    @model_validator(mode="after")
    def _traces_can_be_read(self) -> Self:
        source = self.problems.synth
        if self.synth.from_ is SynthFrom.TRACES and source is not None and source.source == "nano":
            raise ValueError("synth.from: traces needs a file of traces in problems.synth, and nano has none")
        return self

    def filter_specs(self) -> tuple[FilterSpec, ...]:
        """The filters with their parameters checked. Raises RecipeError."""
        from cort_data.filters import parse_filters  # filters work with traces that were written under a recipe

        return parse_filters(entry.model_dump() for entry in self.filters)

    def digest(self) -> str:
        """16 hex digits over all that shapes the results: paths, addresses, prices and `in_flight` are left out."""
        tree = self.model_dump(mode="json") | {"interpreter": self.interpreter.semantics()}
        for path in (("engine", "in_flight"), ("engine", "url")):
            del tree[path[0]][path[1]]
        del tree["prices"]
        for role in ("synth", "test"):
            if tree["problems"][role] and tree["problems"][role]["source"] != "nano":
                tree["problems"][role]["source"] = "file"
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]

    def to_yaml(self) -> str:
        """The resolved recipe, defaults written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
