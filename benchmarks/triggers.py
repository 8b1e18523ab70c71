"""How good the triggers are and how fast: spans that were marked by reading real traces, the nano corpus, and a clock.

    python benchmarks/triggers.py --traces DIR [--half dev|test|both] [--annotations DIR] [--no-speed] [--no-quality]

Quality: DIR's JSONL files are public completions; `tests/data/annotations` says what was marked in each half. The
ceiling is how well two readers agree who marked the same ten traces (shown with `--half both`, as half of these lie in
the test half). Nano figures are on problems of the split of the same name.

Speed: text grows piece by piece and a policy with all triggers is asked after each. Pieces are tokens (about 4
characters), 64 characters, and clauses. Nothing is inserted: hints are used up at once, so that all go on reading.
`random_place` is left out: it draws, and is a control. Of each text the best of several rounds counts, because other
work on the machine only slows. Writes docs/results/triggers.json; what was not asked for stays in it as it is.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from cort_data.hints.annotations import Marked, read_completions, read_marked
from cort_data.hints.policy import Policy
from cort_data.hints.scoring import ENOUGH, Outcome, Quality, agreement, outcome, quality
from cort_data.hints.template import Hint, Place
from cort_data.hints.triggers import TRIGGERS, Trigger
from cort_data.hints.view import View
from cort_data.nano.corpus import Mixture, traces
from cort_data.nano.spans import marked_traces
from cort_data.statistics import Interval
from cort_data.trace import Kind, Problem, Segment, segments_of

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "triggers.json"
ANNOTATIONS = ROOT / "tests" / "data" / "annotations"
PROBLEM = Problem(id="none", text="none", answer="0")
SCORED = ("manual_arithmetic", "result_distrust", "loop")
NANO_TRACES = 400
LOOPS = 0.1  # of the nano traces: the usual mixture has too few to count
ROUNDS = 9
FAMILIES = (
    ("deepseek-r1-distill", "DeepSeek-R1-Distill"),
    ("sky-t1", "Sky-T1"),
    ("tora", "GPT-4/ToRA"),
    ("qwen2.5-math", "Qwen2.5-Math"),
    ("qwen2.5", "Qwen2.5"),
    ("gpt-oss", "gpt-oss"),
    ("deepseek-reasoner", "deepseek-reasoner"),
    ("nemotron", "Nemotron"),
)
"""Part of a line's model, and the family that it tells; the first one counts."""


def family(model: str) -> str:
    name = model.lower()
    return next((shown for part, shown in FAMILIES if part in name), "other")


def think_close(model: str) -> str:
    return "<|end_of_thought|>" if family(model) == "Sky-T1" else "</think>"


def score(marked: Sequence[Marked]) -> dict[str, Any]:
    """Figures of each trigger, over all completions and family by family."""
    found = {}
    for name in SCORED:
        outcomes = [outcome(one, TRIGGERS[name]()) for one in marked]
        groups = defaultdict[str, list[Outcome]](list)
        for one in outcomes:
            groups[family(one.marked.completion.model)].append(one)
        row = as_row(quality(outcomes))
        if len(groups) > 1:
            row["families"] = {group: as_row(quality(rows)) for group, rows in sorted(groups.items())}
        found[name] = row
    return found


def as_row(figures: Quality) -> dict[str, Any]:
    def shown(interval: Interval | None) -> list[float] | None:
        return None if interval is None else [round(x, 3) for x in (interval.value, interval.low, interval.high)]

    return {
        "gold": figures.gold, "fired": figures.fired, "right": figures.right, "traces": figures.traces,
        "precision": shown(figures.precision), "recall": shown(figures.recall), "f1": shown(figures.f1),
        "false_per_10k_tokens": shown(figures.false_per_10k),
        "tokens_wasted_mean": None if figures.wasted_mean is None else round(figures.wasted_mean, 1),
        "tokens_wasted_median": None if figures.wasted_median is None else round(figures.wasted_median, 1),
        "established": figures.established,
    }  # fmt: skip


def show(title: str, rows: dict[str, Any]) -> None:
    print(f"\n{title}: value [lower bound of its 95% interval]; tokens are 4 characters")
    for name, row in rows.items():
        show_row(name, row)
        for group, figures in row.get("families", {}).items():
            if figures["gold"] or figures["fired"]:
                show_row("  " + group, figures)


def show_row(name: str, row: dict[str, Any]) -> None:
    cells = [f"{row[key][0]:.2f} [{row[key][1]:.2f}]" if row[key] else "-" for key in ("precision", "recall", "f1")]
    per_10k = row["false_per_10k_tokens"]
    wasted = row["tokens_wasted_median"]
    print(
        f"  {name:<24} gold {row['gold']:>4}  fired {row['fired']:>4}  precision {cells[0]:<12}  "
        f"recall {cells[1]:<12}  F1 {cells[2]:<12}  false/10k {per_10k[0] if per_10k else 0:.2f}  "
        f"wasted {wasted or 0:.0f}" + ("" if row["gold"] >= ENOUGH else "  not established")
    )


