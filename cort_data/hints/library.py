"""Which hints there are: the user's own folders first, then `hints/` where the command runs, then the package's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cort_data.data import data_dir
from cort_data.errors import CortError, HintError
from cort_data.hints.front_matter import read_front_matter
from cort_data.hints.template import Hint, load_hint


def hint_dirs(extra: Sequence[Path] = ()) -> list[Path]:
    """Folders in the order in which a name is looked up."""
    for path in extra:
        if not path.is_dir():
            raise HintError(f"{path}: no such folder of hints; name one that holds NAME.md files")
    here = [path for path in (Path("hints"),) if path.is_dir()]
    unique = {path.resolve(): path for path in reversed([*extra, *here, data_dir("hints")])}
    return list(reversed(unique.values()))


def load_library(extra: Sequence[Path] = ()) -> dict[str, Hint]:
    """All hints by name; an earlier folder's hint hides a later one's. Raises HintError at the first bad file."""
    library: dict[str, Hint] = {}
    for folder in reversed(hint_dirs(extra)):
        library.update(load_folder(folder))
    return library


def load_folder(folder: Path) -> dict[str, Hint]:
    """The hints of one folder by name. Raises HintError at a bad file and at a name that two files carry."""
    return unique_names(load_hint(path) for path in sorted(folder.glob("*.md")))


def unique_names(hints: Iterable[Hint]) -> dict[str, Hint]:
    """Hints by name. Raises HintError at a name that two files carry."""
    found: dict[str, Hint] = {}
    for hint in hints:
        if hint.name in found:
            line = read_front_matter(hint.path).lines.get(("name",), 1)
            raise HintError(
                f"{hint.path}:{line}: the name {hint.name!r} is taken by {found[hint.name].path}; rename one"
            )
        found[hint.name] = hint
    return found


def check_paths(paths: Iterable[Path]) -> tuple[list[Hint], list[str]]:
    """The hints that files and folders hold, and one line for each file that cannot be used."""
    hints: dict[str, Hint] = {}
    errors: list[str] = []
    for path in (file for given in paths for file in _files(given)):
        try:
            hint = load_hint(path)
            unique_names([*hints.values(), hint])
            hints[hint.name] = hint
        except CortError as error:
            errors.append(str(error))
    return list(hints.values()), errors


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.md"))
    if not files:
        raise HintError(f"{path}: holds no hints; expected files NAME.md")
    return files
