"""Rows of problem sets as problems: the names that public sets give to a statement, its answer and its source."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cort_data.grading.extract import extract_answer
from cort_data.json_lines import BadLine, Row, as_text
from cort_data.trace import Problem

TEXT_KEYS = ("problem", "question", "prompt", "text")
ANSWER_KEYS = ("answer", "gold", "gold_answer", "final_answer", "solution")
ID_KEYS = ("id", "unique_id", "problem_id")
SOURCE_KEYS = ("source", "data_source")
TOPIC_KEYS = ("topic", "subject", "type")
LEVEL_KEYS = ("level", "difficulty")

_GSM8K_ANSWER = re.compile(r"####\s*(.+?)\s*$")


def to_problem(row: Row, source: str) -> Problem | BadLine:
    """The problem of a row; `source` names the data set where the row does not."""
    text = _first(row, TEXT_KEYS)
    if not text:
        return BadLine(row.where, f"no problem text; expected one of the fields {', '.join(TEXT_KEYS)}")
    answer = stated_answer(row)
    if not answer:
        return BadLine(row.where, f"no answer; expected one of the fields {', '.join(ANSWER_KEYS)}")
    if any("\ud800" <= char <= "\udfff" for char in text + answer):
        return BadLine(row.where, "half a surrogate pair, which is no text; repair the file's escapes")
    number = row.where.rpartition(":")[2]
    return Problem(
        id=_first(row, ID_KEYS) or f"{source}-{number}",
        text=text,
        answer=answer,
        source=_first(row, SOURCE_KEYS) or source,
        topic=_first(row, TOPIC_KEYS) or "",
    )


def stated_answer(row: Row) -> str | None:
    """The answer field; of a worked solution what follows `####` (GSM8K) or stands in its last box (MATH)."""
    for key in ANSWER_KEYS:
        value = (as_text(row.fields.get(key)) or "").strip()
        marked = _GSM8K_ANSWER.search(value)
        answer = marked[1] if marked else extract_answer(value, think_close="") if key == "solution" else value
        if answer:
            return answer
    return None


def level_of(row: Row) -> str | None:
    """The row's level as it stands there, without the word: `5` of `Level 5`."""
    level = _first(row, LEVEL_KEYS)
    return level.removeprefix("Level ") if level else None


def _first(row: Row, keys: Iterable[str]) -> str | None:
    values = ((as_text(row.fields.get(key)) or "").strip() for key in keys)
    return next(filter(None, values), None)
