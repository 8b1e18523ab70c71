"""How often the behaviour instrument errs, on traces of public models that people labelled.

    python benchmarks/behaviour.py --traces DIR

DIR holds the JSONL files that the annotations belong to. Only the dev half is opened (tests/data/trace_split.json), and
the rules were written with it at hand: the figures say how well the rules describe these labels, no more. Labels:
tests/data/annotations/block_purpose.jsonl (one reader) and dev.jsonl, taken as yes or no of a trace. Writes
docs/results/behaviour.json, and the same for the report to cort_data/behaviour/measured.json.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from interpreter_results import machine

from cort_data.behaviour import Observation, observe
from cort_data.behaviour.purpose import Purpose
from cort_data.blocks import blocks
from cort_data.hints.annotations import Completion, read_completions
from cort_data.statistics import Ratios, intervals
from cort_data.trace import Problem, Trace, segments_of

ROOT = Path(__file__).parents[1]
LABELS = ROOT / "tests" / "data" / "annotations"
RESULTS = (ROOT / "docs" / "results" / "behaviour.json", ROOT / "cort_data" / "behaviour" / "measured.json")
Counts = np.ndarray
"""(labelled and said, labelled, said, same verdict, cases) of one trace."""


def lines(file: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, file.read_text("utf-8").splitlines())


def dev_completions(folder: Path) -> Iterator[Completion]:
    dev = set(json.loads((ROOT / "tests" / "data" / "trace_split.json").read_text("utf-8"))["dev"])
    for file in sorted(folder.glob("*.jsonl")):
        yield from (completion for completion in read_completions(file) if completion.id in dev)


def as_trace(completion: Completion, problem: str) -> Trace:
    return Trace(id=completion.id, problem=Problem(id=completion.id, text=problem, answer="-"), prompt="",
                 segments=completion.segments, events=segments_of(completion.text)[1])  # fmt: skip


def verdicts(gold: list[bool], said: list[bool]) -> Counts:
    pairs = list(zip(gold, said, strict=True))
    both = sum(g and s for g, s in pairs)
    return np.array([both, sum(gold), sum(said), sum(g == s for g, s in pairs), len(pairs)], dtype=np.float64)


def figures(of_traces: list[Counts]) -> dict[str, Any]:
    both, gold, said, same, cases = np.array(of_traces).T
    found = intervals(Ratios(np.array([same, both, both, gold, said]), np.array([cases, said, gold, cases, cases])))
    names = ("agreement", "precision", "recall", "rate_labelled", "rate_said")
    shown = {
        name: None if i is None else {"value": round(i.value, 3), "low": round(i.low, 3), "high": round(i.high, 3)}
        for name, i in zip(names, found, strict=True)
    }
    return {"traces": len(of_traces), "cases": int(cases.sum()), "labelled": int(gold.sum()), **shown}


def measure(folder: Path) -> dict[str, Any]:
    problems = {r["id"]: r["problem"] for file in sorted(folder.glob("*.jsonl")) for r in lines(file)}
    purposes: dict[str, dict[int, str]] = defaultdict(dict)
    for label in lines(LABELS / "block_purpose.jsonl"):
        purposes[label["trace_id"]][label["block"]] = label["purpose"]
    marks = defaultdict(list)
    for mark in lines(LABELS / "dev.jsonl"):
        marks[mark["trace_id"]].append(mark)
    counts: dict[str, list[Counts]] = defaultdict(list)
    for completion in dev_completions(folder):
        trace = as_trace(completion, problems[completion.id])
        seen = observe(trace, completion.think_close)
        starts = [block.start for block in blocks(trace)]
        spans = marks[trace.id]
        by_hand = [m["start"] for m in spans if m["label"] == "manual_arithmetic"]
        delayed = any(at < starts[-1] for at in by_hand) if starts else bool(by_hand)
        counts["delayed computation"].append(verdicts([delayed], [seen.delayed]))
        if starts:
            doubted = any(m["label"] == "result_distrust" for m in spans)
            counts["result distrust"].append(verdicts([doubted], [seen.distrusted]))
            counts["verification"].append(verdicts(*_purposes(purposes[trace.id], seen)))
    return {name: figures(found) for name, found in counts.items()}


def _purposes(labelled: dict[int, str], seen: Observation) -> tuple[list[bool], list[bool]]:
    gold = [labelled[number] == Purpose.VERIFICATION for number in range(1, len(seen.blocks) + 1)]
    return gold, [block.purpose is Purpose.VERIFICATION for block in seen.blocks]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, required=True, metavar="DIR")
    found = measure(parser.parse_args().traces)
    results = {
        "what": "the behaviour instrument against labels: delayed computation and result distrust a trace, "
        "verification a block; 95% intervals by bootstrap over traces",
        "note": "Measured on the dev half, with which the rules were written; one reader labelled the blocks.",
        "command": "python benchmarks/behaviour.py --traces DIR",
        "machine": machine(),
        "error": found,
    }
    for path in RESULTS:
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for name, row in found.items():
        shown = ", ".join(f"{key} {row[key]['value']}" for key in row if isinstance(row[key], dict))
        print(f"{name}: {row['cases']} cases, {row['labelled']} labelled; {shown}")


if __name__ == "__main__":
    main()
