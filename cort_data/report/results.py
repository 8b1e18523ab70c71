"""`docs/RESULTS.md` from the files that measuring scripts write: a section a file, with command, machine and tables.

A results file is a JSON object. `name`, `what`, `note`, `command`, `machine` and `taken` head its section; an object
with a `command` of its own is a subsection; all else becomes tables: a list of objects, or an object of like objects,
one row each; single values two columns. An interval, `{value, low, high}`, is one cell; so is a value and what an
object `difference` beside it holds under the same name. A table that would be too wide is turned.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cort_data.errors import RecipeError
from cort_data.runs import write_atomically

ROWS = 40
COLUMNS = 12
ITEMS = 12
SMALL = 6
_HEAD = ("name", "what", "note", "command", "machine", "taken")
_INTERVAL = {"value", "low", "high"}
_SPECIAL = str.maketrans({"|": r"\|", "*": r"\*", "_": r"\_", "`": r"\`", "<": "&lt;", "\n": " "})


@dataclass(frozen=True, slots=True)
class _Differing:
    """A value, and the interval of its difference to another row's."""

    value: Any
    difference: Mapping[str, Any]


Table = tuple[list[str], list[list[str]]]
"""Its columns and its rows."""


def write_results(folder: Path, out: Path) -> Path:
    """Render all results files of a folder. Raises RecipeError for a folder without any, or a file that is not JSON."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise RecipeError(f"--from {folder}: no results files there (expected NAME.json); run a measuring script first")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, render(files))
    return out


def render(files: Sequence[Path]) -> str:
    """The whole document."""
    parts = ["# Results\n\nWritten by `cort report --results` from `docs/results/`; not to be edited.\n"]
    for file in files:
        parts.append("\n".join(_section(file.stem, _read(file), 2, file.name)))
    return "\n".join(parts)


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{file}: not a results file ({error}); run the script again that writes it") from None
    if not isinstance(tree, dict):
        raise RecipeError(f"{file}: expected a JSON object, got {type(tree).__name__}; run its script again")
    return tree


def _section(title: str, tree: Mapping[str, Any], level: int, file: str) -> Iterator[str]:
    """Lines of a section: heading, head, tables, subsections."""
    yield f"{'#' * level} {_text(tree.get('name', title))}\n"
    for key in ("what", "note"):
        if tree.get(key):
            yield f"{_sentence(str(tree[key]))}\n"
    parts = [v for v in tree.values() if isinstance(v, dict) and "command" in v]
    if "command" in tree or not parts:
        command = f"`{tree['command']}`" if tree.get("command") else "not recorded"
        taken = f", {tree['taken']}" if tree.get("taken") else ""
        yield f"Command: {command}. Machine: {_text(tree.get('machine', 'not recorded'))}{taken}. File: `{file}`\n"
    yield from _body({k: v for k, v in tree.items() if k not in _HEAD}, level, file)


def _body(tree: Mapping[str, Any], level: int, file: str) -> Iterator[str]:
    leaves = _leaves(tree)
    if leaves:
        yield from _markdown((["", "value"], [[_text(_words(k)), _cell(v)] for k, v in leaves.items()]))
    for key, value in tree.items():
        if _is_leaf(value) or _is_small(value):
            continue
        if isinstance(value, dict) and "command" in value:
            yield from _section(_words(key), value, level + 1, file)
        elif (table := _table(value)) is not None:
            yield f"**{_text(_words(key))}**\n"
            yield from _markdown(table)
        else:
            yield f"{'#' * min(level + 1, 6)} {_text(_words(key))}\n"
            nested = value if isinstance(value, dict) else {str(i): item for i, item in enumerate(value, 1)}
            yield from _body(nested, min(level + 1, 6), file)


def _leaves(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The single values, those of small objects included."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if _is_leaf(value):
            found[key] = value
        elif _is_small(value):
            found |= {f"{key}: {name}": item for name, item in value.items()}
    return found


def _table(value: Any) -> Table | None:  # noqa: ANN401 - a tree of JSON values
    """A list, or an object of like objects, as one table; None for what does not fit into one."""
    rows = [(str(i), item) for i, item in enumerate(value, 1)] if isinstance(value, list) else list(value.items())
    if isinstance(value, list) and all(_is_leaf(item) for _, item in rows):
        return [""], [[_cell(item)] for _, item in rows]
    if not rows or not all(isinstance(item, dict) for _, item in rows):
        return None
    flat = [(name, _flat(item)) for name, item in rows]
    if any(not _is_leaf(leaf) for _, item in flat for leaf in item.values()):
        return None
    columns = list(dict.fromkeys(column for _, item in flat for column in item))
    if isinstance(value, dict) and len(columns) > 3 * max(len(item) for _, item in flat):
        return None
    wide = len(columns) > COLUMNS
    if wide and len(rows) > COLUMNS:
        return None
    if wide:
        return ["", *(_text(_words(n)) for n, _ in flat)], [
            [_text(_words(c)), *(_cell(item.get(c)) for _, item in flat)] for c in columns
        ]
    named = isinstance(value, dict)
    return [*([""] if named else []), *(_text(_words(c)) for c in columns)], [
        [*([_text(_words(name))] if named else []), *(_cell(item.get(c)) for c in columns)] for name, item in flat
    ]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Objects inside a row become columns of their own; differences go into the cells of their values."""
    found: dict[str, Any] = {}
    differences = tree.get("difference") if isinstance(tree.get("difference"), dict) else {}
    for key, value in tree.items():
        if key == "difference" and differences is not None and differences.keys() <= tree.keys():
            continue
        if isinstance(value, dict) and not _is_leaf(value):
            found |= _flat(value, f"{prefix}{key}: ")
        elif differences and differences.get(key):
            found[f"{prefix}{key}"] = _Differing(value, differences[key])
        else:
            found[f"{prefix}{key}"] = value
    return found


