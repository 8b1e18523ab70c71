"""A user's own project: a recipe, a hint, a seed and problems to edit, all of them valid as they are.

The files lie in `files/`; in their text `PROJECT` stands for the project's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cort_data.errors import RecipeError

_FILES = Path(__file__).parent / "files"
_NOT_IN_A_NAME = re.compile(r"[^\w.-]+", re.ASCII)


def new_project(folder: Path) -> list[Path]:
    """Lay out a project in a folder that is new or empty; its files. Raises RecipeError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RecipeError(f"{folder}: is not empty; name a new folder")
        return list(_write(folder))
    except OSError as error:
        raise RecipeError(f"{folder}: cannot be written ({error.strerror}); name another folder") from None


def project_name(folder: Path) -> str:
    """The folder's name in letters that a recipe's name may have."""
    return _NOT_IN_A_NAME.sub("-", folder.resolve().name).strip("-._") or "project"


def _write(folder: Path) -> Iterator[Path]:
    name = project_name(folder)
    for source in sorted(path for path in _FILES.rglob("*") if path.is_file()):
        path = folder / source.relative_to(_FILES)
        path.parent.mkdir(exist_ok=True)
        path.write_text(source.read_text("utf-8").replace("PROJECT", name), encoding="utf-8")
        yield path
