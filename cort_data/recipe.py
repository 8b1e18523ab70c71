"""The recipe: every option of a run with its unit, its default and one sentence, and how one is read.

A recipe is a YAML file. Reading it gives a `Recipe` in which nothing is left to guess, or one line that names the
file and line, the key, what is required and what was given.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cort_data.data import data_dir
from cort_data.engines.settings import EngineSettings
from cort_data.errors import RecipeError
from cort_data.prompts import check_prompt
from cort_data.rollout import RolloutSettings


if TYPE_CHECKING:
    from cort_data.filters import FilterSpec


class StageName(StrEnum):
    """The stages of a run, in the order in which they can run."""

    SYNTH = "synth"
    FILTER = "filter"
    DATASET = "dataset"
    EVAL = "eval"


class Split(StrEnum):
    """The parts of the nano world, disjoint by problem."""

    PRETRAIN = "pretrain"
    SYNTH = "synth"
    DEV = "dev"
    TEST = "test"


class Level(StrEnum):
    """How large the numbers of generated problems are."""

    NORMAL = "normal"
    EASY = "easy"


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
    n: Annotated[
        int | None, Field(ge=1, description="How many problems, from the first on; null: all of a file")
    ] = None

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
    test: Annotated[
        ProblemSource | None, Field(description="Problems of the tables; never used for the data set")
    ] = None


class SamplingSettings(_Section):
    """How the model's tokens are drawn."""

    temperature: Annotated[float, Field(ge=0, le=5, description="0 takes the likeliest token")] = 0.6
    top_p: Annotated[
        float, Field(gt=0, le=1, description="Draw from the likeliest tokens that hold this probability")
    ] = 0.95


class InterpreterSettings(_Section):
    """What runs the python of a trace, and within which limits."""

    backend: Annotated[str, Field(description="`local`: processes on this machine")] = "local"
    timeout_s: Annotated[float, Field(gt=0, description="CPU seconds that one block may take")] = 10.0
    memory_mb: Annotated[int, Field(ge=64, description="Memory that one session may hold, in MB")] = 1024
    output_chars: Annotated[
        int, Field(ge=100, description="Characters of output that are shown; the middle of more is cut")
    ] = 4000
    isolation: Annotated[Isolation, Field(description="How far sessions are kept from the machine")] = (
        Isolation.FULL
    )


class RolloutSection(RolloutSettings):
    """How a trace is written."""

    wordings: Annotated[
        dict[str, tuple[str, ...]],
        Field(description="Hint name → wordings that stand in for those of the hint's file"),
    ] = {}

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


class EvalSettings(_Section):
    """The policy comparison on the test problems."""

    policies: Annotated[
        tuple[str, ...],
        Field(min_length=1, description="Policies to compare; differences are taken to the first"),
    ] = ("none", "prompt_hint", "hint_engineering")
    models: Annotated[
        tuple[str, ...], Field(description="Models to evaluate in turn; none given: the engine's model")
    ] = ()
    samples: Annotated[int, Field(ge=1, description="Traces a problem and policy")] = 2


class Recipe(_Section):
    """A complete run."""

    name: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", description="Names the run and its default folder")
    ]
    seed: Annotated[int, Field(ge=0, description="All random choices derive from it")] = 0
    problems: Annotated[Problems, Field(description="Problems of the data set and of the tables")]
    engine: Annotated[EngineSettings, Field(description="Who writes")]
    sampling: Annotated[SamplingSettings, Field(description="How tokens are drawn")] = SamplingSettings()
    interpreter: Annotated[InterpreterSettings, Field(description="What runs the python of a trace")] = (
        InterpreterSettings()
    )
    rollout: Annotated[RolloutSection, Field(description="How a trace is written")] = RolloutSection()
    filters: Annotated[
        tuple[FilterEntry, ...], Field(description="Filters in the order in which drops are counted")
    ] = ()
    eval: Annotated[EvalSettings, Field(description="The policy comparison on the test problems")] = (
        EvalSettings()
    )
    stages: Annotated[tuple[StageName, ...], Field(min_length=1, description="Stages to run, in order")] = (
        StageName.SYNTH,
        StageName.FILTER,
        StageName.DATASET,
    )

    @model_validator(mode="after")
    def _stages_can_run(self) -> Self:
        order = list(StageName)
        if sorted(set(self.stages), key=order.index) != list(self.stages):
            raise ValueError(f"stages must be in the order {', '.join(order)}, each at most once")
        if StageName.SYNTH in self.stages and self.problems.synth is None:
            raise ValueError("the stage synth needs problems.synth")
        if StageName.EVAL in self.stages and self.problems.test is None:
            raise ValueError("the stage eval needs problems.test")
        return self

    def filter_specs(self) -> tuple[FilterSpec, ...]:
        """The filters with their parameters checked. Raises RecipeError."""
        from cort_data.filters import parse_filters

        return parse_filters(entry.model_dump() for entry in self.filters)

    def digest(self) -> str:
        """16 hex digits over all that shapes the results: paths and `in_flight` are left out."""
        tree = self.model_dump(mode="json")
        for path in (("engine", "in_flight"), ("engine", "url")):
            del tree[path[0]][path[1]]
        for role in ("synth", "test"):
            if tree["problems"][role] and tree["problems"][role]["source"] != "nano":
                tree["problems"][role]["source"] = "file"
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]

    def to_yaml(self) -> str:
        """The resolved recipe, defaults written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def recipe_names() -> list[str]:
    """Recipes that ship with cort."""
    return sorted(path.stem for path in data_dir("pipelines").glob("*.yaml"))


def find_recipe(name: str) -> Path:
    """A path as it is, or the shipped recipe of that name. Raises RecipeError."""
    if Path(name).is_file():
        return Path(name)
    shipped = data_dir("pipelines") / f"{name}.yaml"
    if Path(name).name == name and shipped.is_file():
        return shipped
    raise RecipeError(
        f"{name}: no such recipe file, and none of the shipped recipes ({', '.join(recipe_names())})"
    )


def load_recipe(name: str | Path, sets: list[str] | None = None) -> Recipe:
    """Read a recipe by path or by shipped name, with `a.b=value` settings on top. Raises RecipeError."""
    path = find_recipe(str(name))
    try:
        return parse_recipe(path.read_text("utf-8"), str(path), sets or [])
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as UTF-8 text ({error})") from None


def parse_recipe(text: str, where: str, sets: list[str]) -> Recipe:
    """A recipe from its text; `where` names it in messages."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(_yaml_problem(error, where)) from None
    if not isinstance(tree, dict) or not isinstance(node, yaml.MappingNode):
        given = "nothing" if tree is None else type(tree).__name__
        raise RecipeError(f"{where}: a recipe is a mapping of keys (name, problems, engine, …), got {given}")
    _refuse_duplicates(node, where)
    for setting in sets:
        _assign(tree, setting)
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError(_explain(error, node, where, sets)) from None
    try:
        recipe.filter_specs()
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from None
    return recipe


