"""What the miniature consists of: data sets, trainings, evaluations, as steps that wait for each other.

DIR/data/NAME      traces of the teacher under one policy, filtered
DIR/parts/NAME     parts of them, and of the seeds
DIR/train/NAME     a training; the number at the end of a name is its seed
DIR/eval/NAME      the model of that training on `test`, without hints
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reproduce_steps import Fork, Step
from reproduce_tables import by_problem

from cort_data.evaluation.scores import Score, read_scores
from cort_data.grading import Verdict
from cort_data.runs import write_atomically
from cort_data.seeds import find_seeds
from cort_data.stages.filter import KEPT_FILE
from cort_data.training.sources import find_source

RECIPE = "nano_full"
STUDENT, CONTROL = "nano-student", "nano-null"
EASY = ("problems.synth.level=easy", "problems.test.level=easy")
HINT_TOKENS = ("mask", "drop", "paraphrase")
WITHOUT_CODE = ("base", "ph-1", "he-1", "rft-1")
"""What is evaluated without code, too."""
EPOCHS = {10: 40, 30: 24, 100: 18}
"""Passes over so many traces; over all traces those of the recipe."""
SIZES = tuple(EPOCHS)
FEW = f"sft.epochs={EPOCHS[100]}"
"""For other parts of about a hundred traces."""
# All of these were chosen on `dev` (docs/results/reproduce_dev.json).
SEEDS_ALONE = ("sft.data=[seeds/nano]", "sft.epochs=12", "sft.learning_rate=1e-4")
FEW_SEEDS = 10
SYNTH_PROBLEMS = 400  # as many as the recipe has
DIFFICULTY_SAMPLES = 2
"""An easy problem is one that the base solves in all of so many samples, a hard one in none."""


@dataclass(frozen=True)
class Plan:
    """The whole miniature in a folder."""

    folder: Path
    trainings: int
    """Training seeds of the rows of the main table."""
    samples: int
    problems: int

    def steps(self) -> list[Step]:
        """All steps, those on which most waits first."""
        return [*self._data(), *self._main(), *self._control(), *self._ablations(), *self._parts(), *self._text()]

    def seeds(self) -> range:
        """The training seeds."""
        return range(1, self.trainings + 1)

    def eval(self, name: str) -> Path:
        """The run of an evaluation."""
        return self.folder / "eval" / name

    def _data(self) -> Iterator[Step]:
        yield self._traces("he", "hint_engineering")
        yield self._traces("ph", "prompt_hint")
        yield self._traces("plain", "none")
        yield self._eval("base", STUDENT)

    def _main(self) -> Iterator[Step]:
        for seed in self.seeds():
            yield self._chain(f"he-{seed}", "he", seed)
            yield self._train(f"ph-{seed}", self.kept("ph"), seed, after=("data-ph",))
            yield self._train(f"seeds-{seed}", None, seed, SEEDS_ALONE)
            for name in (f"he-{seed}", f"ph-{seed}", f"seeds-{seed}"):
                yield self._eval(name, self._model(name), after=(f"train-{name}",))
            yield self._eval(f"rft-{seed}", self._rft(f"he-{seed}"), after=(f"train-he-{seed}",))

    def _control(self) -> Iterator[Step]:
        """The control model on the same way, on the easy problems that it is made for; and both without hints."""
        yield self._traces("easy-he", "hint_engineering", EASY)
        yield self._traces("easy-plain", "none", EASY)
        yield self._eval("null", CONTROL, EASY)
        model = (f"sft.model={CONTROL}",)
        yield self._chain("null-he-1", "easy-he", 1, (*EASY, *model))
        yield self._train("null-plain-1", self.kept("easy-plain"), 1, (*model, FEW), after=("data-easy-plain",))
        for name in ("null-he-1", "null-plain-1"):
            yield self._eval(name, self._model(name), EASY, after=(f"train-{name}",))
        yield self._eval("null-rft-1", self._rft("null-he-1"), EASY, after=("train-null-he-1",))
        yield self._train("plain-1", self.kept("plain"), 1, (FEW,), after=("data-plain",))
        yield self._eval("plain-1", self._model("plain-1"), after=("train-plain-1",))

    def _ablations(self) -> Iterator[Step]:
        for what in HINT_TOKENS:
            name = f"{what}-1"
            yield self._train(name, self.kept("he"), 1, (f"sft.hint_tokens={what}",), after=("data-he",))
            yield self._eval(name, self._model(name), after=(f"train-{name}",))

    def _parts(self) -> Iterator[Step]:
        """Fewer seeds, fewer traces, easy and hard problems."""
        split = ("problems.test.split=synth", f"problems.test.n={SYNTH_PROBLEMS}", f"eval.samples={DIFFICULTY_SAMPLES}")
        yield self._eval("difficulty", STUDENT, split)
        yield Step("parts", after=("data-he", "eval-difficulty"), work=self.make_parts)
        few = f"sft.data=[{self.folder / 'parts' / f'seeds-{FEW_SEEDS}'}]"
        yield self._train(f"few-seeds-{FEW_SEEDS}-1", None, 1, (*SEEDS_ALONE, few), after=("parts",))
        epochs = {f"first-{n}": f"sft.epochs={passes}" for n, passes in EPOCHS.items()} | {"easy": FEW, "hard": FEW}
        for part, passes in epochs.items():
            yield self._train(f"{part}-1", self.part(part), 1, (passes,), after=("parts",))
        for name in self.part_names():
            yield self._eval(name, self._model(name), after=(f"train-{name}",))

    def _text(self) -> Iterator[Step]:
        """The first models once more, without code."""
        models = {"base": STUDENT, "rft-1": self._rft("he-1")} | {n: self._model(n) for n in ("ph-1", "he-1")}
        for name in WITHOUT_CODE:
            step = self._eval(name, models[name], ("eval.policies=[none, text]",), (f"eval-{name}",))
            yield replace(step, name=f"text-{name}")

    def part_names(self) -> list[str]:
        """The trainings on parts of the data, in the order of their table."""
        return [f"few-seeds-{FEW_SEEDS}-1", *(f"first-{n}-1" for n in SIZES), "easy-1", "hard-1"]

    def _traces(self, name: str, policy: str, sets: Sequence[str] = ()) -> Step:
        run = self.folder / "data" / name
        policy = f"rollout.policy={policy}"
        command = ("run", RECIPE, "--run-dir", str(run), "--until", "dataset", *_sets([policy, *sets]))
        return Step(f"data-{name}", command)

    def _chain(self, name: str, data: str, seed: int, sets: Sequence[str] = ()) -> Step:
        """Fine-tuning on a data set, then rejection fine-tuning: a fork of the run that wrote the data."""
        run, origin = self.folder / "train" / name, self.folder / "data" / data
        command = ("run", RECIPE, "--run-dir", str(run), "--until", "rft", *_sets([f"sft.seed={seed}", *sets]))
        return Step(f"train-{name}", command, (f"data-{data}",), fork=Fork(run, origin, "sft"))

    def _train(
        self, name: str, traces: Path | None, seed: int, sets: Sequence[str] = (), after: tuple[str, ...] = ()
    ) -> Step:
        source = () if traces is None else ("--in", str(traces))
        command = ("sft", "--recipe", RECIPE, "--out", str(self.folder / "train" / name), *source)
        return Step(f"train-{name}", (*command, *_sets([f"sft.seed={seed}", *sets])), after)

    def _eval(
        self,
        name: str,
        model: str,
        sets: Sequence[str] = (),
        after: tuple[str, ...] = (),
    ) -> Step:
        how = [
            f"problems.test.n={self.problems}",
            f"eval.samples={self.samples}",
            f"eval.models=[{model}]",
            "eval.policies=[none]",
        ]
        command = ("eval", "--recipe", RECIPE, "--out", str(self.eval(name)), *_sets([*how, *sets]))
        return Step(f"eval-{name}", command, after)

    def kept(self, data: str) -> Path:
        """The filtered traces of a data set."""
        return self.folder / "data" / data / "filter" / KEPT_FILE

    def part(self, name: str) -> Path:
        """A part of them."""
        return self.folder / "parts" / f"{name}.jsonl"

    def _model(self, name: str) -> str:
        return str(self.folder / "train" / name / "sft" / "model")

    def _rft(self, name: str) -> str:
        return str(self.folder / "train" / name / "rft" / "round-1" / "sft" / "model")

    def make_parts(self) -> None:
        """Write the parts of the data: the first traces, a spread of the seeds, traces of easy and hard problems."""
        folder = self.folder / "parts"
        seeds = find_seeds([find_source("seeds/nano")])
        few = folder / f"seeds-{FEW_SEEDS}"
        few.mkdir(parents=True, exist_ok=True)
        for seed in seeds[:: len(seeds) // FEW_SEEDS][:FEW_SEEDS]:
            shutil.copy(seed, few)
        lines = self.kept("he").read_text("utf-8").splitlines()
        parts = {f"first-{n}": lines[:n] for n in SIZES}
        parts |= easy_and_hard(lines, rates(read_scores(self.eval("difficulty"))))
        for name, own in parts.items():
            write_atomically(self.part(name), "".join(line + "\n" for line in own))


def easy_and_hard(traces: Sequence[str], rates: Mapping[str, float]) -> dict[str, list[str]]:
    """As many traces (JSON lines) of easy problems as of hard ones, by how often the base solves the problem."""
    rate = [(line, rates[json.loads(line)["problem"]["id"]]) for line in traces]
    easy = [line for line, share in rate if share == 1]
    hard = [line for line, share in rate if share == 0]
    size = min(len(easy), len(hard))
    return {"easy": easy[:size], "hard": hard[:size]}


def rates(scores: Iterable[Score]) -> dict[str, float]:
    """Problem → the share of its right samples."""
    right = by_problem((score.problem, score.verdict is Verdict.EQUAL) for score in scores)
    return {problem: sum(values) / len(values) for problem, values in right.items()}


def _sets(settings: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for text in settings for part in ("--set", text))
