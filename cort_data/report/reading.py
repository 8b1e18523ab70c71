"""A run directory read for its report: what is complete, the rows of its traces, and the funnel.

Traces are read one at a time and graded on the way; what is kept of each is a few numbers (`row.Sample`). A run that
is not finished is read as far as it is, and `missing` says what is not there.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from cort_data.behaviour import observe
from cort_data.errors import RunError, TraceError
from cort_data.filters.base import first_drop
from cort_data.grading import Grader, Verdict, extract_answer
from cort_data.json_lines import ticking
from cort_data.profiles import load_profile
from cort_data.recipe import StageName
from cort_data.report.row import Row
from cort_data.shards import FAILED, TraceStore
from cort_data.stages.filter import DROPPED_FILE, KEPT_FILE
from cort_data.trace import Trace
from cort_data.traces_io import read_traces

SHOWN = 600
"""Characters of an example's text."""


@dataclass(frozen=True, slots=True)
class Example:
    """A dropped trace, as an example of its reason."""

    reason: str
    detail: str
    id: str
    problem: str
    text: str


@dataclass(frozen=True, slots=True)
class Funnel:
    """What the filters of one stage did."""

    name: str
    """Of its folder in the run."""
    counts: dict[str, Any]
    """in, kept, and dropped: reason → traces."""
    examples: list[Example]
    """The first trace that was dropped for each reason."""


@dataclass
class RunData:
    """Everything that the report of a run shows."""

    path: Path
    recipe: dict[str, Any]
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Folder in the run → the manifest of a complete stage, or of a part of one."""
    missing: list[str] = field(default_factory=list)
    """What is not there yet, one sentence each."""
    written: list[Row] = field(default_factory=list)
    """What synthesis wrote, and what rejection fine-tuning sampled, one a round."""
    rows: list[Row] = field(default_factory=list)
    """The evaluation's, one a model and policy."""
    funnels: list[Funnel] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The recipe's."""
        return str(self.recipe.get("name") or self.path.name)

    @property
    def all_rows(self) -> list[Row]:
        """The evaluation's first, so that a row has one colour in all figures."""
        return [*self.rows, *self.written]


def read_run(path: Path, tell: Callable[[str], None] = lambda _: None) -> RunData:
    """Read a run. Raises RunError if it is none, or has no traces. `tell` hears what is being read."""
    run = RunData(path, _recipe(path))
    for file in sorted(path.rglob("manifest.json")):
        run.manifests[file.parent.relative_to(path).as_posix()] = json.loads(file.read_text("utf-8"))
    run.missing = list(_missing(run))
    with Grader() as grader:
        for folder in _trace_folders(path):
            name = folder.relative_to(path).as_posix()
            tell(f"reading {name}")
            stage, _, part = name.partition("/")
            if stage == StageName.EVAL:
                model, _, policy = part.rpartition("/")
                run.rows.append(row := Row(part, model, policy))
            else:
                run.written.append(row := Row(name.removesuffix("/synth"), "", ""))
            _fill(row, _stored(folder), grader)
        run.rows.sort(key=lambda row: _place(run.recipe, row))
    run.missing += [f"{row.name}: {row.error}" for row in run.all_rows if row.error]
    if not any(row.samples for row in run.all_rows):
        raise RunError(f"{path}: no traces in there yet; run it first, as in: cort run RECIPE --run-dir {path}")
    run.funnels = [_funnel(file.parent, path) for file in sorted(path.rglob(KEPT_FILE))]
    return run


def _recipe(path: Path) -> dict[str, Any]:
    file = path / "recipe.yaml"
    if not file.is_file():
        raise RunError(f"{path}: not a run (no recipe.yaml there); name the folder that cort run printed")
    try:
        tree = yaml.safe_load(file.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise RunError(f"{file}: not YAML ({str(error).splitlines()[0]}); start the run again to write it") from None
    return tree if isinstance(tree, dict) else {}


def _missing(run: RunData) -> Iterator[str]:
    """The stages of the recipe that are not complete."""
    for stage in run.recipe.get("stages") or ():
        written = _trace_folders(run.path / stage)
        if stage in run.manifests:
            continue
        unfinished = [f for f in written if stage != StageName.EVAL or not (f / "manifest.json").is_file()]
        for folder in unfinished:
            yield f"{folder.relative_to(run.path).as_posix()} is not complete; what it has so far is shown"
        if not written:
            yield f"the stage {stage} has not been run, or was not finished"
        elif stage == StageName.EVAL and not (run.path / stage / "results.json").is_file():
            yield "the results of the stage eval are not written yet (eval/results.json)"


def _place(recipe: dict[str, Any], row: Row) -> tuple[int, str, int]:
    """In the recipe's order of models, and of policies within a model."""
    section = recipe.get("eval") or {}
    models = [re.sub(r"[^A-Za-z0-9.]+", "-", str(model)).strip("-") for model in section.get("models") or ()]
    policies = list(section.get("policies") or ())
    return _index(models, row.model), row.model, _index(policies, row.policy)


def _index(names: list[str], name: str) -> int:
    """Where a name stands; after all others if nowhere."""
    return names.index(name) if name in names else len(names)


def _trace_folders(folder: Path) -> list[Path]:
    """Folders below with trace shards."""
    return sorted({file.parent for file in folder.rglob("traces-*.jsonl")})


def _stored(folder: Path) -> Iterator[Trace]:
    """The traces of a stage, each as it was written last."""
    with TraceStore(folder) as store:
        yield from store.read(list(store.index))


def _fill(row: Row, traces: Iterable[Trace], grader: Grader) -> None:
    """Grade and count traces; a trace that this version cannot read ends the row, which says so."""
    waiting: deque[tuple[Trace, str]] = deque()

    def pairs() -> Iterator[tuple[str, str | None]]:
        try:
            for trace in ticking(traces, row.name):
                waiting.append((trace, close := load_profile(trace.profile).think_close))
                yield trace.problem.answer, extract_answer(trace.text, close)
        except TraceError as error:
            row.error = f"only {len(row.samples) + len(waiting)} traces could be read ({error})"

    for grade in grader.grade_many(pairs()):
        trace, close = waiting.popleft()
        verdict = Verdict.UNSCORED if trace.stop_reason in FAILED else grade.verdict
        row.add(trace, verdict, observe(trace, close))


def _funnel(folder: Path, run: Path) -> Funnel:
    """Counts, and for each reason the first trace that was dropped for it."""
    files = [file for file in (folder / KEPT_FILE, folder / DROPPED_FILE) if file.is_file() and file.stat().st_size]
    kept, dropped, examples = 0, Counter[str](), dict[str, Example]()
    for trace in chain.from_iterable(read_traces(file) for file in files):
        drop = first_drop(trace.decisions)
        if drop is None:
            kept += 1
            continue
        dropped[drop.reason] += 1
        if drop.reason not in examples:
            text = trace.text if len(trace.text) <= SHOWN else trace.text[:SHOWN] + " …"
            examples[drop.reason] = Example(drop.reason, drop.detail, trace.id, trace.problem.text, text)
    counts = dict(dropped.most_common())
    totals = {"in": kept + dropped.total(), "kept": kept, "dropped": counts}
    return Funnel(folder.relative_to(run).as_posix(), totals, [examples[reason] for reason in counts])
