"""The data card: what a data set holds, how it was made, and what its outputs mean."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cort_data.stages.dataset import DatasetInfo

NANO = "nano"

_SEMANTICS = """\
## Interpreter semantics

Every `output` was made by an interpreter while the trace was written; none by a model. All blocks of a trace share
one session: variables persist, a trailing bare expression is echoed, stdout and stderr stand in order, an exception
leaves a short traceback of the block's own frames. `random` and `numpy.random` start from the trace's `seed` and
`PYTHONHASHSEED` is 0, so that a replay gives the same output. Longer output is cut in the middle and says so. A block
that was killed is followed by a notice that the session's state was lost. The limits stand in the column
`interpreter`.
"""

_COLUMNS = """\
## Columns

A row is one trace: `problem`, the rendered `prompt`, and `segments` in order. A segment's `kind` (text, code, output,
notice) says what it is, its `origin` (model, hint, interpreter, system, human) who wrote it. `completion`, `token_ids`
and `env_mask` join the segments; `env_mask` is 1 for tokens of the model, a hint or a human and 0 for those of the
environment, which no loss should see. `model_tokens_kept` counts model tokens in the trace, `model_tokens_generated`
also those that were rewound or cut. `events` says what was cut and where hints fired, `decisions` what each filter
said.
"""


def data_card(info: DatasetInfo, name: str, file: str, schema_version: int) -> str:
    """Markdown with the front matter that the Hub and `datasets.load_dataset` read."""
    parts = [
        _front_matter(file),
        f"# {name}\n\nReasoning traces with executed Python, written by `cort` (trace schema {schema_version}).\n",
        _nano_note(info),
        _counts(info),
        *(_table(title.capitalize(), counts) for title, counts in info.settings.items()),
        _table("Hints", info.hints, "traces that hold it"),
        _SEMANTICS,
        _COLUMNS,
        f"## Integrity\n\nSHA-256 of `{file}`: `{info.sha256}`\n",
    ]
    return "\n".join(part for part in parts if part)


def _front_matter(file: str) -> str:
    return f"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {file}\n---\n"


def _nano_note(info: DatasetInfo) -> str:
    nano = any(NANO in profile for profile in info.settings.get("profile", ()))
    return "The problems and the model are of the nano world, which tests the mechanism only.\n" if nano else ""


def _counts(info: DatasetInfo) -> str:
    rows = {
        "traces": info.rows,
        "problems": info.problems,
        "executed blocks": info.calls,
        **{f"tokens of origin {origin}": n for origin, n in info.tokens.items() if n},
    }
    return _table("Counts", Counter(rows), "number", sort=False)


def _table(title: str, counts: Counter[str], column: str = "traces", *, sort: bool = True) -> str:
    if not counts:
        return ""
    items = counts.most_common() if sort else counts.items()
    lines = [f"| {_cell(value)} | {n:,} |" for value, n in items]
    return "\n".join([f"## {title}\n", f"| | {column} |", "|---|---:|", *lines, ""])


def _cell(value: str) -> str:
    return value.replace("|", r"\|").replace("\n", " ") or "(none)"
