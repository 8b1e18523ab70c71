"""What several samples of one problem are worth together: which answers are the same, and the majority's verdict.

pass@k is `statistics.pass_at_k`. Both are averages over all choices of k of the n samples, computed and not drawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import comb


def answer_groups(answers: Sequence[str | None], same: Callable[[str, str], bool]) -> list[int | None]:
    """The number of each answer's class: the first earlier answer of the same value decides. None is in no class."""
    firsts: list[str] = []
    known: dict[str, int] = {}
    groups: list[int | None] = []
    for answer in answers:
        if answer is None:
            groups.append(None)
            continue
        if answer not in known:
            found = next((i for i, first in enumerate(firsts) if same(first, answer)), None)
            if found is None:
                firsts.append(answer)
            known[answer] = len(firsts) - 1 if found is None else found
        groups.append(known[answer])
    return groups


def majority_at_k(right: int, wrong: Sequence[int], silent: int, k: int) -> float:
    """The chance that the most frequent answer of k samples is right; of equally frequent ones one is drawn.

    Of the samples, `right` have the right answer, `wrong[i]` the i-th wrong one, `silent` none: they do not vote.
    Exact: for each number of right answers among the k, the ways to choose the others are counted.
    """
    total = right + sum(wrong) + silent
    value = Fraction(0)
    for votes in range(1, min(right, k) + 1):
        for ties, ways in _ways(wrong, silent, k - votes, votes).items():
            value += Fraction(comb(right, votes) * ways, ties + 1)
    return float(value / comb(total, k))


def _ways(wrong: Sequence[int], silent: int, chosen: int, most: int) -> dict[int, int]:
    """Wrong answers that have exactly `most` votes → in how many ways `chosen` samples give that and none has more."""
    if max(wrong, default=0) < most:  # no limit and no tie
        return {0: comb(sum(wrong) + silent, chosen)}
    counts: dict[tuple[int, int], int] = {(0, 0): 1}
    for size in wrong:
        after: dict[tuple[int, int], int] = defaultdict(int)
        for (used, ties), ways in counts.items():
            for votes in range(min(size, most, chosen - used) + 1):
                after[used + votes, ties + (votes == most)] += ways * comb(size, votes)
        counts = after
    result: dict[int, int] = defaultdict(int)
    for (used, ties), ways in counts.items():
        result[ties] += ways * comb(silent, chosen - used)
    return dict(result)