def ceiling(files: Sequence[Path], annotations: Path) -> dict[str, Any]:
    """How well the second annotation agrees with the first, both ways."""
    second = read_marked(files, annotations / "second.jsonl", think_close)
    ids = {marked.completion.id for marked in second}
    halves = [read_marked(files, annotations / f"{half}.jsonl", think_close) for half in ("dev", "test")]
    first = [marked for half in halves for marked in half if marked.completion.id in ids]
    rows = {}
    for name in SCORED:
        there, back = agreement(first, second, name)
        rows[f"{name}: second by first"], rows[f"{name}: first by second"] = as_row(there), as_row(back)
    return rows


def all_triggers() -> list[Trigger]:
    names = [name for name in TRIGGERS if name != "random_place"]
    return [TRIGGERS[name](**({"pattern": r"\bbrute force\b"} if name == "regex" else {})) for name in names]


def pieces(segments: Sequence[Segment], chars: int | None) -> list[tuple[Segment, list[str]]]:
    """Each segment cut into pieces of so many characters, or by clauses."""
    return [(s, by_clause(s) if chars is None else by_length(s.text, chars)) for s in segments]


def by_length(text: str, chars: int) -> list[str]:
    return [text[at : at + chars] for at in range(0, len(text), chars)]


def by_clause(segment: Segment) -> list[str]:
    return re.findall(r"[^.,;:!?\n]*[.,;:!?\n]*\s*", segment.text) if segment.kind is Kind.TEXT else [segment.text]


def seconds(parts: list[tuple[Segment, list[str]]]) -> float:
    """CPU seconds to read one completion; cutting it up is not counted."""
    hints = [Hint(t.name, t, Place.HERE, 0, 0, ("en",), (), Path(t.name)) for t in all_triggers()]
    begin = time.process_time()
    view, policy = View(), Policy(hints, PROBLEM, 0)
    for segment, texts in parts:
        for text in texts:
            view.append(segment.kind, segment.origin, text)
            policy.observe(view)
    return time.process_time() - begin


def speed(segmented: Sequence[Sequence[Segment]]) -> dict[str, float]:
    """MB a second for each size of piece."""
    size = sum(len(s.text.encode()) for segments in segmented for s in segments) / 1e6
    found = {}
    for name, chars in (("tokens", 4), ("64_characters", 64), ("clauses", None)):
        parts = [pieces(segments, chars) for segments in segmented]
        found[name] = round(size / sum(min(seconds(part) for _ in range(ROUNDS)) for part in parts), 2)
    return found


def measure_quality(args: argparse.Namespace, results: dict[str, Any]) -> None:
    files = sorted(args.traces.glob("*.jsonl"))
    for half in ("dev", "test") if args.half == "both" else (args.half,):
        results[f"real_{half}"] = score(read_marked(files, args.annotations / f"{half}.jsonl", think_close))
        show(f"real traces, {half} half", results[f"real_{half}"])
        mixture = Mixture(loop=LOOPS)
        results[f"nano_{half}"] = score(list(islice(marked_traces(half, 0, mixture), NANO_TRACES)))
        show(f"nano corpus, {half} problems", results[f"nano_{half}"])
    if args.half == "both":
        results["ceiling"] = ceiling(files, args.annotations)
        show("two annotations of the same traces", results["ceiling"])


def measure_speed(args: argparse.Namespace, results: dict[str, Any]) -> None:
    dev = set(json.loads((ROOT / "tests" / "data" / "trace_split.json").read_text())["dev"])
    found = (c for file in sorted(args.traces.glob("*.jsonl")) for c in read_completions(file, wanted=dev))
    real = [completion.segments for completion in found]
    nano = [segments_of(trace.text)[0] for trace in islice(traces("pretrain", 0, Mixture()), NANO_TRACES)]
    results["triggers"] = [trigger.name for trigger in all_triggers()]
    results["mb_per_s"] = {"real_dev": speed(real), "nano": speed(nano)}
    for name, row in results["mb_per_s"].items():
        print(f"\n{name}: MB/s " + "  ".join(f"{pieces} {value:.2f}" for pieces, value in row.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, required=True)
    parser.add_argument("--half", choices=("dev", "test", "both"), default="dev")
    parser.add_argument("--annotations", type=Path, default=ANNOTATIONS)
    parser.add_argument("--no-speed", dest="speed", action="store_false")
    parser.add_argument("--no-quality", dest="quality", action="store_false")
    args = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if args.quality:
        measure_quality(args, results)
    if args.speed:
        measure_speed(args, results)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
