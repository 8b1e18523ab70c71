"""Grade our own labelled pairs and the answers of public benchmarks, and write docs/results/grading.json.

    python benchmarks/grading.py --benchmarks DIR [--workers N] [--against-math-verify N]

Our pairs are tests/data/grading_pairs.jsonl: false accepts and false rejects of all rules together, of each alone, and
of math-verify as it comes. DIR holds math500.jsonl (answer), math500_solutions.jsonl (solution) and
gsm8k_model_solutions.jsonl (gold, completion ending in "A: value", is_correct). Prints every equal pair of distinct
answers to be read.
"""

import argparse
import itertools
import json
import logging
import os
import platform
import random
import re
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cort_data.grading import Grader, Verdict, extract_answer
from cort_data.grading.numeric import judge as numeric
from cort_data.grading.rules import DISAGREE
from cort_data.json_lines import Row
from cort_data.stages.problem_sources import stated_answer

PAIRS = Path(__file__).resolve().parents[1] / "tests" / "data" / "grading_pairs.jsonl"
RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "grading.json"
Pair = tuple[str, str]


def main() -> None:
    options = _options()
    with Grader(workers=options.workers) as grader:
        _warm(grader)
        results = {
            "command": "python benchmarks/grading.py --benchmarks DIR",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, python {platform.python_version()}",
            "our_pairs": our_pairs(grader),
            "math500_solutions": solutions(options.benchmarks / "math500_solutions.jsonl", grader),
            "math500": math500(options.benchmarks / "math500.jsonl", grader),
            "gsm8k": gsm8k(options.benchmarks / "gsm8k_model_solutions.jsonl", grader),
            "speed": speed(options.benchmarks / "math500.jsonl", options.workers, options.against_math_verify),
            "workers": options.workers,
        }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {RESULTS}")


def our_pairs(grader: Grader) -> dict[str, Any]:
    """False accepts among pairs that are different, false rejects among equal ones, and what is unscored."""
    pairs = list(rows(PAIRS))
    answers = [row["answer"] if "answer" in row else extract_answer(row["completion"]) for row in pairs]
    both = list(zip((row["gold"] for row in pairs), answers, strict=True))
    with Grader(rules=()) as first_rule:
        grades = list(grader.grade_many(both))
        verdicts: dict[str, list[str]] = {
            "all rules": [grade.verdict for grade in grades],
            "first rule": [grade.verdict for grade in first_rule.grade_many(both)],
            "numeric": [numeric_verdict(gold, answer) for gold, answer in both],
            "math-verify as it comes": [math_verify_verdict(gold, answer) for gold, answer in both],
        }
    disagreements = [
        [*pair, grade.reason] for pair, grade in zip(both, grades, strict=True) if grade.reason.startswith(DISAGREE)
    ]
    labels = [row["verdict"] for row in pairs]
    result: dict[str, Any] = {
        "pairs": len(pairs),
        "labels": dict(Counter(labels)),
        "kinds": dict(Counter(row["kind"] for row in pairs)),
        "rates": {name: rates(labels, found) for name, found in verdicts.items()},
        "disagreements": disagreements,
        "wrong": [
            [*pair, label, found]
            for pair, label, found in zip(both, labels, verdicts["all rules"], strict=True)
            if found not in (label, "unscored")
        ],
    }
    print(json.dumps(result["rates"], indent=1), *disagreements, *result["wrong"], sep="\n")
    return result


def rates(labels: list[str], found: list[str]) -> dict[str, Any]:
    counts = Counter(zip(labels, found, strict=True))
    sizes = Counter(labels)
    return {
        "false_accept_rate": round(counts["different", "equal"] / sizes["different"], 4),
        "false_reject_rate": round(counts["equal", "different"] / sizes["equal"], 4),
        "unscored_rate": round(sum(n for (_, verdict), n in counts.items() if verdict == "unscored") / len(labels), 4),
    }


def numeric_verdict(gold: str, answer: str | None) -> str:
    if answer is None:
        return "different"
    grade = numeric(gold, answer)
    return "unscored" if grade is None else grade.verdict


def math_verify_verdict(gold: str, answer: str | None) -> str:
    """What math-verify says with its defaults, but for its time limits, which a busy machine exceeds."""
    from math_verify import parse, verify

    if answer is None:
        return "different"
    both = (parse(f"${text}$", parsing_timeout=60) for text in (gold, answer))
    return "equal" if verify(*both, timeout_seconds=60) else "different"


def solutions(path: Path, grader: Grader) -> dict[str, Any]:
    """MATH-500's own worked solutions against its answers."""
    answers = {row["problem"]: row["answer"] for row in rows(path.with_name("math500.jsonl"))}
    stated = ((row["problem"], stated_answer(Row("", {"solution": row["solution"]}))) for row in rows(path))
    pairs = [(answers[problem], answer) for problem, answer in stated]
    grades = list(grader.grade_many(pairs))
    others = [
        [*pair, grade.verdict, grade.reason]
        for pair, grade in zip(pairs, grades, strict=True)
        if grade.verdict is not Verdict.EQUAL
    ]
    print(f"MATH-500 solutions: {len(pairs) - len(others)} of {len(pairs)} equal", *others, sep="\n    ")
    return {"solutions": len(pairs), "equal": len(pairs) - len(others), "others": others}


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
    """All pairs by new workers of cort, their start included; random ones by math-verify in this process.

    In CPU seconds of all processes: they depend little on what else the machine does.
    """
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    pairs = pairs_of([row["answer"] for row in rows(path)])
    some = random.Random(0).sample(pairs, count)
    started = cpu_seconds()
    with Grader(workers=workers) as grader:  # new: nothing of the pairs before is in its caches
        for _ in grader.grade_many(pairs):
            pass
    cort = len(pairs) / (cpu_seconds() - started)
    started = cpu_seconds()
    for gold, answer in some:
        verify(parse(f"${gold}$", parsing_timeout=60), parse(f"${answer}$", parsing_timeout=60), timeout_seconds=60)
    whole = count / (cpu_seconds() - started)
    parsed = {text: parse(f"${text}$", parsing_timeout=60) for text in {text for pair in some for text in pair}}
    started = cpu_seconds()
    for gold, answer in some:
        verify(parsed[gold], parsed[answer], timeout_seconds=60)
    verified = count / (cpu_seconds() - started)
    result = {
        "unit": "pairs a CPU second, of all processes together",
        "cort_pairs": len(pairs),
        "math_verify_pairs": count,
        "cort": round(cort, 1),
        "math_verify": round(whole, 1),
        "math_verify_after_parsing": round(verified, 1),
        "ratio": round(cort / whole, 1),
        "ratio_after_parsing": round(cort / verified, 1),
    }
    print(f"speed: {result}")
    return result


def cpu_seconds() -> float:
    """Of this process and those that it started and that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


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
