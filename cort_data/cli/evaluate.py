"""`cort eval`: models on problem sets, with and without code and hints."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from cort_data.cli.options import Sets

_Several = list[str] | None


def evaluate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run's folder; traces and results go to DIR/eval.")],
    model: Annotated[
        _Several, typer.Option(metavar="M", help="Folder, Hub id or name on the server; repeatable.")
    ] = None,
    problems: Annotated[
        _Several,
        typer.Option(metavar="SET", help="aime24, math500, …, a file, or NAME=FILE; repeatable."),
    ] = None,
    mode: Annotated[_Several, typer.Option(metavar="MODE", help="text, code or hinted; repeatable.")] = None,
    protocol: Annotated[str | None, typer.Option(metavar="P", help="How a paper evaluates: cort or cir.")] = None,
    samples: Annotated[int | None, typer.Option("--samples", "-n", min=1, help="Traces a problem.")] = None,
    k: Annotated[list[int] | None, typer.Option(min=1, help="k of pass@k and maj@k; repeatable.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many problems of each set.")] = None,
    url: Annotated[str | None, typer.Option(help="The model is on this server, as http://localhost:8000/v1.")] = None,
    profile: Annotated[str | None, typer.Option(help="Model profile: how its family is prompted.")] = None,
    cutoff: Annotated[
        str | None, typer.Option(metavar="DATE", help="Last day of the model's training data, YYYY-MM-DD.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(metavar="RECIPE", help="Start from this recipe.")] = None,
    source: Annotated[
        Path | None, typer.Option("--in", metavar="FILE", help="Test problems, in place of the recipe's.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results here too, as docs/results/NAME.json.")
    ] = None,
    sets: Sets = None,
) -> None:
    """Evaluate models on problem sets: avg@n, pass@k, maj@k, tokens, calls and stop reasons, all with intervals.

    Modes: text (no code is run), code, hinted. Started again, it goes on where it was stopped; more samples, sets,
    modes or models extend it. The traces hold their sampling seeds, DIR/eval/scores.jsonl every verdict.

    Examples: `cort eval --model DIR --profile r1_distill --problems aime24 --protocol cort --out runs/aime24` ·
    `cort eval --model nano-teacher --problems mine.jsonl --mode text --mode code -n 4 --out runs/mine` ·
    `cort eval --recipe nano --out runs/four --set eval.samples=4 --results docs/results/nano.json`
    """
    from cort_data import pipeline
    from cort_data.cli.summary import print_results
    from cort_data.evaluation.request import Request
    from cort_data.recipe import StageName
    from cort_data.runs import RunDirectory
    from cort_data.stages.evaluate import results_file

    own = [f"problems.test={{source: {str(source)!r}}}"] if source else []
    loaded = Request(
        recipe=recipe,
        models=model or (),
        url=url,
        profile=profile,
        sets=problems or (),
        modes=mode or (),
        protocol=protocol,
        samples=samples,
        ks=k or (),
        limit=limit,
        cutoff=cutoff,
        settings=[*own, *(sets or [])],
    ).resolve()
    with RunDirectory(out) as run:
        pipeline.run_stages(run, loaded, [StageName.EVAL])
        print_results(run, loaded, [StageName.EVAL])
        if results:
            results.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(results_file(run), results)
