"""The papers' published rows (`papers.yaml`), for the problem sets that a run has too."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Published:
    """A row of a paper, on the sets that were asked for."""

    paper: str
    source: str
    protocol: str
    model: str
    accuracy: dict[str, float]
    """Our name of the set → percent."""


def published_rows(sources: Iterable[str]) -> list[Published]:
    """The rows that have at least one of these problem sets."""
    ours = {name: source for source in sources if (name := canonical(source))}
    found = []
    for paper in _table()["papers"]:
        for model, values in paper["rows"].items():
            shared = {ours[name]: float(value) for name, value in values.items() if name in ours}
            if shared:
                found.append(Published(paper["name"], paper["source"], paper["protocol"], model, shared))
    return found


def canonical(source: str) -> str | None:
    """The papers' name of a problem set; None if they do not have it."""
    spelled = re.sub(r"[^a-z0-9]", "", source.lower())
    return next((name for name, aliases in _table()["sets"].items() if spelled in aliases), None)


def behaviour_notes() -> dict[str, str]:
    """Rate → what a paper reports of it, on other problems and models."""
    return {note["rate"]: note["text"] for note in _table()["behaviour"]}


@functools.cache
def _table() -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load((resources.files(__package__) / "papers.yaml").read_text("utf-8"))
    return tree
