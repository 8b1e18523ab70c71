"""YAML front matter whose values know their lines, so that an error can name the one to edit."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cort_data.errors import HintError

Key = tuple[str, ...]
_FENCE = "---"


@dataclass(frozen=True)
class FrontMatter:
    """The values above the body, where each stands, and the body."""

    path: Path
    values: dict[str, Any]
    lines: dict[Key, int]
    """Line of each key, from 1."""
    body: str
    body_line: int

    def error(self, key: Key, message: str) -> HintError:
        """An error at a key, or at the nearest one above it."""
        while key and key not in self.lines:
            key = key[:-1]
        return HintError(f"{self.path}:{self.lines.get(key, 1)}: {message}")

    def invalid(self, error: ValidationError, known: list[str], under: Key = ()) -> HintError:
        """The first complaint of pydantic, at its line."""
        first = error.errors(include_url=False)[0]
        key = (*under, *(str(part) for part in first["loc"]))
        if first["type"] == "extra_forbidden":
            close = get_close_matches(key[-1], known, 1)
            rest = f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'none'}"
            return self.error(key, f"unknown key {'.'.join(key)}; {rest}")
        if first["type"] == "missing":
            return self.error(key, f"{'.'.join(key)}: is missing; add it to the front matter")
        return self.error(key, f"{'.'.join(key)}: {first['msg']} (got {first['input']!r})")


def read_front_matter(path: Path) -> FrontMatter:
    """Read a file that begins with front matter. Raises HintError with file and line."""
    text = _read(path)
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].rstrip() != _FENCE:
        raise HintError(f"{path}:1: expected front matter between two lines `---`, and the wordings after it")
    end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise HintError(f"{path}:{len(lines)}: the front matter does not end; close it with a line `---`")
    body = "".join(lines[end + 1 :])
    if not body.strip():
        raise HintError(f"{path}:{end + 1}: the body is missing; write the hint's text after this line")
    values, where = _parse(path, "".join(lines[1:end]))
    return FrontMatter(path, values, where, body, end + 2)


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HintError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise HintError(f"{path}:{line}: not UTF-8; convert the file to UTF-8") from None
    return text.replace("\r\n", "\n")


def _parse(path: Path, source: str) -> tuple[dict[str, Any], dict[Key, int]]:
    try:
        root = yaml.compose(source, Loader=yaml.SafeLoader)
        values = yaml.safe_load(source)
    except yaml.YAMLError as error:
        mark = getattr(error, "context_mark", None) or getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 2
        problem = getattr(error, "problem", None) or "broken YAML"
        raise HintError(f"{path}:{line}: broken YAML: {problem}; write `key: value` lines") from None
    if not isinstance(root, yaml.MappingNode):
        raise HintError(f"{path}:2: expected `key: value` lines in the front matter, got {source.strip()[:40]!r}")
    where: dict[Key, int] = {}
    _note_lines(path, root, (), where)
    return values, where


def _note_lines(path: Path, node: yaml.MappingNode, above: Key, where: dict[Key, int]) -> None:
    for key_node, value_node in node.value:
        key = (*above, str(key_node.value))
        line = key_node.start_mark.line + 2  # YAML counts from 0, and the opening fence is a line
        if key in where:
            raise HintError(f"{path}:{line}: {'.'.join(key)} stands twice; remove one")
        where[key] = line
        if isinstance(value_node, yaml.MappingNode):
            _note_lines(path, value_node, key, where)
