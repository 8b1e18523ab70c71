"""Writes docs/CLI.md from the commands' help and docs/MODULES.md from the docstrings of the modules.

With --check it writes nothing and fails if either is not current, or if a link of README or CHANGELOG leads nowhere.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cort_data.cli import app

ROOT = Path(__file__).resolve().parent.parent
CLI = ROOT / "docs" / "CLI.md"
MODULES = ROOT / "docs" / "MODULES.md"
README = ROOT / "README.md"
WIDTH = 100
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*)`")  # a path in backticks: at least one slash


def reference() -> str:
    """The help of every command, in the order of the overview."""
    root = typer.main.get_command(app)
    parts = ["# Commands\n", "Written by `make docs` from `--help`; not to be edited.\n"]
    parts += [f"## {name}\n\n```text\n{text}\n```\n" for name, text in _helps(root, "cort", None)]
    return "\n".join(parts)


def _helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - click's types
    context = command.make_context(
        name.rpartition(" ")[2], [], parent=parent, resilient_parsing=True, terminal_width=WIDTH
    )
    yield name, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if hasattr(command, "list_commands"):
        for child in command.list_commands(context):
            yield from _helps(command.get_command(context, child), f"{name} {child}", context)


def module_list() -> str:
    """One line a module: its path and the first sentence of its docstring, packages before their modules."""
    files = sorted((ROOT / "cort_data").rglob("*.py"), key=lambda p: (p.parent, p.name != "__init__.py", p.name))
    lines = [f"- `{_shown(file)}`: {_first_sentence(file)}" for file in files if file.read_text(encoding="utf-8")]
    return "\n".join(["# Modules\n", "Written by `make docs` from the docstrings; not to be edited.\n", *lines, ""])


def _shown(file: Path) -> str:
    path = file.relative_to(ROOT)
    return f"{path.parent.as_posix()}/" if path.name == "__init__.py" else path.as_posix()


def _first_sentence(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) (?=[A-Z`])", paragraph)[0]


def broken_links(page: Path) -> list[str]:
    """Links and back-ticked paths of a page that lead nowhere in the repository."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = [target for target in LINK.findall(text) if "://" not in target]
    found = [*((page.parent, t) for t in links), *((ROOT, t) for t in PATH.findall(text))]
    return [f"{page.relative_to(ROOT)}: {target}" for base, target in found if not (base / target).exists()]


def main() -> None:
    """Write the pages, or check them."""
    pages = {CLI: reference(), MODULES: module_list()}
    if sys.argv[1:] != ["--check"]:
        for page, text in pages.items():
            page.write_text(text, encoding="utf-8")
        return
    complaints = [
        f"{page.relative_to(ROOT)} is not current; run: make docs"
        for page, text in pages.items()
        if not page.exists() or page.read_text(encoding="utf-8") != text
    ]
    complaints += [line for page in (README, ROOT / "CHANGELOG.md") for line in broken_links(page)]
    if complaints:
        raise SystemExit("\n".join(complaints))


if __name__ == "__main__":
    main()
