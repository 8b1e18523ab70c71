"""A run directory read for its report: what is complete, the rows of its traces, the funnels.

Traces are read one at a time; what is kept of each is a few numbers. The verdicts of a finished evaluation are its own
(`eval/scores.jsonl`); all other traces are graded on the way, by the recipe's graders. A run that is not finished is
read as far as it is, and `missing` says what is not there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cort_data.behaviour import observe
from cort_data.errors import RunError, TraceError
from cort_data.evaluation import results
from cort_data.evaluation.rows import Average, Line, averages, split, tabulate
from cort_data.evaluation.scores import FILE as SCORES
from cort_data.evaluation.scores import Score, read_scores, score_traces
from cort_data.evaluation.settings import TEST, EvalSettings
from cort_data.evaluation.wordings import seen_wordings
from cort_data.grading import Grader
from cort_data.grading.rules import DEFAULT as GRADERS
from cort_data.json_lines import ticking
from cort_data.profiles import load_profile
from cort_data.recipe import StageName
from cort_data.report.funnels import Funnel, read_funnel
from cort_data.report.row import SYNTH, Row, short_names
from cort_data.runs import RunDirectory
from cort_data.shards import TraceStore
from cort_data.stages.filter import KEPT_FILE
from cort_data.stages.trained import is_there, model_of
from cort_data.trace import Trace, first_problem

SHARDS = "traces-*.jsonl"


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
    lines: list[Line] = field(default_factory=list)
    """The evaluation's tables."""
    funnels: list[Funnel] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The recipe's."""
        return str(self.recipe.get("name") or self.path.name)

    @property
    def all_rows(self) -> list[Row]:
        """The evaluation's first, so that a row has one colour in all figures."""
        return [*self.rows, *self.written]

    @property
    def sets(self) -> list[str]:
        """The problem sets of the evaluation."""
        return list(dict.fromkeys(line.row.set for line in self.lines))

    @property
    def averages(self) -> list[Average]:
        """Means over the problem sets."""
        return list(averages(self.lines))


def read_run(path: Path, tell: Callable[[str], None] = lambda _: None) -> RunData:
    """Read a run. Raises RunError if it is none, or has no traces. `tell` hears what is being read."""
    run = RunData(path, _recipe(path))
    for file in sorted(path.rglob("manifest.json")):
        run.manifests[file.parent.relative_to(path).as_posix()] = json.loads(file.read_text("utf-8"))
    run.missing = list(_missing(run))
    with Grader(rules=run.recipe.get("graders") or GRADERS) as grader:
        reader = _Reader(run, grader, tell)
        reader.read_evaluation()
        reader.read_written()
    if not any(row.scores for row in run.all_rows):
        raise RunError(f"{path}: no traces in there yet; run it first, as in: cort run RECIPE --run-dir {path}")
    run.funnels = [read_funnel(file.parent, path) for file in sorted(path.rglob(KEPT_FILE))]
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
    """What the recipe asks for and is not complete."""
    for stage in run.recipe.get("stages") or ():
        written = _trace_folders(run.path / stage)
        if not written and stage not in run.manifests:
            yield f"the stage {stage} has not been run, or was not finished"
        elif stage == StageName.EVAL:
            yield from _missing_evaluation(run)
        elif stage not in run.manifests:
            for folder in written:
                yield f"{folder.relative_to(run.path).as_posix()} is not complete; what it has so far is shown"


def _missing_evaluation(run: RunData) -> Iterator[str]:
    for arm in _arms(run):
        name = arm.folder.relative_to(run.path).as_posix()
        if not any(arm.folder.glob(SHARDS)):
            yield f"{name} has no traces yet"
        elif name not in run.manifests:
            yield f"{name} is not complete; what it has so far is shown"
    if not (run.path / StageName.EVAL / results.RESULTS).is_file():
        yield f"the results of the stage eval are not written yet (eval/{results.RESULTS})"


def _trace_folders(folder: Path) -> list[Path]:
    """Folders below with trace shards."""
    return sorted({file.parent for file in folder.rglob(SHARDS)})


@dataclass(frozen=True)
class _Arm:
    """A folder of the evaluation: a model, a problem set and a policy."""

    folder: Path
    model: str
    set: str
    policy: str