def _markdown(table: Table) -> Iterator[str]:
    columns, rows = table
    used = [i for i in range(len(columns)) if i == 0 or any(row[i] not in ("", "–") for row in rows)]
    yield "| " + " | ".join(columns[i] for i in used) + " |"
    yield "|" + "|".join("---" if i == 0 else "---:" for i in used) + "|"
    for row in rows[:ROWS]:
        yield "| " + " | ".join(row[i] for i in used) + " |"
    yield f"\n{len(rows) - ROWS:,} more rows in the file.\n" if len(rows) > ROWS else ""


def _is_small(value: Any) -> bool:  # noqa: ANN401
    """An object of a few single values, which needs no table of its own."""
    return (
        isinstance(value, dict)
        and "command" not in value
        and len(value) <= SMALL
        and all(map(_is_leaf, value.values()))
    )


def _is_leaf(value: Any) -> bool:  # noqa: ANN401
    """Does it fit into one cell?"""
    if isinstance(value, dict):
        return value.keys() >= _INTERVAL or not value
    if isinstance(value, list):
        return all(not isinstance(item, dict | list) for item in value) and len(value) <= ITEMS
    return True


def _cell(value: Any) -> str:  # noqa: ANN401
    match value:
        case _Differing(value=own, difference=difference):
            plus = "+" if difference["value"] >= 0 else ""
            return f"{_cell(own)}, Δ {plus}{_cell(difference)}"
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return _number(value)
        case dict() if value:
            star = r"\*" if value.get("beyond_interval") else ""
            return f"{_cell(value['value'])}{star} ({_cell(value['low'])} … {_cell(value['high'])})"
        case list():
            return ", ".join(_cell(item) for item in value) or "–"
        case dict():
            return "–"
    return _text(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _sentence(text: str) -> str:
    text = _text(text[:1].upper() + text[1:])
    return text if text.endswith((".", "!", "?")) else text + "."


def _text(value: Any) -> str:  # noqa: ANN401
    return str(value).replace("&", "&amp;").translate(_SPECIAL)
