"""A run directory read for its report: what is complete, the rows of its traces, and the funnel.

Traces are read one at a time and graded on the way; what is kept of each is a few numbers (`row.Sample`). A run that
is not finished is read as far as it is, and `missing` says what is not there.
"""

from __future__ import annotations

import json
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


@dataclass
class RunData:
    """Everything that the report of a run shows."""

    path: Path
    recipe: dict[str, Any]
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Folder in the run → the manifest of a complete stage, or of a part of one."""
    missing: list[str] = field(default_factory=list)
    """What is not there yet, one sentence each."""
    synth: Row | None = None
    rows: list[Row] = field(default_factory=list)
    """The evaluation's, one a model and policy."""
    funnel: dict[str, Any] | None = None
    examples: list[Example] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The recipe's."""
        return str(self.recipe.get("name") or self.path.name)

    @property
    def all_rows(self) -> list[Row]:
        """Synthesis last, so that a row has one colour in all figures."""
        return [row for row in (*self.rows, self.synth) if row is not None]


def read_run(path: Path, tell: Callable[[str], None] = lambda _: None) -> RunData:
    """Read a run. Raises RunError if it is none, or has no traces. `tell` hears what is being read."""
    run = RunData(path, _recipe(path))
    for file in sorted(path.rglob("manifest.json")):
        run.manifests[file.parent.relative_to(path).as_posix()] = json.loads(file.read_text("utf-8"))
    run.missing = list(_missing(run))
    with Grader() as grader:
        tell("reading synth")
        run.synth = _synth(run, grader)
        for folder in _trace_folders(path / StageName.EVAL):
            name = folder.relative_to(path / StageName.EVAL).as_posix()
            tell(f"reading eval/{name}")
            model, _, policy = name.rpartition("/")
            _fill(row := Row(name, model, policy), _stored(folder), grader)
            run.rows.append(row)
        run.rows.sort(key=lambda row: _place(run.recipe, row))
    run.missing += [f"{row.name}: {row.error}" for row in run.all_rows if row.error]
    if not any(row.samples for row in run.all_rows):
        raise RunError(f"{path}: no traces in there yet; run it first, as in: cort run RECIPE --run-dir {path}")
    run.funnel, run.examples = _funnel(run)
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
        folders = [name for name in run.manifests if name == stage or name.startswith(f"{stage}/")]
        unfinished = [f for f in _trace_folders(run.path / stage) if not (f / "manifest.json").is_file()]
        for folder in unfinished:
            yield f"{folder.relative_to(run.path).as_posix()} is not complete; what it has so far is shown"
        if not folders and not unfinished:
            yield f"the stage {stage} has not been run, or was not finished"
    if "eval" in (run.recipe.get("stages") or ()) and not (run.path / "eval" / "results.json").is_file():
        yield "the results of the stage eval are not written yet (eval/results.json)"


def _place(recipe: dict[str, Any], row: Row) -> tuple[str, int]:
    """Rows of one model in the recipe's order of policies."""
    policies = list((recipe.get("eval") or {}).get("policies") or ())
    return row.model, policies.index(row.policy) if row.policy in policies else len(policies)


def _trace_folders(folder: Path) -> list[Path]:
    """Folders below with trace shards."""
    return sorted({file.parent for file in folder.rglob("traces-*.jsonl")})


def _stored(folder: Path) -> Iterator[Trace]:
    """The traces of a stage, each as it was written last."""
    with TraceStore(folder) as store:
        yield from store.read(list(store.index))


def _synth(run: RunData, grader: Grader) -> Row | None:
    folder = run.path / StageName.SYNTH
    if not folder.is_dir():
        return None
    rollout = run.recipe.get("rollout") or {}
    engine = run.recipe.get("engine") or {}
    row = Row("synth", str(engine.get("model", "")), str(rollout.get("policy", "")))
    _fill(row, _stored(folder), grader)
    return row if row.samples else None


def _fill(row: Row, traces: Iterable[Trace], grader: Grader) -> None:
    """Grade and count traces; a trace that this version cannot read ends the row, which says so."""
    waiting: deque[tuple[Trace, str]] = deque()

    def pairs() -> Iterator[tuple[str, str | None]]:
        try:
            for trace in traces:
                waiting.append((trace, close := load_profile(trace.profile).think_close))
                yield trace.problem.answer, extract_answer(trace.text, close)
        except TraceError as error:
            row.error = f"only {len(row.samples) + len(waiting)} traces could be read ({error})"

    for grade in grader.grade_many(pairs()):
        trace, close = waiting.popleft()
        verdict = Verdict.UNSCORED if trace.stop_reason in FAILED else grade.verdict
        row.add(trace, verdict, observe(trace, close))


def _funnel(run: RunData) -> tuple[dict[str, Any] | None, list[Example]]:
    """What the filters did, and for each reason the first trace that was dropped for it."""
    folder = run.path / StageName.FILTER
    files = [folder / name for name in (KEPT_FILE, DROPPED_FILE)]
    if not any(file.is_file() and file.stat().st_size for file in files):
        return None, []
    kept, dropped, examples = 0, Counter[str](), dict[str, Example]()
    for trace in chain.from_iterable(read_traces(file) for file in files if file.is_file() and file.stat().st_size):
        drop = first_drop(trace.decisions)
        if drop is None:
            kept += 1
            continue
        dropped[drop.reason] += 1
        if drop.reason not in examples:
            text = trace.text if len(trace.text) <= SHOWN else trace.text[:SHOWN] + " …"
            examples[drop.reason] = Example(drop.reason, drop.detail, trace.id, trace.problem.text, text)
    counts = dict(dropped.most_common())
    funnel = {"in": kept + dropped.total(), "kept": kept, "dropped": counts}
    return funnel, [examples[reason] for reason in counts]
