"""Writes docs/CLI.md from the commands' own help, or (--check) says whether it is current and all links hold."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cort_data.cli import app

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "CLI.md"
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


def broken_links(page: Path) -> list[str]:
    """Links and back-ticked paths of a page that lead nowhere in the repository."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = [target for target in LINK.findall(text) if "://" not in target]
    found = [*((page.parent, t) for t in links), *((ROOT, t) for t in PATH.findall(text))]
    return [f"{page.relative_to(ROOT)}: {target}" for base, target in found if not (base / target).exists()]


def main() -> None:
    """Write the page, or check."""
    if sys.argv[1:] != ["--check"]:
        TARGET.write_text(reference(), encoding="utf-8")
        return
    complaints = [line for page in (ROOT / "README.md", ROOT / "CHANGELOG.md") for line in broken_links(page)]
    if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != reference():
        complaints.append("docs/CLI.md is not what --help says; run: make docs")
    if complaints:
        raise SystemExit("\n".join(complaints))


if __name__ == "__main__":
    main()
