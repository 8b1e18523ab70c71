"""The sft stage: traces → token rows → a fine-tuned model with its lineage. Goes on where it was killed.

`fine_tune` trains one model on any traces; rejection fine-tuning and distillation call it with theirs. Its folder:

    key.json            what shaped the training; another key is refused
    rows/               token rows while the training lasts
    checkpoints/        optimizer, scheduler and random states, for resuming; each with card and lineage
    model/              the trained model in Hugging Face format, with card and lineage
    adapter/            of lora and qlora, beside the merged model
    log.json            loss, rate and gradient norm of every update
    manifest.json       counts and provenance; present means complete
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cort_data.errors import RecipeError, TrainingError
from cort_data.hints.library import load_library
from cort_data.hints.template import Hint, reword
from cort_data.profiles import load_profile
from cort_data.recipe import Recipe, StageName
from cort_data.runs import RunDirectory, StageFolder
from cort_data.trace import Trace
from cort_data.training import processes
from cort_data.training.lineage import MODEL
from cort_data.training.settings import SftSettings
from cort_data.training.sources import read_sources

if TYPE_CHECKING:
    from cort_data.training.dataset import RowFile
    from cort_data.training.lineage import Lineage
    from cort_data.training.rows import RowSettings
    from cort_data.training.tokens import Student

VERSION = 1
_ROWS = "rows"


@dataclass(frozen=True)
class FineTuning:
    """Everything that shapes a fine-tuning besides its traces and its base model."""

    sft: SftSettings
    profile: str
    prompt: str
    seed: int
    hints: Mapping[str, Hint] = field(default_factory=dict)
    """The hints as they were worded, by name: paraphrases come from them."""
    stage: str = StageName.SFT
    run: str = ""
    """The run's folder by name, for the lineage."""
    recipe: Mapping[str, str] = field(default_factory=lambda: {"name": "", "digest": ""})
    sources: tuple[str, ...] = ()
    """What the traces are called in the lineage."""

    def key(self, base_hash: str, rows_sha256: str) -> dict[str, Any]:
        """All that the weights depend on."""
        section = self.sft.model_dump(mode="json", exclude={"data", "model", "seed", "report_to", "save_every"})
        return {
            "stage": self.stage,
            "version": VERSION,
            "seed": self.seed,
            "base_model": base_hash,
            "rows": rows_sha256,
            "sft": section,
        }


@dataclass(frozen=True)
class Checkpoint:
    """A trained model."""

    path: Path
    """Its folder in Hugging Face format, with `lineage.json`."""
    run_id: str
    updates: int
    trained_tokens: int
    loss: float
    """Of the last update."""
    eval_loss: float | None
    """Of the model that was kept; None where nothing was held out."""


def settings_of(recipe: Recipe, run: Path) -> FineTuning:
    """What a recipe asks for. Raises HintError, RecipeError."""
    wordings = recipe.rollout.wordings
    library = load_library()
    for name in sorted(set(wordings) - set(library)):
        raise RecipeError(f"rollout.wordings.{name}: no hint of that name; cort hints list names them")
    reworded = {name: reword(library[name], texts, f"rollout.wordings.{name}") for name, texts in wordings.items()}
    return FineTuning(
        sft=recipe.sft,
        profile=recipe.engine.profile,
        prompt=recipe.rollout.prompt,
        seed=recipe.seed if recipe.sft.seed is None else recipe.sft.seed,
        hints={**library, **reworded},
        run=run.name,
        recipe={"name": recipe.name, "digest": recipe.digest()},
        sources=recipe.sft.data,
    )


def base_of(recipe: Recipe) -> str:
    """The model that is trained."""
    return recipe.sft.model or recipe.engine.model


def run_sft(run: RunDirectory, recipe: Recipe, kept: Path | None = None) -> tuple[Checkpoint, bool]:
    """The stage of a run; `kept` names another run, or a file, in place of the traces that this one kept.

    The second value is False if it was complete already.
    """
    folder = run.stage(StageName.SFT)
    done = folder.manifest() is not None
    traces = read_sources(recipe.sft.data, kept or run.path, recipe.engine.profile)
    return fine_tune(settings_of(recipe, run.path), traces, base_of(recipe), folder.path), not done


def run_distill(run: RunDirectory, recipe: Recipe, kept: Path | None = None) -> tuple[Checkpoint, bool]:
    """Strong-to-weak distillation (METHOD §2): a weaker model is trained on what a strong one wrote in this run.

    Returns what `run_sft` does.
    """
    section = recipe.distill
    if section is None or section.model is None:
        raise RecipeError("distill.model: required by the stage distill, and missing")
    folder = run.stage(StageName.DISTILL)
    done = folder.manifest() is not None
    traces = read_sources(section.data, kept or run.path, recipe.engine.profile)
    own = settings_of(recipe.model_copy(update={"sft": section}), run.path)
    settings = replace(own, stage=StageName.DISTILL)
    return fine_tune(settings, traces, section.model, folder.path), not done