def _arms(run: RunData) -> list[_Arm]:
    """What the recipe asks for, in its order; then other folders with traces, as those of an earlier recipe."""
    settings, root = _settings(run), run.path / StageName.EVAL
    models = settings.models or (str((run.recipe.get("engine") or {}).get("model")),)
    sets = [part.name for part in settings.sets]
    planned = [
        _Arm(root.joinpath(results.folder_name(model), *([part] if sets else []), policy), model, part, policy)
        for model in models
        for policy in settings.policies
        for part in sets or [TEST]
    ]
    names = {results.folder_name(model): model for model in models}
    others = []
    for folder in _trace_folders(root):
        if folder not in {arm.folder for arm in planned}:
            model, *part, policy = folder.relative_to(root).parts
            others.append(_Arm(folder, names.get(model, model), part[0] if part else TEST, policy))
    return planned + others


@dataclass
class _Reader:
    """Fills the rows of a run."""

    run: RunData
    grader: Grader
    tell: Callable[[str], None]

    def read_evaluation(self) -> None:
        """The rows and the tables of the evaluation."""
        settings = _settings(self.run)
        arms = [arm for arm in _arms(self.run) if any(arm.folder.glob(SHARDS))]
        names = short_names(list(dict.fromkeys(arm.model for arm in arms)))
        known: dict[tuple[str, str, str], list[Score]] = defaultdict(list)
        for score in self._finished():
            known[score.model, score.set, score.policy].append(score)
        rows: dict[tuple[str, str], Row] = {}
        parts = []
        for arm in arms:
            key = arm.model, arm.policy
            row = rows.setdefault(key, Row(f"{names[arm.model]} {arm.policy}", *key))
            scores = known.get((arm.model, arm.set, arm.policy))
            if scores or not known:
                found = self._add(row, arm, scores)
                parts += split(found, settings.cutoffs.get(arm.model), self._has_seen(arm.model))
        self.run.rows = [row for row in rows.values() if row.scores]
        self.run.lines = tabulate(parts, settings)

    def read_written(self) -> None:
        """What synthesis and the rounds of rejection fine-tuning wrote."""
        for stage in (StageName.SYNTH, StageName.RFT):
            for folder in _trace_folders(self.run.path / stage):
                row = Row(folder.relative_to(self.run.path).as_posix().removesuffix("/synth"), "", "")
                self.run.written.append(row)
                self._add(row, _Arm(folder, "", SYNTH, ""))

    def _finished(self) -> list[Score]:
        """The scores of a finished evaluation."""
        return read_scores(self.run.path) if (self.run.path / StageName.EVAL / SCORES).is_file() else []

    def _has_seen(self, model: str) -> bool:
        """Is it known which hint wordings the model's corpus has?"""
        directory = RunDirectory(self.run.path)
        return is_there(directory, model) and seen_wordings(model_of(directory, model)) is not None

    def _add(self, row: Row, arm: _Arm, known: list[Score] | None = None) -> list[Score]:
        """Read traces into a row, and grade those that have no scores yet. Returns the scores.

        A trace that this version cannot read ends the folder, and the page says so.
        """
        name = arm.folder.relative_to(self.run.path).as_posix()
        self.tell(f"reading {name}")
        before = len(row.scores)

        def readable(traces: Iterable[Trace]) -> Iterator[Trace]:
            read = 0
            try:
                for trace in ticking(traces, name):
                    yield trace
                    read += 1
            except TraceError as error:
                self.run.missing.append(f"{name}: only {read} traces could be read ({error})")

        with TraceStore(arm.folder) as store:
            by_id = {score.id: score for score in known or ()}
            traces = readable(store.read(by_id or _by_problem(store)))
            scored = (
                ((trace, by_id[trace.id]) for trace in traces)
                if by_id
                else score_traces(traces, self.grader, arm.model, arm.set)
            )
            for trace, score in scored:
                row.add(trace, score, observe(trace, load_profile(trace.profile).think_close))
        return row.scores[before:]


def _settings(run: RunData) -> EvalSettings:
    try:
        return EvalSettings.model_validate(run.recipe.get("eval") or {})
    except ValidationError as error:
        raise RunError(
            f"{run.path / 'recipe.yaml'}: eval.{first_problem(error)}; not written by this version: start the run again"
        ) from None


def _by_problem(store: TraceStore) -> list[str]:
    """The ids of all traces, those of one problem in a row."""
    groups: dict[bytes, list[str]] = {}
    for name, place in store.index.items():
        groups.setdefault(place.problem, []).append(name)
    return list(chain.from_iterable(groups.values()))
