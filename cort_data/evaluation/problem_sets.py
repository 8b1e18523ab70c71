"""Problem sets by name, from the Hub or a file. What came from the Hub is kept in the run: it may change there."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path

import yaml
from pydantic import ValidationError

from cort_data.errors import RecipeError
from cort_data.evaluation.settings import EvalSet
from cort_data.json_lines import BadLine, Row, as_text
from cort_data.row_sources import read_source
from cort_data.runs import write_atomically
from cort_data.stages.problem_sources import to_problem
from cort_data.trace import Problem, first_problem


@dataclass(frozen=True)
class KnownSet:
    """Where a set lies and how to read it."""

    hub: str = ""
    answer: str | None = None
    """Column of the answer, where it has none of the usual names."""
    problems: int | None = None
    released: str = ""


@cache
def known_sets() -> Mapping[str, KnownSet]:
    """The sets that have a name of their own."""
    text = (resources.files(__package__) / "problem_sets.yaml").read_text("utf-8")
    return {name: KnownSet(**fields) for name, fields in yaml.safe_load(text).items()}


def load_set(part: EvalSet, folder: Path) -> tuple[Problem, ...]:
    """The problems of a set. `folder` keeps those from the Hub, if it exists.

    Raises RecipeError for a set that is not known, a row without an answer, or an id that stands twice.
    """
    kept = folder / f"{part.name}.jsonl"
    source = str(kept) if kept.is_file() else _source(part)
    problems = _read(part.name, source)
    if folder.is_dir() and not Path(source).is_file():
        write_atomically(kept, "".join(problem.model_dump_json() + "\n" for problem in problems))
    return problems[: part.n]


def _source(part: EvalSet) -> str:
    if part.source is not None:
        return part.source
    known = known_sets().get(part.name)
    if known is None:
        raise RecipeError(
            f"eval.sets: no problem set named {part.name!r}; there are {', '.join(known_sets())}, or name a file: "
            f"{part.name}=FILE"
        )
    return known.hub


@lru_cache(maxsize=16)
def _read(name: str, source: str) -> tuple[Problem, ...]:
    known = known_sets().get(name, KnownSet())
    problems = tuple(_problem(row, name, known) for row in _rows(source, name))
    seen: set[str] = set()
    for problem in problems:
        if problem.id in seen:
            raise RecipeError(
                f"problem set {name}: the id {problem.id!r} stands twice in {source}; ids tell problems apart, so give "
                "each its own, or leave them out"
            )
        seen.add(problem.id)
    if not problems:
        raise RecipeError(f"problem set {name}: {source} holds no problems")
    if known.problems not in (None, len(problems)):
        print(f"cort: note: {name} has {len(problems)} problems here, {known.problems} are known", file=sys.stderr)
    return problems


def _rows(source: str, name: str) -> Iterator[Row]:
    for row in read_source(source):
        if isinstance(row, BadLine):
            raise RecipeError(f"problem set {name}: {row}")
        yield row


def _problem(row: Row, name: str, known: KnownSet) -> Problem:
    if known.answer is not None and known.answer in row.fields:
        row = replace(row, fields=row.fields | {"answer": _joined(row.fields[known.answer])})
    problem = to_problem(row, name)
    if isinstance(problem, BadLine):
        raise RecipeError(f"problem set {name}: {problem}; an evaluation needs every answer")
    own = {} if problem.id.startswith(f"{name}-") else {"id": f"{name}-{problem.id}"}
    day = {"released": str(row.fields.get("released") or known.released)}
    try:
        return Problem.model_validate(problem.model_dump() | own | day)
    except ValidationError as error:
        raise RecipeError(f"problem set {name}: {row.where}: {first_problem(error)}") from None


def _joined(value: object) -> str | None:
    """Several answers are a list."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else as_text(value)
