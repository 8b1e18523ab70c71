"""Run the programs of real public traces again, and compare with the outputs that their own interpreters gave.

    python benchmarks/interpreter_traces.py --traces FILE... [--timeout 60] [--save]

Lines are those of `../shared/traces/tir*.jsonl`: id, completion with fenced code and outputs, and `outputs`, of which
only the `real` ones count (the others a model has made up). Only traces of the development half
(`tests/data/trace_split.json`) are opened. `cort filter` with its replay asks whether a whole trace can be had again;
here every block is compared, also after a difference, and each difference is put under its cause. Exits 1 if there is
one without a known cause.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from interpreter_results import save, say, show

from cort_data.agreement import agrees, first_difference
from cort_data.blocks import Block, blocks
from cort_data.interpreter import Interpreter, Limits, Result, open_interpreter
from cort_data.profiles import load_profile
from cort_data.trace import Trace
from cort_data.traces_io import parse_line, read_lines

SPLIT = Path(__file__).resolve().parents[1] / "tests" / "data" / "trace_split.json"
PROFILE = "plain"
OUTPUT_CHARS = 1_000_000
"""What the recording interpreters cut is not known; here nothing is."""
EQUAL, DIFFERENT = "equal", "different"
_TIMED_OUT = re.compile(r"timed? ?out", re.IGNORECASE)
_NO_OUTPUT = re.compile(r"^\[WARN\] No output", re.IGNORECASE)
_CUT = re.compile(r"\n\.\.\.\[Output Truncated\]\s*$")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One block."""

    trace: str
    block: int
    cause: str
    recorded: str
    """Its first differing line."""
    got: str


def development_traces(paths: list[Path]) -> Iterator[Trace]:
    """The traces with real outputs; nothing of the test half is parsed beyond its id."""
    allowed = set(json.loads(SPLIT.read_text(encoding="utf-8"))["dev"])
    for path in paths:
        for number, line in read_lines(path):
            row = json.loads(line)
            if row["id"] in allowed and row["outputs"] == "real":
                yield parse_line(line, f"{path.name}:{number}", load_profile(PROFILE))


async def replay(interpreter: Interpreter, trace: Trace) -> list[Comparison]:
    """All blocks of a trace that have an output, in one session."""
    session = await interpreter.session(trace.seed)
    compared = [
        compare(trace, block, await session.run(block.code)) for block in blocks(trace) if block.output is not None
    ]
    await session.close()
    return compared


def compare(trace: Trace, block: Block, result: Result) -> Comparison:
    """Under which cause the difference falls, if there is one."""
    recorded = block.output or ""
    return Comparison(
        trace.id, block.number, _cause(block, recorded, result), *first_difference(recorded, result.feedback)
    )


def _cause(block: Block, recorded: str, result: Result) -> str:
    theirs, ours = bool(_TIMED_OUT.search(recorded)), result.status == "timeout"
    if theirs and ours:
        return "out of time, in other words"
    if theirs or ours:
        return f"out of time only {'there' if theirs else 'here'}"
    if agrees(block, result):
        return EQUAL
    if result.error is not None and _last_line(recorded) == _last_line(result.error):
        return "same error, traceback laid out otherwise"
    if _NO_OUTPUT.match(recorded) and result.feedback == "(no output)":
        return "no output, in other words"
    text, kept = _SPACE.sub("", result.feedback), _SPACE.sub("", _CUT.sub("", recorded))
    if text == kept:
        return "same text, echo broken into lines there"
    return "cut there, equal as far as it goes" if _CUT.search(recorded) and text.startswith(kept) else DIFFERENT


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


async def measure(options: argparse.Namespace) -> list[Comparison]:
    """All traces, one after the other: their blocks run long."""
    compared = []
    limits = Limits(timeout_s=options.timeout, output_chars=OUTPUT_CHARS)
    async with open_interpreter("local", limits, options.isolation) as interpreter:
        for trace in development_traces(options.traces):
            found = await replay(interpreter, trace)
            compared += found
            say(f"{trace.id}: {sum(block.cause == EQUAL for block in found)} of {len(found)} equal")
    return compared


def main() -> None:
    """Replay, print the causes and each difference, write the section `traces`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, nargs="+", required=True)
    parser.add_argument("--timeout", type=float, default=60.0, help="CPU seconds a block")
    parser.add_argument("--isolation", default="full")
    parser.add_argument("--save", action="store_true", help="write docs/results/interpreter.json")
    options = parser.parse_args()
    compared = asyncio.run(measure(options))
    causes = Counter(block.cause for block in compared)
    show(
        f"{len(compared)} blocks run again", [(cause, str(number), "", None) for cause, number in causes.most_common()]
    )
    listed = [block for block in compared if block.cause != EQUAL]
    for block in listed:
        print(f"{block.trace} block {block.block}: {block.cause}\n    there: {block.recorded}\n    here:  {block.got}")
    if options.save:
        differences = [{"trace": block.trace, "block": block.block, "cause": block.cause} for block in listed]
        save("traces", {"blocks": len(compared), "causes": dict(causes.most_common()), "differences": differences})
    sys.exit(DIFFERENT in causes)


if __name__ == "__main__":
    main()
