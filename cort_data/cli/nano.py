"""`cort nano`: the embedded world. Its figures test the mechanism only."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The embedded world: problems, corpus, training of its models.", no_args_is_help=True)

N = Annotated[int, typer.Option("--n", min=1, help="How many.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same lines.")]


@app.command("problems")
def problems_command(
    split: Annotated[str, typer.Option(help="pretrain, synth, dev or test; tune on dev, never on test.")] = "synth",
    n: N = 10,
    seed: Seed = 0,
    level: Annotated[str, typer.Option(help="normal, or easy: as short by hand as with code.")] = "normal",
) -> None:
    """Print generated problems, one JSON object a line.

    Examples: `cort nano problems --split dev --n 500 --seed 3` · `cort nano problems --level easy`
    """
    from cort_data.nano.families import check_level, check_split, problems

    for problem in problems(check_split(split), n, seed, check_level(level)):
        typer.echo(problem.model_dump_json())


@app.command("corpus")
def corpus_command(
    n: N = 10,
    seed: Seed = 0,
    model: Annotated[str | None, typer.Option(help="A model's own mixture: teacher, student or null.")] = None,
) -> None:
    """Print traces of the training corpus: problem, text, answer, and the spans of each behaviour.

    Examples: `cort nano corpus --n 3` · `cort nano corpus --n 200 --model teacher --seed 5`
    """
    from cort_data.nano.corpus import traces
    from cort_data.nano.mixtures import BASE, mixture_of

    mixture = mixture_of(model) if model else BASE
    for trace in islice(traces("pretrain", seed, mixture), n):
        spans = [{"label": s.label, "start": s.start, "end": s.end} for s in trace.spans]
        line = {"problem": trace.problem.model_dump(), "completion": trace.text, "answer": trace.answer, "spans": spans}
        typer.echo(json.dumps(line))


@app.command("train")
def train_command(
    name: Annotated[str, typer.Argument(metavar="teacher|student|null")],
    out: Annotated[Path, typer.Option(help="Folder of the models; the shared base checkpoint is kept there.")] = Path(
        "nano-weights"
    ),
    seed: Annotated[int, typer.Option(help="Decides corpus, tokenizer, first weights and order.")] = 7,
) -> None:
    """Train a model from scratch: under an hour on two CPU cores, the second model in minutes.

    Examples: `cort nano train teacher` · `cort nano train null --out /tmp/nano`
    """
    from cort_data.nano.train import Plan, train

    typer.echo(train(name, out / name, Plan(seed=seed)))


@app.command("measure")
def measure_command(
    models: Annotated[
        list[Path] | None, typer.Argument(metavar="[MODEL_DIR]…", help="Default: the shipped models.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="dev problems.")] = 500,
    seed: Seed = 11,
    level: Annotated[str, typer.Option(help="normal or easy.")] = "normal",
    out: Annotated[Path, typer.Option(help="Results file.")] = Path("docs/results/nano_dev.json"),
) -> None:
    """Measure models on dev problems: by hand, alone, and under the hint policies. Mechanism only.

    Examples: `cort nano measure` · `cort nano measure nano-weights/null --level easy --n 100 --out null.json`
    """
    from cort_data.nano import measure
    from cort_data.nano.families import check_level

    what = measure.Measurement(n=n, seed=seed)
    command = " ".join(["cort nano measure", *map(str, models or ()), f"--n {n} --seed {seed} --level {level}"])
    folders = models or sorted(path for path in measure.WEIGHTS.iterdir() if path.is_dir())
    rows = {path.name: asyncio.run(measure.measure(path, what, check_level(level))) for path in folders}
    results = {
        "name": "nano_dev",
        "note": measure.NOTE,
        "command": command,
        "split": "dev",
        "settings": dataclasses.asdict(what),
        "models": rows,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    typer.echo(str(out))
