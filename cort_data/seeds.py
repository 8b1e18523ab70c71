"""Seeds: traces written by hand, one Markdown file each. `seed_checks` says whether they hold.

A file is front matter (all scalars are texts: `025` stays `025`) and a body: the completion from after the opening
think tag, with the line `</think>` and the closing answer. Hints stand where they were put, `<hint name="…">…</hint>`,
and may contain an opening fence. What cannot be read is named by file and line.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cort_data.errors import SeedError
from cort_data.fences import parse
from cort_data.profiles import load_profile
from cort_data.prompts import render_prompt
from cort_data.trace import HintMark, Kind, Origin, Problem, Segment, Trace, first_problem

PROFILE = "plain"
THINK_CLOSE = "</think>"

# a closing tag on a line of its own takes its line end with it: the code goes on right after the hint's fence
_HINT = re.compile(r'<hint name="(?P<name>[\w-]+)">(?P<text>.*?)(?:(?<=\n)</hint>\n|</hint>)', re.DOTALL)
_HINT_TAG = re.compile(r"</?hint\b[^>]*>")
_INDENTED_FENCE = re.compile(r"^[ \t]+(?:`{3,}|~{3,})", re.MULTILINE)


class SeedHead(BaseModel):
    """The front matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="Lower-case words joined by hyphens")]
    problem: Annotated[str, Field(min_length=1, description="The statement")]
    answer: Annotated[str, Field(min_length=1, description="Gold answer, without a box")]
    topic: Annotated[str, Field(min_length=1, description="Algebra, number theory, …")]
    source: Annotated[str, Field(min_length=1, description="A contest problem in our words, or `own`")]


@dataclass(frozen=True, slots=True)
class Seed:
    """A seed file, read."""

    path: Path
    head: SeedHead
    trace: Trace
    starts: tuple[int, ...]
    """Line of the file on which each line of the completion stands."""

    def line(self, offset: int) -> int:
        """Line of the file for an offset of the completion."""
        return self.starts[self.trace.text.count("\n", 0, offset)]


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong, and where."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


class UnreadableSeed(SeedError):
    """A file that is no seed."""

    def __init__(self, path: Path, line: int, text: str) -> None:
        self.complaint = Complaint(path, line, text)
        super().__init__(str(self.complaint))


def find_seeds(paths: Iterable[Path]) -> list[Path]:
    """The seed files among files and folders (`*.md`, not deeper), sorted. Raises SeedError."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise SeedError(f"{path}: no such seed file or folder")
        found += sorted(path.glob("*.md")) if path.is_dir() else [path]
    if not found:
        raise SeedError(f"{', '.join(map(str, paths))}: no seed (*.md) in there")
    return found


def read_seed(path: Path) -> Seed:
    """Raises SeedError with file and line."""
    head, body, first_line = _split(path)
    _refuse(path, body, first_line)
    completion, marks, starts = _without_tags(body, first_line)
    _refuse_forged(path, completion, starts)
    problem = Problem(id=head.id, text=head.problem, answer=head.answer, source=head.source, topic=head.topic)
    try:
        trace = Trace(
            id=head.id,
            problem=problem,
            stage="seed",
            prompt=load_profile(PROFILE).render(render_prompt("cort", problem)),
            profile=PROFILE,
            policy="by_hand",
            engine="human",
            segments=tuple(_segments(completion, marks)),
        )
    except ValidationError as error:
        raise UnreadableSeed(path, first_line, f"{first_problem(error)}") from None
    return Seed(path, head, trace, starts)


def _split(path: Path) -> tuple[SeedHead, str, int]:
    """Front matter, body, and the line on which the body starts."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableSeed(path, 1, f"cannot be read as UTF-8 text ({error})") from None
    parts = re.match(r"---\n(?P<head>.*?\n)---\n\n*", text, re.DOTALL)
    if parts is None:
        raise UnreadableSeed(path, 1, "expected front matter between two lines `---`")
    try:
        head = SeedHead.model_validate(yaml.load(parts["head"], Loader=yaml.BaseLoader))
    except yaml.MarkedYAMLError as error:
        line = 2 + (error.problem_mark.line if error.problem_mark else 0)
        raise UnreadableSeed(path, line, f"broken YAML: {error.problem}") from None
    except ValidationError as error:
        raise UnreadableSeed(path, 2, f"{first_problem(error)}") from None
    head = head.model_copy(update={"problem": head.problem.strip()})
    return head, text[parts.end() :].rstrip(), 1 + text.count("\n", 0, parts.end())


def _refuse(path: Path, body: str, first_line: int) -> None:
    """What would be read as something else than was meant."""

    def complain(offset: int, text: str) -> None:
        raise UnreadableSeed(path, first_line + body.count("\n", 0, offset), text)

    if (fence := _INDENTED_FENCE.search(body)) is not None:
        complain(fence.start(), "a fence must start in column 0")
    rest = _HINT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), body)
    if (tag := _HINT_TAG.search(rest)) is not None:
        complain(tag.start(), f'{tag[0]} has no partner; write <hint name="NAME">TEXT</hint>')
    if (count := rest.count(f"\n{THINK_CLOSE}\n")) != 1:
        complain(0, f"expected one line {THINK_CLOSE} between thinking and answer, got {count}")


def _refuse_forged(path: Path, completion: str, starts: Sequence[int]) -> None:
    at = 0
    for piece in parse(completion):
        if piece.forged:
            line = starts[completion.count("\n", 0, completion.index("output", at))]
            raise UnreadableSeed(path, line, "an output block does not follow a python block; remove it")
        at += len(piece.text)


def _without_tags(body: str, first_line: int) -> tuple[str, list[tuple[int, int, str]], tuple[int, ...]]:
    """The completion, `(start, end, name)` of each hint in it, and the file line of each of its lines."""
    kept: list[int] = []  # offset in the body of each character of the completion
    marks: list[tuple[int, int, str]] = []
    at = 0
    for found in _HINT.finditer(body):
        kept += range(at, found.start())
        start = len(kept)
        kept += range(*found.span("text"))
        marks.append((start, len(kept), found["name"]))
        at = found.end()
    kept += range(at, len(body))
    completion = "".join(body[i] for i in kept)
    begins = [0, *(i + 1 for i, char in enumerate(completion) if char == "\n")]
    lines = (first_line + body.count("\n", 0, kept[i] if i < len(kept) else len(body)) for i in begins)
    return completion, marks, tuple(lines)


def _segments(completion: str, marks: Sequence[tuple[int, int, str]]) -> Iterator[Segment]:
    """The pieces of the completion, cut where hints begin and end."""
    origins = {Kind.OUTPUT: Origin.INTERPRETER, Kind.NOTICE: Origin.SYSTEM}
    borders = sorted({b for start, end, _ in marks for b in (start, end)})
    at = 0
    for piece in parse(completion):
        kind, end = Kind(piece.kind.value), at + len(piece.text)
        cuts = [at, *(b for b in borders if at < b < end), end]
        for a, b in itertools.pairwise(cuts):
            hint = next((m for m in marks if m[0] <= a < m[1]), None)
            origin = Origin.HINT if hint else origins.get(kind, Origin.HUMAN)
            yield Segment(kind=kind, origin=origin, text=completion[a:b], hint=_mark(hint))
        at = end


def _mark(hint: tuple[int, int, str] | None) -> HintMark | None:
    if hint is None:
        return None
    start, _, name = hint
    return HintMark(name=name, trigger="by_hand", wording=0, span_start=start, span_end=start)
