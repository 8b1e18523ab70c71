"""Two runs compared on the problems that both have: is the difference separable, and what would make it so?

Arms are paired by problem set and policy. Where each run has one policy, or one is named for each, these two are
paired, whatever their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cort_data.errors import RunError
from cort_data.evaluation.measures import measure
from cort_data.evaluation.power import Need, need
from cort_data.evaluation.scores import Score, read_scores
from cort_data.statistics import Interval


@dataclass(frozen=True)
class Side:
    """One run, and what of it is compared."""

    run: Path
    model: str | None = None
    """Needed where the run has several."""
    policy: str | None = None


@dataclass(frozen=True)
class Compared:
    """Two arms on the same problems. Differences are B (the second) minus A."""

    set: str
    first: str
    second: str
    problems: int
    only: tuple[int, int]
    """Problems that only one side has; they do not count."""
    samples: tuple[float, float]
    """Mean samples a problem."""
    values: tuple[dict[str, float | None], dict[str, float | None]]
    differences: dict[str, Interval | None]
    needs: dict[str, Need | None]
    """For accuracy and tokens_generated: what it would take to tell the two apart."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        tree = asdict(self)
        for name, found in self.differences.items():
            if found is not None:
                tree["differences"][name]["separable"] = found.beyond
        return tree

    def verdicts(self) -> Iterator[str]:
        """In words: accuracy and generated tokens."""
        for name, what in (("accuracy", "accuracy"), ("tokens_generated", "tokens generated")):
            found, needed = self.differences.get(name), self.needs[name]
            if found is None:
                yield f"{what}: no value on one side"
            elif found.beyond:
                yield f"{what}: separable"
            else:
                yield f"{what}: not separable{_remedy(name, needed)}"


def compare_runs(first: Side, second: Side) -> list[Compared]:
    """All arms that pair. Raises RunError if none do, or if a problem is not the same on both sides."""
    sides = [_scores(side) for side in (first, second)]
    pairs = list(_pairs(*sides))
    if not pairs:
        raise RunError(
            f"{first.run} and {second.run} have no problem set and policy in common: {_listed(sides[0])} and "
            f"{_listed(sides[1])}; name one policy of each with --policy-a and --policy-b"
        )
    return [_compare(one, other) for one, other in pairs]


def _scores(side: Side) -> list[Score]:
    scores = read_scores(side.run)
    models = sorted({score.model for score in scores})
    if side.model is None and len(models) > 1:
        raise RunError(f"{side.run} has several models ({', '.join(models)}); name one with --model-a or --model-b")
    found = [s for s in scores if side.model in (None, s.model) and side.policy in (None, s.policy)]
    if not found:
        raise RunError(f"{side.run} has no such model and policy; it has {_listed(scores)}")
    return found


def _listed(scores: Iterable[Score]) -> str:
    return ", ".join(sorted({f"{s.model} {s.set} {s.policy}" for s in scores}))


def _pairs(first: Sequence[Score], second: Sequence[Score]) -> Iterator[tuple[list[Score], list[Score]]]:
    policies = [list(dict.fromkeys(score.policy for score in side)) for side in (first, second)]
    matched = [(p, p) for p in policies[0] if p in policies[1]]
    if len(policies[0]) == len(policies[1]) == 1:
        matched = [(policies[0][0], policies[1][0])]
    for part in dict.fromkeys(score.set for score in first):
        for one, other in matched:
            sides = [[s for s in side if (s.set, s.policy) == (part, p)] for side, p in ((first, one), (second, other))]
            if all(sides):
                yield sides[0], sides[1]


def _compare(first: list[Score], second: list[Score]) -> Compared:
    digests = [{score.problem: score.digest for score in side} for side in (first, second)]
    common = [problem for problem in digests[0] if problem in digests[1]]
    if not common:
        raise RunError(f"problem set {first[0].set}: the two runs have no problem in common")
    changed = [problem for problem in common if digests[0][problem] != digests[1][problem]]
    if changed:
        raise RunError(
            f"problem set {first[0].set}: {len(changed)} problems are not the same on both sides, the first is "
            f"{changed[0]!r}; evaluate both on one file"
        )
    sides = [[score for score in side if score.problem in set(common)] for side in (first, second)]
    ks = _ks(sides)
    measured = [measure(side, common, ks) for side in sides]
    return Compared(
        set=first[0].set,
        first=f"{first[0].model} {first[0].policy}",
        second=f"{second[0].model} {second[0].policy}",
        problems=len(common),
        only=(len(digests[0]) - len(common), len(digests[1]) - len(common)),
        samples=(len(sides[0]) / len(common), len(sides[1]) / len(common)),
        values=(measured[0].values(), measured[1].values()),
        differences=measured[1].minus(measured[0]),
        needs={
            "accuracy": need(*(_of_problems(side, _right) for side in sides)),
            "tokens_generated": need(*(_of_problems(side, lambda s: float(s.generated)) for side in sides)),
        },
    )


def _ks(sides: Sequence[Sequence[Score]]) -> list[int]:
    """Powers of two up to the samples that both sides have of a problem."""
    fewest = min(max(score.sample for score in side) + 1 for side in sides)
    return [2**i for i in range(fewest.bit_length())]


def _right(score: Score) -> float | None:
    return None if score.right is None else float(score.right)


def _of_problems(scores: Iterable[Score], value: Any) -> dict[str, list[float]]:  # noqa: ANN401 - see the two callers
    found: dict[str, list[float]] = {}
    for score in scores:
        if (number := value(score)) is not None:
            found.setdefault(score.problem, []).append(number)
    return found


def _remedy(name: str, needed: Need | None) -> str:
    if needed is None or needed.problems is None:
        return ""
    size = f"{100 * needed.detectable:.1f} points" if name == "accuracy" else f"{needed.detectable:,.0f} tokens"
    samples = f", or {needed.samples:,} samples a problem on these" if needed.samples is not None else ""
    return (
        f"; a difference from {size} on would show here, and one as large as this needs about {needed.problems:,} "
        f"problems{samples}"
    )
