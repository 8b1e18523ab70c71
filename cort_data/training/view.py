"""A training row for reading: every token coloured by who wrote it, masked ones dimmed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Group
from rich.rule import Rule
from rich.text import Text

from cort_data.trace import Origin, Trace
from cort_data.training.rows import IGNORED, TokenRow

if TYPE_CHECKING:
    from cort_data.recipe import Recipe
    from cort_data.training.tokens import Student

_COLOURS = {
    None: "cyan",
    Origin.MODEL: "white",
    Origin.HINT: "yellow",
    Origin.HUMAN: "blue",
    Origin.INTERPRETER: "green",
    Origin.SYSTEM: "magenta",
}


def render_training_row(trace: Trace, recipe: Recipe) -> Group:
    """The row that `cort sft` makes of the trace under this recipe. Raises CortError."""
    from pathlib import Path

    from cort_data.profiles import load_profile
    from cort_data.stages.sft import base_of, row_settings, settings_of
    from cort_data.training.model import find_base
    from cort_data.training.rows import RowMaker
    from cort_data.training.tokens import Student, load_tokenizer

    settings = settings_of(recipe, Path())
    base = find_base(base_of(recipe))
    by_template = settings.sft.prompts == "tokenizer"
    student = Student(load_tokenizer(base), load_profile(settings.profile), by_template)
    row = RowMaker(student, row_settings(settings, base), settings.hints).row(trace)
    return render_row(row, student)


def render_row(row: TokenRow, student: Student) -> Group:
    """A legend with counts, then the tokens; every other one is underlined, so that borders show."""
    return Group(Rule(f"row of trace {row.id}", align="left"), _legend(row), Rule(style="dim"), _tokens(row, student))


def _legend(row: TokenRow) -> Text:
    counts = Counter(zip(row.origins, (label != IGNORED for label in row.labels), strict=True))
    text = Text(f"{len(row.input_ids)} tokens, {row.trained} trained")
    for (origin, trained), n in counts.items():
        name = f"{origin or 'prompt'} {'trained' if trained else 'masked'}"
        text.append("  ").append(f"{name} {n}", _style(origin, trained))
    return text


def _tokens(row: TokenRow, student: Student) -> Text:
    text = Text()
    for i, (token, label, origin) in enumerate(zip(row.input_ids, row.labels, row.origins, strict=True)):
        shown = student.tokenizer.decode([token])
        style = _style(origin, label != IGNORED) + (" underline" if i % 2 else "")
        text.append(shown.replace("\n", "⏎\n") if shown.strip("\n") == "" else shown, style)
    return text


def _style(origin: Origin | None, trained: bool) -> str:
    return f"bold {_COLOURS[origin]}" if trained else f"dim {_COLOURS[origin]}"
