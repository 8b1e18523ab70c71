"""`cort grade`: compare answers with gold answers."""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from cort_data.errors import CortError, RecipeError
from cort_data.grading import Grade, Grader, Verdict
from cort_data.grading.rules import DEFAULT
from cort_data.json_lines import BadLine, Row, as_text, read_rows, ticking


def grade(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="JSON lines with gold, answer; - is stdin.")
    ] = None,
    gold: Annotated[str | None, typer.Option(help="One gold answer, to compare with --answer.")] = None,
    answer: Annotated[str | None, typer.Option(help="One answer, without its box.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that do algebra.")] = 1,
    rule: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Rules beside the first one; none: numeric. Repeatable.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="CPU seconds a pair, then it is unscored.")] = 5.0,
) -> None:
    """Say of each answer whether it is equal to the gold answer, different, or cannot be judged (unscored).

    Each line comes back with `verdict` and `reason`. Values are compared: 1/2 equals 0.5, x=5 equals 5, 10% equals
    0.1 and not 10, units and degrees are ignored, a decimal equals a fraction only if it is exact. Two rules judge (the
    first with math-verify); where they disagree, the answer is unscored. Verdicts leave the exit code at 0; a line that
    cannot be read is named and left out, and the exit code is 2.

    Examples: `cort grade answers.jsonl > graded.jsonl` · `cort grade --gold '\\frac{1}{2}' --answer 0.5`
    """
    with Grader(workers, timeout, rule or DEFAULT) as grader:
        if file is None:
            _print_one(grader, gold, answer)
        elif gold is None and answer is None:
            with _opened(file) as lines:
                _print_all(grader, lines, "stdin" if file == "-" else file)
        else:
            raise RecipeError("give either FILE or --gold with --answer, not both")


def _print_one(grader: Grader, gold: str | None, answer: str | None) -> None:
    if gold is None or answer is None:
        raise RecipeError("nothing to grade: give a FILE of JSON lines, or both --gold and --answer")
    typer.echo(_shown({"gold": gold, "answer": answer}, grader.grade(gold, answer)))


def _print_all(grader: Grader, lines: Iterable[bytes], name: str) -> None:
    bad: list[BadLine] = []
    counts: Counter[Verdict] = Counter()
    for row, verdict in _graded(grader, ticking(read_rows(lines, name), "grade"), bad):
        counts[verdict.verdict] += 1
        typer.echo(_shown(row.fields, verdict))
    if not counts and not bad:
        raise CortError(f"{name}: the file is empty; expected one JSON object a line, with gold and answer")
    summary = " · ".join(f"{counts[verdict]:,} {verdict}" for verdict in Verdict)
    print(f"grade: {summary} · {len(bad):,} bad lines", file=sys.stderr)
    if bad:
        raise typer.Exit(2)


def _graded(grader: Grader, rows: Iterable[Row | BadLine], bad: list[BadLine]) -> Iterator[tuple[Row, Grade]]:
    """Good rows with their grades, in order; bad ones are named on stderr as they are met."""
    waiting: deque[Row] = deque()

    def pairs() -> Iterator[tuple[str | None, str | None]]:
        for row in rows:
            checked = row if isinstance(row, BadLine) else _pair(row)
            if isinstance(checked, BadLine):
                print(f"cort: {checked}", file=sys.stderr)
                bad.append(checked)
            else:
                assert isinstance(row, Row)
                waiting.append(row)
                yield checked

    for verdict in grader.grade_many(pairs()):
        yield waiting.popleft(), verdict


def _pair(row: Row) -> tuple[str | None, str | None] | BadLine:
    values = []
    for key in ("gold", "answer"):
        value = row.fields.get(key)
        if key not in row.fields or (value is not None and as_text(value) is None):
            got = f"got {json.dumps(value)[:60]}" if key in row.fields else "it is missing"
            return BadLine(row.where, f"{key}: expected a text or a number, {got}")
        values.append(as_text(value))
    return values[0], values[1]


def _shown(fields: dict[str, object], verdict: Grade) -> str:
    return json.dumps({**fields, "verdict": verdict.verdict, "reason": verdict.reason})


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as lines:
            yield lines
    except OSError as error:
        raise RecipeError(f"cannot read {file}: {error.strerror}") from None
