"""The models that a run trains, by the name of their stage: `eval.models: [nano-student, sft, rft]`."""

from __future__ import annotations

from cort_data.errors import RunError
from cort_data.recipe import StageName
from cort_data.runs import RunDirectory
from cort_data.training.lineage import MODEL

STAGES = (StageName.SFT, StageName.RFT, StageName.DISTILL)


def model_of(run: RunDirectory, name: str) -> str:
    """What a model's name stands for: the checkpoint of a stage, or the name itself. Raises RunError."""
    if name not in STAGES:
        return name
    folder = run.stage(StageName(name))
    manifest = folder.manifest()
    if manifest is None:
        raise RunError(f"{run.path}: the stage {name} is not complete, so there is no model of it; run it first")
    return str(run.path / manifest["checkpoint"] if name == StageName.RFT else folder.path / MODEL)


def is_there(run: RunDirectory, name: str) -> bool:
    """Is this model known already, or does a stage still have to make it?"""
    return name not in STAGES or run.stage(StageName(name)).manifest() is not None
