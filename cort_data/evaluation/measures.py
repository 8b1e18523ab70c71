"""The measures of an evaluation, from graded traces: one value a measure, with its interval over the problems.

A share or a mean is taken within each problem first. Totals per trace of a kind (tokens per correct answer, tokens of
correct traces) are ratios of totals. Unscored traces are neither right nor wrong: they are left out of accuracy, pass@k
and maj@k, and a problem with fewer than k scored samples is left out of those at k.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cort_data.evaluation.scores import Score
from cort_data.evaluation.voting import majority_at_k
from cort_data.grading import Verdict
from cort_data.statistics import Array, Interval, Ratios, intervals, paired_differences, pass_at_k, share_interval

_MEANS: dict[str, Callable[[Score], float]] = {
    "code_use_rate": lambda s: s.calls > 0,
    "tokens_kept": lambda s: s.model_tokens,
    "tokens_generated": lambda s: s.generated,
    "tokens_interpreter": lambda s: s.interpreter_tokens,
    "tokens_hint": lambda s: s.hint_tokens,
    "calls": lambda s: s.calls,
}
_TOKENS: dict[str, Callable[[Score], float]] = {
    "kept": lambda s: s.model_tokens,
    "generated": lambda s: s.generated,
    "interpreter": lambda s: s.interpreter_tokens,
    "hint": lambda s: s.hint_tokens,
}
_VERDICTS = {"correct": Verdict.EQUAL, "incorrect": Verdict.DIFFERENT}
_TOTALS = frozenset(
    {
        "tokens_after_last_output",
        "tokens_per_correct",
        *(f"tokens_{kind}_{verdict}" for verdict in _VERDICTS for kind in _TOKENS),
    }
)
SHARES = frozenset({"accuracy", "code_use_rate"})
MEASURES = (
    "accuracy",
    "code_use_rate",
    "tokens_kept",
    "tokens_generated",
    "calls",
    "tokens_after_last_output",
    "tokens_per_correct",
    "tokens_interpreter",
    "tokens_hint",
    *(f"tokens_{kind}_{verdict}" for verdict in _VERDICTS for kind in _TOKENS),
)
"""Beside these there are pass@k and maj@k."""


@dataclass(frozen=True)
class Measured:
    """Measures over the same P problems, in one order."""

    names: tuple[str, ...]
    ratios: Ratios
    """Both arrays `(M, P)`."""
    means: tuple[bool, ...]
    """`(M,)`: a mean over problems, and not a ratio of totals."""
    present: Array
    """`(P,)`: does the problem have a trace?"""

    def only(self, names: Sequence[str]) -> Ratios:
        """The ratios of some measures, in this order."""
        rows = [self.names.index(name) for name in names]
        return Ratios(self.ratios.numerator[rows], self.ratios.denominator[rows])

    def values(self) -> dict[str, float | None]:
        """Each measure; None where there is nothing to divide by."""
        found = self.ratios.values()
        return {name: None if np.isnan(v) else float(v) for name, v in zip(self.names, found, strict=True)}

    def intervals(self) -> dict[str, Interval | None]:
        """Each measure with its 95% interval."""
        found = dict(zip(self.names, intervals(self.ratios), strict=True))
        for i, name in enumerate(self.names):
            if is_share(name):
                shares = np.where(self.ratios.denominator[i] > 0, self.ratios.numerator[i], np.nan)
                found[name] = share_interval(shares)
        return found

    def minus(self, first: Measured) -> dict[str, Interval | None]:
        """The differences to another run of the same problems, over those that have traces on both sides.

        A mean counts the problems that have a value on both.
        """
        names = [name for name in self.names if name in first.names]
        both = [side.only(names) for side in (first, self)]
        means = np.array([self.means[self.names.index(name)] for name in names])
        common = (both[0].denominator > 0) & (both[1].denominator > 0)
        kept = np.where(means[:, None], common, first.present * self.present > 0)
        masked = [Ratios(side.numerator * kept, side.denominator * kept) for side in both]
        return dict(zip(names, paired_differences(*masked), strict=True))


def is_share(name: str) -> bool:
    """Is the measure a share between 0 and 1?"""
    return name in SHARES or "@" in name


def measure(scores: Iterable[Score], problems: Sequence[str], ks: Sequence[int]) -> Measured:
    """The measures of one row: scores of one model, set and policy; problems without any are left out."""
    place = {problem: i for i, problem in enumerate(problems)}
    samples: dict[int, list[Score]] = defaultdict(list)
    for score in scores:
        samples[place[score.problem]].append(score)
    rows: dict[str, tuple[Array, Array]] = {}
    size = len(problems)

    def row(name: str) -> tuple[Array, Array]:
        return rows.setdefault(name, (np.zeros(size), np.zeros(size)))

    for name in (*MEASURES, *(f"{kind}@{k}" for kind in ("pass", "maj") for k in ks)):
        row(name)
    for i, group in samples.items():
        for name, value in _of_problem(group, ks).items():
            row(name)[0][i], row(name)[1][i] = value, 1
        for name, (top, bottom) in _totals(group).items():
            row(name)[0][i], row(name)[1][i] = top, bottom
    ratios = Ratios(np.stack([top for top, _ in rows.values()]), np.stack([bottom for _, bottom in rows.values()]))
    present = np.array([float(i in samples) for i in range(size)])
    return Measured(tuple(rows), ratios, tuple(name not in _TOTALS for name in rows), present)


def _of_problem(samples: Sequence[Score], ks: Sequence[int]) -> dict[str, float]:
    """The means and shares of one problem; those that it has no value of are not in there."""
    values = {name: float(np.mean([read(s) for s in samples])) for name, read in _MEANS.items()}
    scored = [s for s in samples if s.verdict is not Verdict.UNSCORED]
    right = [s for s in scored if s.verdict is Verdict.EQUAL]
    wrong = Counter(s.group for s in scored if s.verdict is Verdict.DIFFERENT)
    silent = wrong.pop(None, 0)
    if scored:
        values["accuracy"] = len(right) / len(scored)
    for k in ks:
        if k <= len(scored):
            values[f"pass@{k}"] = pass_at_k(len(scored), len(right), k)
            values[f"maj@{k}"] = majority_at_k(len(right), list(wrong.values()), silent, k)
    return values


def _totals(samples: Sequence[Score]) -> dict[str, tuple[float, float]]:
    """Numerators and denominators of the ratios of totals."""
    after = [s.after for s in samples if s.after is not None]
    right = [s for s in samples if s.verdict is Verdict.EQUAL]
    parts: dict[str, tuple[float, float]] = {
        "tokens_after_last_output": (sum(after), len(after)),
        "tokens_per_correct": (sum(s.generated for s in samples), len(right)),
    }
    for name, verdict in _VERDICTS.items():
        among = [s for s in samples if s.verdict is verdict]
        for kind, read in _TOKENS.items():
            parts[f"tokens_{kind}_{name}"] = (sum(map(read, among)), len(among))
    return parts
