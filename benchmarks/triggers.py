"""How fast all deterministic triggers together read text that grows, in MB a second of one core.

    python benchmarks/triggers.py [--traces DIR] [--chars 4]

The text is fed as the rollout loop feeds it, in chunks of about a token; the policy is asked after each. Texts are
traces of the nano corpus and, with `--traces`, the completions in DIR's JSONL files (of the dev half alone). Nothing
is inserted: hints are used up at once, so that every detector goes on reading. Writes docs/results/triggers.json.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from cort_data.hints.policy import Policy
from cort_data.hints.template import Hint, Place
from cort_data.hints.triggers import TRIGGERS, Trigger
from cort_data.hints.view import View
from cort_data.nano.corpus import Mixture, traces
from cort_data.trace import Problem, Segment, segments_of

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "triggers.json"
PROBLEM = Problem(id="none", text="none", answer="0")


def all_triggers() -> list[Trigger]:
    return [TRIGGERS[name](**({"pattern": r"\bbrute force\b"} if name == "regex" else {})) for name in TRIGGERS]


def nano_texts(count: int) -> list[str]:
    return [trace.text for trace in islice(traces("pretrain", 0, Mixture()), count)]


def real_texts(folder: Path) -> list[str]:
    dev = set(json.loads((ROOT / "tests" / "data" / "trace_split.json").read_text())["dev"])
    lines = (line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines())
    return [record["completion"] for record in map(json.loads, lines) if record["id"] in dev]


def cut(segments: Iterable[Segment], chars: int) -> list[tuple[Segment, list[str]]]:
    rng = random.Random(0)
    parts = []
    for segment in segments:
        at, chunks = 0, []
        while at < len(segment.text):
            size = rng.randint(1, 2 * chars - 1)
            chunks.append(segment.text[at : at + size])
            at += size
        parts.append((segment, chunks))
    return parts


def seconds(text: str, chars: int) -> float:
    """CPU seconds to read one completion; cutting it up is not counted."""
    parts = cut(segments_of(text)[0], chars)
    hints = [Hint(t.name, t, Place.HERE, 0, 0, ("en",), (), Path(t.name)) for t in all_triggers()]
    begin = time.process_time()
    view, policy = View(), Policy(hints, PROBLEM, 0)
    for segment, chunks in parts:
        for chunk in chunks:
            view.append(segment.kind, segment.origin, chunk)
            policy.observe(view)
    return time.process_time() - begin


def megabytes_a_second(texts: list[str], chars: int) -> float:
    size = sum(len(text.encode()) for text in texts)
    return size / 1e6 / sum(seconds(text, chars) for text in texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path)
    parser.add_argument("--chars", type=int, default=4, help="mean characters a chunk")
    args = parser.parse_args()
    sets = {"nano": nano_texts(1000)} | ({"real_dev": real_texts(args.traces)} if args.traces else {})
    speeds = {
        f"{name}_{unit}": round(megabytes_a_second(texts, chars), 2)
        for name, texts in sets.items()
        for unit, chars in (("tokens", args.chars), ("64_chars", 64))
    }
    for name, speed in speeds.items():
        print(f"{name:20} {speed:6.2f} MB/s")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(
        json.dumps({"triggers": list(TRIGGERS), "chars": args.chars, "mb_per_s": speeds}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
