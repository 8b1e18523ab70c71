"""Where the weights of `manual_arithmetic` come from: a logistic regression on the clauses of annotated traces.

    python benchmarks/fit_manual_arithmetic.py --traces DIR [--annotations FILE]

A clause is an example of computing by hand if its middle lies in a marked span. The fitted log-odds are halved, so that
a threshold of 3 stands for odds of e^6, and printed; rounded, they stand in `hints/triggers/arithmetic.py`. Then the
trigger is scored with weights that were fitted without the traces that it is scored on: without each family of models
in turn, and without each of eight parts of the traces. Only the development half may be given.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from triggers import ANNOTATIONS, as_row, family, show_row, think_close

from cort_data.hints import lexicon
from cort_data.hints.annotations import Marked, read_marked
from cort_data.hints.scoring import outcome, quality
from cort_data.hints.triggers import arithmetic
from cort_data.hints.view import Clause, View

Array = NDArray[np.float64]
Key = tuple[str, int]

LABEL = "manual_arithmetic"
RIDGE = 5.0
SHIFT = 0.5
"""Added to the fitted log-odds of a clause: a span also goes on through short remarks."""
ROUNDED = 0.05
PARTS = 8


def features(text: str, stems: int) -> list[float]:
    """What `arithmetic.weight` looks at, counted as it counts."""
    plain = text.encode("ascii", "replace")
    digits = bool(stems & lexicon.DIGIT)
    return [
        1.0,
        min(100, len(plain.translate(None, arithmetic._NO_LETTERS))),
        float(text[-2:-1] == ":" or text[-1] == "："),
        float(bool(stems & arithmetic._COMPARED)),
        min(9, len(plain.translate(arithmetic._DIGITS).split())) if digits else 0,
        float(digits and arithmetic._OPERATION.search(text) is not None),
        min(3, len(arithmetic._EVALUATED.findall(text))) if digits and stems & arithmetic._EQUAL else 0,
        *(float(bool(stems & bit)) for bit, _ in arithmetic._BITS),
    ]


NAMES = ["base", "letter", "colon", "comparison", "number", "operation", "evaluation"]
NAMES += [f"words {weight:+g}" for weight, _ in arithmetic._WORDS]


def clauses(marked: Marked) -> list[Clause]:
    """All clauses of a completion that are read."""
    view = View(think_close=marked.completion.think_close)
    found: dict[int, Clause] = {}
    for segment in marked.completion.segments:
        view.append(segment.kind, segment.origin, segment.text)
        found.update((clause.start, clause) for clause in view.clauses)
    return list(found.values())


def examples(marked: Marked) -> tuple[Array, Array]:
    """Features of the clauses, and whether they stand in a marked span."""
    read = clauses(marked)
    gold = marked.of(LABEL)
    inside = [any(span.start <= (c.start + c.end) / 2 < span.end for span in gold) for c in read]
    rows = [features(c.text, c.stems) for c in read]
    return np.array(rows).reshape(-1, len(NAMES)), np.array(inside, dtype=np.float64)


def fit(parts: Sequence[tuple[Array, Array]]) -> Array:
    """Half of the log-odds that each feature adds."""
    x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    scale = np.maximum(x.max(axis=0), 1)
    x = x / scale

    def loss(w: Array) -> tuple[float, Array]:
        z = x @ w
        penalty = np.r_[0, w[1:]]
        value = np.logaddexp(0, z).sum() - (y * z).sum() + RIDGE * (penalty**2).sum() / 2
        return float(value), x.T @ (1 / (1 + np.exp(-z)) - y) + RIDGE * penalty

    fitted = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    fitted[0] += SHIFT
    return np.asarray(fitted / scale / 2)


def rounded(weights: Array) -> Array:
    """As they are written down: the weight of a letter in more detail than the others."""
    steps = np.array([0.002 if name == "letter" else ROUNDED for name in NAMES])
    return np.asarray(np.round(weights / steps) * steps)


def score(
    marked: Sequence[Marked], held_out: Sequence[int], weigh: Callable[[int], Callable[[str, int], float]]
) -> None:
    """Score each completion with the weights of its part."""
    kept, outcomes = arithmetic.weight, []
    for one, part in zip(marked, held_out, strict=True):
        setattr(arithmetic, "weight", weigh(part))  # noqa: B010 - for the checker it is a function, not a name
        outcomes.append(outcome(one, arithmetic.ManualArithmetic()))
    setattr(arithmetic, "weight", kept)  # noqa: B010
    show_row(LABEL, as_row(quality(outcomes)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, required=True)
    parser.add_argument("--annotations", type=Path, default=ANNOTATIONS / "dev.jsonl")
    args = parser.parse_args()
    marked = read_marked(sorted(args.traces.glob("*.jsonl")), args.annotations, think_close)
    parts = [examples(one) for one in marked]
    for name, weight in zip(NAMES, fit(parts), strict=True):
        print(f"  {name:<12} {weight:+.3f}")

    families = [family(one.completion.model) for one in marked]
    folds = {
        "without its family": [sorted(set(families)).index(one) for one in families],
        **{f"without its part, {seed}": [int(x) for x in np.random.default_rng(seed).permutation(len(marked)) % PARTS]
           for seed in range(3)},
    }  # fmt: skip
    for title, fold in folds.items():
        fitted = {k: rounded(fit([p for p, f in zip(parts, fold, strict=True) if f != k])) for k in set(fold)}
        print(title)
        score(marked, fold, lambda part, fitted=fitted: lambda text, stems: float(features(text, stems) @ fitted[part]))  # type: ignore[misc]


if __name__ == "__main__":
    main()