def _yaml_problem(error: yaml.YAMLError, where: str) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"{where}:{mark.line + 1}" if mark else where
    return f"{place}: broken YAML: {getattr(error, 'problem', None) or error}"


def _refuse_duplicates(node: yaml.Node, where: str) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, where)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise RecipeError(f"{where}:{key.start_mark.line + 1}: the key {key.value} stands twice")
            seen.add(key.value)
            _refuse_duplicates(value, where)


def _assign(tree: dict[str, Any], setting: str) -> None:
    """Carry out one `a.b=value`; the value is YAML, list items are named by their index."""
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise RecipeError(f"--set {setting}: expected KEY=VALUE, as in --set rollout.samples=4")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise RecipeError(f"--set {setting}: the value is not YAML") from None
    *parents, last = path.split(".")
    holder: Any = tree
    for part in parents:
        holder = _child(holder, part, setting)
    if isinstance(holder, list):
        holder[_index(holder, last, setting)] = value
    else:
        holder[last] = value


def _child(holder: Any, part: str, setting: str) -> Any:  # noqa: ANN401 - a tree of YAML values
    if isinstance(holder, list):
        child = holder[_index(holder, part, setting)]
    else:
        child = holder.setdefault(part, {})
        if child is None:
            child = holder[part] = {}
    if not isinstance(child, dict | list):
        raise RecipeError(f"--set {setting}: {part} is a plain value ({child!r}), nothing stands below it")
    return child


def _index(items: list[Any], part: str, setting: str) -> int:
    if not part.isdigit() or int(part) >= len(items):
        raise RecipeError(
            f"--set {setting}: {part} must be the index of a list item, 0 to {len(items) - 1}"
        )
    return int(part)


def _explain(error: ValidationError, node: yaml.Node, where: str, sets: list[str]) -> str:
    """The worst complaint in one line: place, key, requirement, what was given, and a likely spelling."""
    complaints = error.errors(include_url=False)
    worst = next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])
    loc = worst["loc"]
    key = ".".join(str(part) for part in loc)
    place = f"{_place(node, loc, where, sets)}: {key}" if key else where
    if worst["type"] == "extra_forbidden":
        return f"{place}: unknown key; {_suggest(loc)}"
    if worst["type"] == "missing":
        return f"{place}: required and missing"
    message = worst["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if worst["type"] == "model_type":
        message = "must be a mapping of keys"
    if isinstance(worst["input"], dict):
        return f"{place}: {message}"
    given = repr(worst["input"])
    return f"{place}: {message}, got {given[:80] + '…' if len(given) > 80 else given}"


def _place(node: yaml.Node, loc: tuple[int | str, ...], where: str, sets: list[str]) -> str:
    """The file and line that say it, or the setting on the command line that does."""
    key = ".".join(str(part) for part in loc)
    for setting in sets:
        path = setting.partition("=")[0]
        if f"{key}.".startswith(f"{path}."):
            return f"--set {setting}"
    line = _line_of(node, loc)
    return f"{where}:{line}" if line else where


def _line_of(node: yaml.Node, loc: tuple[int | str, ...]) -> int | None:
    """Line of the deepest part of `loc` that stands in the file; None if nothing of it does."""
    line = None
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((k, v) for k, v in pairs if k.value == part), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _suggest(loc: tuple[int | str, ...]) -> str:
    """Did-you-mean for the last part of `loc`, and the keys that exist there."""
    names = _keys_at(loc[:-1])
    near = difflib.get_close_matches(str(loc[-1]), names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}The keys here are {', '.join(names)}"


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    section: Any = Recipe
    for part in loc:
        section = _model_of(section.model_fields[str(part)].annotation)
    return list(section.model_fields)


def _model_of(annotation: Any) -> Any:  # noqa: ANN401 - typing constructs have no common type
    """The pydantic model in an annotation such as `X | None`."""
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next(o for o in options if isinstance(o, type) and issubclass(o, BaseModel))
