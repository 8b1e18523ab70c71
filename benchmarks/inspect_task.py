"""The far side of serve_harness.py: an evaluation by inspect_ai, with its own prompts, requests and scorer.

It runs where inspect_ai is installed (inspect_requirements.txt), and knows nothing of cort: the model is whatever
CORT_BASE_URL serves. One line of JSON a sample goes to the output file: {id, epoch, right, answer}.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import CORRECT, math
from inspect_ai.solver import generate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="the name that the server has for it")
    parser.add_argument("--problems", type=Path, required=True, help="JSONL with id, text, answer")
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    task = Task(
        dataset=json_dataset(str(args.problems), FieldSpec(id="id", input="text", target="answer")),
        solver=generate(),
        scorer=math(),
    )
    [log] = evaluate(
        task,
        model=f"openai-api/cort/{args.model}",
        epochs=args.samples,
        max_connections=args.connections,
        max_samples=args.connections,
        display="none",
        log_dir=str(args.out.parent / "logs"),
    )
    if log.status != "success" or not log.samples:
        sys.exit(f"inspect_ai: {log.status}: {log.error and log.error.message}")
    with args.out.open("w", encoding="utf-8") as out:
        for sample in log.samples:
            score = (sample.scores or {})["math"]
            row = {
                "id": sample.id,
                "epoch": sample.epoch,
                "right": score.value == CORRECT,
                "answer": sample.output.completion,
            }
            out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
