"""The key of a server: given in a file or in the environment."""

from __future__ import annotations

import os
from pathlib import Path

from cort_data.errors import RecipeError

LEAST_CHARS = 16


def given_key(option: str, file: Path | None, variable: str) -> str | None:
    """The key of the file or else of the environment; None if there is neither. Raises RecipeError."""
    given = os.environ.get(variable) if file is None else _read(option, file)
    if given is None:
        return None
    what, key = option.removeprefix("--").removesuffix("-file"), given.strip()
    if len(key) < LEAST_CHARS or len(key.split()) != 1:
        raise RecipeError(
            f"{file or variable}: expected a {what} of at least {LEAST_CHARS} characters without spaces, got "
            f'{len(key)}; make one with: python -c "import secrets; print(secrets.token_urlsafe())"'
        )
    return key


def _read(option: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{option}: cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{option}: {file} is not UTF-8 text") from None
