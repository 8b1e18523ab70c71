"""Grade the answers of public benchmarks: MATH-500 against itself and pair by pair, GSM8K model solutions.

    python benchmarks/grading.py --benchmarks DIR [--workers N] [--against-math-verify N]

DIR holds math500.jsonl (answer) and gsm8k_model_solutions.jsonl (gold, completion ending in "A: value", is_correct).
Prints every equal pair of distinct answers to be read, and writes docs/results/grading.json.
"""

import argparse
import itertools
import json
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cort_data.grading import Grader, Verdict

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "grading.json"
Pair = tuple[str, str]


def main() -> None:
    options = _options()
    with Grader(workers=options.workers) as grader:
        _warm(grader)
        results = {
            "math500": math500(options.benchmarks / "math500.jsonl", grader),
            "gsm8k": gsm8k(options.benchmarks / "gsm8k_model_solutions.jsonl", grader),
            "speed": speed(options.benchmarks / "math500.jsonl", options.workers, options.against_math_verify),
            "workers": options.workers,
        }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {RESULTS}")


def math500(path: Path, grader: Grader) -> dict[str, Any]:
    answers = [row["answer"] for row in rows(path)]
    itself = Counter(grade.verdict for grade in grader.grade_many(zip(answers, answers, strict=True)))
    spaced = Counter(grade.verdict for grade in grader.grade_many((a, respell(a)) for a in answers))
    pairs = pairs_of(answers)
    started = time.perf_counter()
    grades = list(grader.grade_many(pairs))
    seconds = time.perf_counter() - started
    verdicts = Counter(grade.verdict for grade in grades)
    equal = [pair for pair, grade in zip(pairs, grades, strict=True) if grade.verdict is Verdict.EQUAL]
    doubtful = [
        (*pair, grade.reason) for pair, grade in zip(pairs, grades, strict=True) if grade.verdict is Verdict.UNSCORED
    ]
    print(f"MATH-500: {len(answers)} against themselves: {dict(itself)}; respelled: {dict(spaced)}")
    print(f"{len(pairs)} pairs of distinct answers: {dict(verdicts)} in {seconds:.0f} s; equal:")
    for first, second in equal:
        print(f"    {first}    =    {second}")
    for first, second, reason in doubtful[:100]:
        print(f"  ? {first}    {second}    {reason}")
    return {
        "answers": len(answers),
        "against_themselves": dict(itself),
        "respelled": dict(spaced),
        "pairs": len(pairs),
        "pair_verdicts": dict(verdicts),
        "equal_pairs": equal,
        "unscored_pairs": doubtful[:100],
        "pairs_per_s": round(len(pairs) / seconds, 1),
    }


def gsm8k(path: Path, grader: Grader) -> dict[str, Any]:
    solutions = [(row, stated(row["completion"])) for row in rows(path)]
    grades = grader.grade_many((row["gold"], answer) for row, answer in solutions)
    agreement: Counter[str] = Counter()
    disagreements = []
    for (row, answer), grade in zip(solutions, grades, strict=True):
        agrees = (grade.verdict is Verdict.EQUAL) == row["is_correct"]
        agreement["agree" if agrees else "disagree"] += 1
        if not agrees:
            disagreements.append([row["id"], row["gold"], answer, row["is_correct"], grade.verdict, grade.reason])
    print(f"GSM8K model solutions: {dict(agreement)}")
    for disagreement in disagreements:
        print("   ", disagreement)
    return {"solutions": len(solutions), **agreement, "disagreements": disagreements}


def speed(path: Path, workers: int, count: int) -> dict[str, Any]:
    """The same random pairs by new workers of cort, and by math-verify one after the other in this process."""
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    pairs = random.Random(0).sample(pairs_of([row["answer"] for row in rows(path)]), count)
    with Grader(workers=workers) as grader:  # new: nothing of the pairs before is in its caches
        _warm(grader)
        started = time.perf_counter()
        ours = [grade.verdict is Verdict.EQUAL for grade in grader.grade_many(pairs)]
        cort_s = time.perf_counter() - started
    started = time.perf_counter()
    theirs = [bool(verify(parse(f"${gold}$"), parse(f"${answer}$"))) for gold, answer in pairs]
    sequential_s = time.perf_counter() - started
    result = {
        "pairs": count,
        "cort_pairs_per_s": round(count / cort_s, 1),
        "math_verify_pairs_per_s": round(count / sequential_s, 1),
        "ratio": round(sequential_s / cort_s, 2),
        "equal_by_cort": sum(ours),
        "equal_by_math_verify": sum(theirs),
    }
    print(f"speed: {result}")
    return result


def _warm(grader: Grader) -> None:
    grader.grade(r"\sqrt{8}", r"2\sqrt{2}")  # starts a worker, so that rates leave the start out


def pairs_of(answers: list[str]) -> list[Pair]:
    """All pairs of answers that differ as text."""
    return list(itertools.combinations(sorted(set(answers)), 2))


def respell(answer: str) -> str:
    """Another spelling of the same answer: every fraction as \\dfrac, sized brackets, a trailing period."""
    sized = re.sub(r"(?<!\\left)\((.*)\)", r"\\left(\1\\right)", answer) if answer.count("(") == 1 else answer
    return re.sub(r"\\frac", r"\\dfrac", sized).replace(", ", " ,  ") + "."


def stated(completion: str) -> str | None:
    """The value after the last line "A:"."""
    found = re.findall(r"^A:(.*)$", completion, re.MULTILINE)
    return found[-1].strip() if found else None


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--against-math-verify", type=int, default=1000, help="pairs of the speed comparison")
    return parser.parse_args()


if __name__ == "__main__":
    main()
