"""Import problems: rows of any source become problems, each once, and none that an evaluation set holds.

Reads a row at a time; what grows with the number of problems is the index of near duplicates. What is dropped is
kept beside the result with its reason.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cort_data.errors import CortError
from cort_data.json_lines import BadLine, Row
from cort_data.problem_kind import unsuitable
from cort_data.row_sources import read_source
from cort_data.similarity import Contamination, NearDuplicates, fingerprint
from cort_data.stages.problem_sources import TEXT_KEYS, level_of, to_problem
from cort_data.trace import Problem


class Dropped(StrEnum):
    """Why a problem is not imported."""

    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    CONTAMINATED = "contaminated"
    LEVEL = "level"
    FIGURE = "figure"
    PROOF = "proof"
    MULTIPLE_CHOICE = "multiple_choice"
    ANSWER_IN_STATEMENT = "answer_in_statement"


@dataclass(frozen=True)
class ImportOptions:
    """What counts as the same problem, and which problems are wanted."""

    near_threshold: float = 0.9  # similarity 0 to 1 from which problems with the same numerals and answer are one
    ngram: int = 13  # words that a problem must not share with an evaluation problem
    suitable: bool = False  # leave out figures, proofs, multiple choice and answers in the statement
    levels: tuple[str, ...] = ()  # wanted values of the row's level; none given: all


@dataclass
class ImportReport:
    """Counts of an import; `bad` are the rows that could not be used."""

    read: int = 0
    kept: int = 0
    dropped: Counter[Dropped] = field(default_factory=Counter)
    bad: list[BadLine] = field(default_factory=list)


@dataclass(frozen=True)
class _Drop:
    problem: Problem
    reason: Dropped
    like: str  # id of the problem that it repeats


def import_problems(
    sources: Iterable[str], out: Path, against: Iterable[str] = (), options: ImportOptions | None = None
) -> ImportReport:
    """Write the problems of `sources` to `out`, and the dropped ones with reasons beside it; raises CortError.

    Bad rows are reported and left out. `out` appears when all is read: an interrupted import leaves no half file.
    """
    options = options or ImportOptions()
    report = ImportReport()
    sieve = _Sieve(_guard(against, options.ngram), options.near_threshold)
    dropped_path = dropped_file(out)
    part, dropped_part = (path.with_name(path.name + ".part") for path in (out, dropped_path))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as kept, dropped_part.open("w", encoding="utf-8") as dropped:
            for row, problem in _problems(sources, report):
                drop = _unwanted(row, problem, options) or sieve.sift(problem)
                if drop is None and not sieve.take(problem):
                    report.bad.append(BadLine(row.where, f"the id {problem.id!r} stands on another problem too"))
                elif drop is None:
                    report.kept += 1
                    kept.write(problem.model_dump_json() + "\n")
                else:
                    report.dropped[drop.reason] += 1
                    dropped.write(_line(drop) + "\n")
        os.replace(dropped_part, dropped_path)
        os.replace(part, out)
    except OSError as error:
        raise CortError(f"cannot write {error.filename or out}: {error.strerror}; nothing was imported") from None
    finally:
        for path in (part, dropped_part):
            path.unlink(missing_ok=True)
    return report


def dropped_file(out: Path) -> Path:
    """Where the problems that an import left out are written."""
    return out.with_name(f"{out.stem}.dropped.jsonl")


def _unwanted(row: Row, problem: Problem, options: ImportOptions) -> _Drop | None:
    if options.levels and (level_of(row) or "") not in options.levels:
        return _Drop(problem, Dropped.LEVEL, "")
    reason = unsuitable(problem.text, problem.answer) if options.suitable else None
    return _Drop(problem, Dropped(reason.value), "") if reason else None


class _Sieve:
    """Lets each problem through once, and none that the guard knows."""

    def __init__(self, guard: Contamination, near_threshold: float) -> None:
        self._guard = guard
        self._near = NearDuplicates(near_threshold)
        self._exact: dict[bytes, str] = {}
        self._ids: set[str] = set()

    def sift(self, problem: Problem) -> _Drop | None:
        """Why the problem is left out, or None."""
        if (like := self._exact.get(fingerprint(problem.text))) is not None:
            return _Drop(problem, Dropped.EXACT_DUPLICATE, like)
        if (like := self._guard.find(problem.text)) is not None:
            return _Drop(problem, Dropped.CONTAMINATED, like)
        if (like := self._near.find(problem.text, _answer_key(problem))) is not None:
            return _Drop(problem, Dropped.NEAR_DUPLICATE, like)
        return None

    def take(self, problem: Problem) -> bool:
        """Remember a problem that is kept; False if its id is taken, for traces are told apart by it."""
        if problem.id in self._ids:
            return False
        self._ids.add(problem.id)
        self._exact[fingerprint(problem.text)] = problem.id
        self._near.add(problem.id, problem.text, _answer_key(problem))
        return True


def _answer_key(problem: Problem) -> str:
    # "Find BC" and "Find CD" below one long figure are near in words, and two problems: the answers tell.
    return fingerprint(problem.answer).hex()


def _problems(sources: Iterable[str], report: ImportReport) -> Iterator[tuple[Row, Problem]]:
    for source in sources:
        before = report.read
        for row in read_source(source):
            report.read += 1
            problem = row if isinstance(row, BadLine) else to_problem(row, Path(source).stem)
            if isinstance(problem, BadLine):
                report.bad.append(problem)
            elif not isinstance(row, BadLine):
                yield row, problem
        if report.read == before:
            raise CortError(f"{source} holds no problems: it is empty; nothing was imported")


def _guard(files: Iterable[str], ngram: int) -> Contamination:
    """An index of evaluation problems; a row of theirs without text would be a hole in it, and is refused."""
    guard = Contamination(ngram)
    for file in files:
        for row in read_source(file):
            if isinstance(row, BadLine):
                raise CortError(f"{row}; every line of a file given with --against must be readable")
            text = next((value for key in TEXT_KEYS if isinstance(value := row.fields.get(key), str)), None)
            if text is None:
                raise CortError(f"{row.where}: no problem text to decontaminate against")
            guard.add(str(row.fields.get("id") or row.where), text)
    return guard


def _line(drop: _Drop) -> str:
    return json.dumps(
        {"reason": drop.reason, "like": drop.like, "problem": drop.problem.model_dump()}, ensure_ascii=False
    )