def fine_tune(settings: FineTuning, traces: Iterable[Trace], base_model: str, out_dir: Path) -> Checkpoint:
    """Train `base_model` on the traces into `out_dir`; what is complete is reused, what was killed goes on.

    Under `accelerate launch` all processes call it with the same arguments. Raises CortError: TrainingError for a
    base, data or memory that does not do, RunError where `out_dir` was made with other settings.
    """
    try:
        from cort_data.stages.workshop import folder_hash
        from cort_data.training.model import find_base
        from cort_data.training.session import Training
        from cort_data.training.tokens import Student, check_template, load_tokenizer
    except ModuleNotFoundError as error:
        raise TrainingError(f"training needs the extra `train` ({error}); pip install 'cort-data[train]'") from None
    base = find_base(base_model)
    student = Student(load_tokenizer(base), load_profile(settings.profile), settings.sft.prompts == "tokenizer")
    if student.by_template:
        check_template(student.tokenizer, student.profile)
    folder = StageFolder(out_dir)
    with _quiet():
        rows = _rows(settings, traces, student, base, out_dir / _ROWS)
        key = settings.key(folder_hash(base), rows.rows_sha256)
        if processes.is_first():
            folder.enter(key)
        processes.wait()
        if folder.manifest() is None:
            lineage = _lineage(settings, rows, student, base_model, key)
            result = Training(settings.sft, settings.seed, student, base, rows, lineage, out_dir).run()
            if processes.is_first():
                folder.finish(_manifest(lineage, result))
            processes.wait()
    if processes.is_first():
        shutil.rmtree(out_dir / _ROWS, ignore_errors=True)
    return _checkpoint(out_dir, folder.manifest() or {})


def _rows(settings: FineTuning, traces: Iterable[Trace], student: Student, base: Path, place: Path) -> RowFile:
    """The token rows: written by the first process, read by all."""
    from cort_data.training.dataset import read_rows, write_rows
    from cort_data.training.rows import RowMaker

    if processes.is_first():
        write_rows(traces, RowMaker(student, row_settings(settings, base), settings.hints), place)
    processes.wait()
    return read_rows(place)


def row_settings(settings: FineTuning, base: Path) -> RowSettings:
    """What shapes the rows. None may be longer than the base's context."""
    from cort_data.training.model import context_of
    from cort_data.training.rows import RowSettings

    sft = settings.sft
    return RowSettings(
        prompt=settings.prompt,
        hint_tokens=sft.hint_tokens,
        train_fence=sft.hint_fence == "train",
        max_tokens=min(sft.max_tokens, context_of(base) or sft.max_tokens),
        seed=settings.seed,
    )


def _lineage(settings: FineTuning, rows: RowFile, student: Student, base_model: str, key: Mapping[str, Any]) -> Lineage:
    from cort_data.training.lineage import Lineage, library_versions
    from cort_data.training.tokens import fingerprint

    versions = library_versions()
    return Lineage(
        run_id=hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16],
        run=settings.run,
        stage=settings.stage,
        recipe=dict(settings.recipe),
        data={
            "sources": list(settings.sources),
            "traces": rows.counts["rows"],
            "tokens": rows.counts["tokens"],
            "trained": rows.counts["trained"],
            "traces_sha256": rows.traces_sha256,
            "rows_sha256": rows.rows_sha256,
            "counts": rows.counts,
        },
        base_model={"name": base_model, "hash": key["base_model"]},
        tokenizer=fingerprint(student.tokenizer),
        interpreter={
            "semantics": [json.loads(text) for text in rows.interpreters],
            "cort": versions["cort"],
            "python": versions["python"],
            "PYTHONHASHSEED": "0",
        },
        seed=settings.seed,
        settings={**settings.sft.model_dump(mode="json"), "profile": settings.profile, "prompt": settings.prompt},
        versions=versions,
    )


def _manifest(lineage: Lineage, result: Mapping[str, Any]) -> dict[str, Any]:
    names = ("stage", "run_id", "recipe", "base_model", "tokenizer", "data", "versions")
    return {**{name: getattr(lineage, name) for name in names}, **result}


def _checkpoint(folder: Path, manifest: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(
        path=folder / MODEL,
        run_id=manifest["run_id"],
        updates=manifest["updates"],
        trained_tokens=manifest["trained_tokens"],
        loss=manifest["loss"],
        eval_loss=manifest["eval_loss"],
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Libraries announce what later versions will change, and draw bars: nothing that the user is to act on."""
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.set_verbosity_error()
    with warnings.catch_warnings(action="ignore"):
        yield
