"""What a checkpoint says of itself: `lineage.json` for programs, `README.md` for people and the Hub."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cort_data.runs import write_atomically

MODEL = "model"
"""The folder of a fine-tuned model in that of its training."""
LINEAGE_FILE = "lineage.json"
CARD_FILE = "README.md"
_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate")


@dataclass(frozen=True)
class Lineage:
    """Where a fine-tuned model comes from."""

    run_id: str
    """16 hex digits over all that shaped the training; the same for all checkpoints of it."""
    run: str
    """The run's folder by name."""
    stage: str
    recipe: dict[str, str]
    """name, digest."""
    data: dict[str, Any]
    """sources, traces, rows_sha256, traces_sha256, counts."""
    base_model: dict[str, str]
    """name, hash over its files."""
    tokenizer: str
    """Fingerprint over vocabulary and steps."""
    interpreter: dict[str, Any]
    """The semantics that the traces were written under, and the versions that ran them."""
    seed: int
    settings: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)

    def at(self, step: int, updates: int, trained_tokens: int) -> dict[str, Any]:
        """The record of a checkpoint; `trained_tokens` counts every token with loss each time that it was seen."""
        progress = {"step": step, "updates": updates, "trained_tokens": trained_tokens}
        return {"schema_version": 1, **asdict(self), **progress}


def library_versions() -> dict[str, str]:
    """Versions of what trained the model."""
    found = {"cort": version("cort-data"), "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_lineage(folder: Path, record: Mapping[str, Any]) -> None:
    """Write card and lineage into a folder with a model; the lineage last, so that present means complete."""
    write_atomically(folder / CARD_FILE, card(record))
    write_atomically(folder / LINEAGE_FILE, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def read_lineage(folder: Path) -> dict[str, Any] | None:
    """The record of a folder; None where there is none, as in a checkpoint that a kill has cut short."""
    try:
        tree: dict[str, Any] = json.loads((folder / LINEAGE_FILE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return tree


def card(record: Mapping[str, Any]) -> str:
    """The model card in Markdown, with the front matter that the Hub reads."""
    data, settings = record["data"], record["settings"]
    counts = data["counts"]
    rows = {
        "run": f"{record['run']} ({record['run_id']})",
        "recipe": f"{record['recipe']['name']} ({record['recipe']['digest']})",
        "base model": f"{record['base_model']['name']} ({record['base_model']['hash']})",
        "data": f"{data['traces']:,} traces of {', '.join(data['sources'])}; rows `{data['rows_sha256'][:16]}`",
        "trained tokens an epoch": f"{data['trained']:,} of {data['tokens']:,}",
        "dropped as too long": f"{counts['too_long']:,}",
        "update": f"{record['step']:,} of {record['updates']:,}",
        "trained tokens so far": f"{record['trained_tokens']:,}",
        "method": settings["method"],
        "learning rate": f"{settings['learning_rate']:g}, {settings['schedule']}",
        "epochs": f"{settings['epochs']:g}, {settings['batch']} traces an update",
        "hint tokens, fences": f"{settings['hint_tokens']}, {settings['hint_fence']}",
        "seed": str(record["seed"]),
        "versions": ", ".join(f"{name} {number}" for name, number in record["versions"].items()),
    }
    return "\n".join(
        [
            "---",
            f"base_model: {json.dumps(record['base_model']['name'])}",
            "library_name: transformers",
            "tags:\n- cort\n- code-integrated-reasoning",
            "---",
            f"# {record['run']} · {record['stage']} · update {record['step']}\n",
            _nano_note(settings) + "A model that reasons with code: it writes python blocks inside its thinking, an "
            "interpreter runs them, and it goes on from what they printed. Fine-tuned by `cort sft` on traces whose "
            "masks come from the trace: prompt, outputs and notices carry no loss.\n",
            "| | |\n|---|---|",
            *(f"| {name} | {_cell(value)} |" for name, value in rows.items()),
            "\n## Interpreter\n",
            "The traces were written with this interpreter; a model is to be run with the same.\n",
            f"```json\n{json.dumps(record['interpreter'], indent=1)}\n```",
            f"\nThe whole record is in `{LINEAGE_FILE}`.\n",
        ]
    )


def _nano_note(settings: Mapping[str, Any]) -> str:
    return "**A nano model: it tests the mechanism only.**\n\n" if settings.get("profile") == "nano" else ""


def _cell(value: str) -> str:
    return value.replace("|", r"\|").replace("\n", " ")
