"""A hint file: front matter that says where the hint goes, then one or more wordings in Jinja2.

    ---
    name: delayed_computation
    trigger: {name: manual_arithmetic, steps: 3}
    place: at_span_start
    max_uses: 4
    priority: 30
    languages: [en]
    ---
    A short script is the quicker way.
    ```python
    ---
    {# lang: zh #}
    让我用代码来算。

What is wrong with a file is found when it is loaded, and said with its line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cort_data.errors import HintError
from cort_data.fences import PieceKind, parse
from cort_data.hints.front_matter import FrontMatter, read_front_matter
from cort_data.hints.triggers import Trigger
from cort_data.hints.triggers.registry import find_trigger

NAME = r"^[a-z][a-z0-9_]*$"
VARIABLES = {"problem": "2+2?", "span": "2+2=4.", "last_output": "4", "calls_left": 3}
"""What a wording may use, with values to try it on: statement, text the detector fired on, printed text, budget."""

_LANGUAGE = re.compile(r"\s*\{#\s*lang:\s*([a-z]{2})\s*#\}[ \t]*\n?")
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)


class Place(StrEnum):
    """Where the hint is put when its trigger fires."""

    HERE = "here"  # after the clause that fired
    AT_SPAN_START = "at_span_start"  # the text is cut back to where the span starts
    AFTER_OUTPUT = "after_output"  # the text is cut back to the last output


class HintHeader(BaseModel):
    """The front matter of a hint file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=NAME, description="Lower case with underscores")]
    trigger: Annotated[dict[str, Any], Field(description="A trigger's name and its parameters")]
    place: Annotated[Place, Field(description="here, at_span_start or after_output")] = Place.HERE
    max_uses: Annotated[int, Field(ge=1, description="Times in one trace")] = 1
    priority: Annotated[int, Field(description="The higher wins when two fire at once; ties go by name")] = 0
    languages: Annotated[tuple[str, ...], Field(min_length=1, description="Codes; the first is the default")] = ("en",)

    @field_validator("trigger", mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:  # noqa: ANN401
        return {"name": value} if isinstance(value, str) else value


@dataclass(frozen=True)
class Wording:
    """One way of saying a hint."""

    language: str
    source: str
    line: int = field(repr=False, compare=False)
    template: Template = field(repr=False, compare=False)

    def render(self, variables: dict[str, Any]) -> str:
        """The text with its variables filled in, ended by exactly one line end. Raises jinja2.TemplateError."""
        return self.template.render(variables).strip("\n") + "\n"


@dataclass(frozen=True)
class Hint:
    """A loaded hint file. Its repr holds all that decides what it does, and no path."""

    name: str
    trigger: Trigger
    place: Place
    max_uses: int
    priority: int
    languages: tuple[str, ...]
    wordings: tuple[Wording, ...]
    path: Path = field(repr=False, compare=False)

    @cached_property
    def opens_code(self) -> bool:
        """Does a wording end by opening a python block?"""
        return any(_opens_code(w.render(VARIABLES)) for w in self.wordings)

    def wording(self, seed: int, language: str) -> int:
        """Index of the wording for a trace: by its seed, among those of its language if there are any."""
        fitting = [i for i, w in enumerate(self.wordings) if w.language == language]
        fitting = fitting or [i for i, w in enumerate(self.wordings) if w.language == self.languages[0]]
        return fitting[seed % len(fitting)]


def _opens_code(text: str) -> bool:
    """Does this text end inside an opened python block?"""
    last = parse(text)[-1]
    return last.kind is PieceKind.CODE and not last.closed


def load_hint(path: Path) -> Hint:
    """Read one hint file. Raises HintError with file and line."""
    matter = read_front_matter(path)
    header = _header(matter)
    return Hint(
        name=header.name,
        trigger=_trigger(matter, header.trigger),
        place=header.place,
        max_uses=header.max_uses,
        priority=header.priority,
        languages=header.languages,
        wordings=_wordings(matter, header),
        path=path,
    )


def reword(hint: Hint, texts: Sequence[str], where: str) -> Hint:
    """The hint with other wordings, all in its first language. Raises HintError that names `where`."""
    wordings = []
    for text in texts:
        wording = Wording(hint.languages[0], text.strip("\n"), 1, _compile(Path(where), 1, text, 0))
        _try(Path(where), wording)
        wordings.append(wording)
    return replace(hint, wordings=tuple(wordings))


def _header(matter: FrontMatter) -> HintHeader:
    try:
        return HintHeader.model_validate(matter.values)
    except ValidationError as error:
        raise matter.invalid(error, list(HintHeader.model_fields)) from None


def _trigger(matter: FrontMatter, given: dict[str, Any]) -> Trigger:
    name = given.get("name")
    if name is None:
        raise matter.error(("trigger",), "trigger: has no name; write `trigger: {name: think_open}`")
    try:
        trigger = find_trigger(name)
    except HintError as error:
        raise matter.error(("trigger", "name"), str(error)) from None
    try:
        return trigger.model_validate({key: value for key, value in given.items() if key != "name"})
    except ValidationError as error:
        raise matter.invalid(error, list(trigger.model_fields), under=("trigger",)) from None


def _wordings(matter: FrontMatter, header: HintHeader) -> tuple[Wording, ...]:
    wordings = []
    for line, source in _split(matter.body, matter.body_line):
        if not source.strip():
            raise HintError(f"{matter.path}:{line}: an empty wording; write text between the lines `---`")
        wordings.append(_wording(matter, header, line, source))
    if all(w.language != header.languages[0] for w in wordings):
        raise matter.error(("languages",), f"no wording in {header.languages[0]!r}, the first language")
    return tuple(wordings)


def _split(body: str, line: int) -> list[tuple[int, str]]:
    """The wordings with the lines that they start on; a separator may also end the file."""
    found: list[tuple[int, str]] = [(line, "")]
    for number, text in enumerate(body.splitlines(keepends=True), line):
        if text.rstrip() == "---":
            found.append((number + 1, ""))
        else:
            found[-1] = (found[-1][0], found[-1][1] + text)
    return found[:-1] if len(found) > 1 and not found[-1][1].strip() else found


def _wording(matter: FrontMatter, header: HintHeader, line: int, source: str) -> Wording:
    tag = _LANGUAGE.match(source)
    language = tag[1] if tag else header.languages[0]
    if language not in header.languages:
        raise HintError(
            f"{matter.path}:{line}: a wording in {language!r}, but languages are {', '.join(header.languages)}"
        )
    wording = Wording(language, source.strip("\n"), line, _compile(matter.path, line, source, tag.end() if tag else 0))
    _try(matter.path, wording)
    return wording


def _compile(path: Path, line: int, source: str, skip: int) -> Template:
    """The template of a wording, without its language tag."""
    line += source.count("\n", 0, skip)
    try:
        tree = _ENVIRONMENT.parse(source[skip:])
        _check_names(path, line, tree)
        return _ENVIRONMENT.from_string(tree)
    except TemplateSyntaxError as error:
        where = line + error.lineno - 1
        raise HintError(f"{path}:{where}: Jinja2: {error.message}; write literal braces as {{{{ '{{{{' }}}}") from None


def _check_names(path: Path, line: int, tree: nodes.Template) -> None:
    unknown = meta.find_undeclared_variables(tree) - set(VARIABLES)
    for node in tree.find_all(nodes.Name):
        if node.name in unknown:
            raise HintError(
                f"{path}:{line + node.lineno - 1}: Jinja2: unknown variable {node.name!r}; "
                f"there are {', '.join(VARIABLES)}"
            )


def _try(path: Path, wording: Wording) -> None:
    """Render on sample values, so that a wording that cannot be rendered or inserted is found now."""
    try:
        text = wording.render(VARIABLES)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise HintError(f"{path}:{wording.line}: Jinja2: cannot be rendered ({error})") from None
    if not text.strip():
        raise HintError(f"{path}:{wording.line}: an empty wording; write the text of the hint")
    for piece in parse(text):
        if piece.forged:
            raise HintError(f"{path}:{wording.line}: a wording must not contain an output block; remove it")
        if piece.kind is PieceKind.CODE and piece.closed:
            raise HintError(f"{path}:{wording.line}: a wording may open a python block, but not close it; end there")
