"""Where the problems of a run come from: the nano world, a file of problems, or traces that are to be continued."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from cort_data.data import data_dir
from cort_data.errors import RecipeError, TraceError
from cort_data.recipe.schema import Level, ProblemSource, Split
from cort_data.trace import Problem, Trace, first_problem
from cort_data.traces_io import read_traces


def read_source(source: ProblemSource, role: Split, seed: int) -> Iterator[Problem]:
    """The problems of a source in its own order, read as they are asked for.

    `role` is the part of the nano world where the recipe names none. More problems of one source continue fewer.
    """
    if source.source == "nano":
        assert source.n is not None  # the recipe has checked it
        return iter(_nano_problems(source.split or role, source.n, seed, source.level or "normal"))
    return itertools.islice(_read_file(find_file(source.source)), source.n)


def read_given(source: ProblemSource) -> Iterator[Trace]:
    """The traces of a file that `cort traces import` wrote, in its order. Raises RecipeError, TraceError."""
    path = find_file(source.source, "traces")
    return itertools.islice(read_traces(path), source.n)


@functools.lru_cache(maxsize=2)
def _nano_problems(split: Split, n: int, seed: int, level: Level) -> list[Problem]:
    """Kept, since each stage goes over its problems several times."""
    from cort_data.nano.families import problems

    return problems(split, n, seed, level)


def find_file(name: str, what: str = "problems") -> Path:
    """A path from the current folder, or a file among the shipped pipelines. Raises RecipeError."""
    for path in (Path(name), data_dir("pipelines") / name):
        if path.is_file():
            return path
    raise RecipeError(f"{name}: no such file of {what}; make one with: cort {what} import SOURCE --out {name}")


def _read_file(path: Path) -> Iterator[Problem]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield Problem.model_validate_json(line)
            except ValidationError as error:
                raise TraceError(
                    f"{path}:{number}: not a problem: {first_problem(error)}; "
                    "bring the file into form with cort problems import"
                ) from None
        if file.tell() == 0:
            raise TraceError(f"{path}: the file is empty")
