"""What `cort run` prints: the plan before, the funnel, the tables, the rates and the places after."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from cort_data import pipeline
from cort_data.evaluation.tables import sampling_table, set_table
from cort_data.funnel import Funnel
from cort_data.recipe import Recipe, StageName
from cort_data.runs import RunDirectory
from cort_data.shards import TraceStore
from cort_data.spending import Spending
from cort_data.stages import evaluate, sft, synth
from cort_data.stages.writing import Work
from cort_data.tables import candidate_table, out, policy_table, rounds_table, spending_table


def print_plan(folder: Path, recipe: Recipe, stages: Sequence[StageName]) -> None:
    """What a run would do, and the first prompt as the model gets it. Raises what the run would refuse."""
    run = RunDirectory(folder)
    pipeline.check(run, recipe, stages)
    print(f"run directory: {folder}{'' if folder.exists() else ' (new)'}")
    print(f"engine: {recipe.engine.kind} {recipe.engine.model}, {recipe.engine.in_flight} traces in flight")
    for stage in stages:
        print(f"{stage}: {_planned(run, recipe, stage)}")
    print(f"--- first prompt\n{pipeline.first_prompt(run, recipe, stages)}\n--- end")


def print_results(run: RunDirectory, recipe: Recipe, stages: Sequence[StageName]) -> None:
    """Funnel, policy table, rates, and where everything lies."""
    console = out()
    if StageName.SYNTH in stages:
        _print_candidates(run.stage(StageName.SYNTH).manifest(), console)
    if StageName.FILTER in stages:
        counts = run.stage(StageName.FILTER).manifest() or {}
        console.print(Funnel("filter", counts["kept"], Counter(counts["dropped"])).table())
        if "spending" in counts:  # not in runs of earlier versions
            console.print(spending_table(Spending.from_dict(counts["spending"]), recipe.prices))
    if StageName.EVAL in stages:
        print_policies(run, console)
        for arm in evaluate.arms(run, recipe):
            _print_candidates(arm.folder.manifest(), console)
    _print_rates(run, recipe, stages)
    if StageName.DATASET in stages:
        rows = (run.stage(StageName.DATASET).manifest() or {})["rows"]
        print(f"data set: {run.stage(StageName.DATASET).path}, {rows} traces in Parquet, with its card")
    if StageName.SFT in stages:
        trained = run.stage(StageName.SFT).manifest() or {}
        place = run.stage(StageName.SFT).path / "model"
        print(f"model: {place}, {trained['updates']} updates, loss {trained['loss']:.4f}")
    if StageName.RFT in stages:
        console.print(rounds_table((run.stage(StageName.RFT).manifest() or {})["rounds"]))
    print(f"run: {run.path}")


def print_policies(run: RunDirectory, console: Console) -> None:
    """The comparison of policies, what several samples are worth, and the problem sets side by side."""
    results = json.loads(evaluate.results_file(run).read_text("utf-8"))
    console.print(policy_table(results))
    if results["samples"] > 1:
        console.print(sampling_table(results))
    if results["averages"]:
        console.print(set_table(results))


def _print_candidates(manifest: dict[str, Any] | None, console: Console) -> None:
    """Of a stage that searched: what it found out about each hint."""
    if rows := (manifest or {}).get("candidates"):
        console.print(candidate_table(rows))


def _planned(run: RunDirectory, recipe: Recipe, stage: StageName) -> str:
    if stage is StageName.SYNTH:
        return _survey(Work(synth.plan(recipe), TraceStore(run.stage(stage).path)))
    if stage is StageName.FILTER:
        return ", ".join(entry.name for entry in recipe.filters) or "no filters"
    if stage is StageName.DATASET:
        return "Parquet of the kept traces"
    if stage is StageName.SFT:
        section = recipe.sft
        return f"{section.method} training of {sft.base_of(recipe)} on {', '.join(section.data)}"
    if stage is StageName.RFT:
        return f"{recipe.rft.rounds} rounds of {recipe.rft.samples} samples a problem, {recipe.rft.choice} of the kept"
    if stage is StageName.DISTILL and recipe.distill:
        return f"{recipe.distill.method} training of {recipe.distill.model} on {', '.join(recipe.distill.data)}"
    return " · ".join(
        f"{arm.label} ({arm.model}): {_survey(Work(arm.plan(), TraceStore(arm.folder.path)))}"
        for arm in evaluate.arms(run, recipe)
    )


def _survey(work: Work) -> str:
    survey = work.survey()
    return f"{survey.planned} traces, {survey.planned - survey.missing} of them written"


def _print_rates(run: RunDirectory, recipe: Recipe, stages: Sequence[StageName]) -> None:
    manifests = {"synth": run.stage(StageName.SYNTH).manifest()} if StageName.SYNTH in stages else {}
    if StageName.EVAL in stages:
        manifests["eval"] = evaluate.arms(run, recipe)[-1].folder.manifest()
    for stage, manifest in manifests.items():
        session = (manifest or {}).get("last_session", {})
        if session.get("traces"):
            print(
                f"{stage}: {session['traces']} traces in {session['seconds']:.0f} s, "
                f"{session['model_tokens_per_s']:,.0f} model tokens/s"
            )
