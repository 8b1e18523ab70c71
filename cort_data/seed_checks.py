"""What a seed must hold: whole blocks, real outputs, put to use; the right answer; an id and a text of its own."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from cort_data.agreement import agrees, first_difference
from cort_data.blocks import Block, blocks
from cort_data.filters.format import is_empty
from cort_data.grading import Grader, Verdict, extract_answer
from cort_data.interpreter.base import Interpreter
from cort_data.seeds import THINK_CLOSE, Complaint, Seed, UnreadableSeed, read_seed
from cort_data.similarity import words
from cort_data.trace import Origin

SHARED_WORDS = 12
SHARED_SEEDS = 2
SPOKEN_WORDS = 3
"""So much text after an output speaks of it."""


async def check_paths(paths: Sequence[Path], interpreter: Interpreter, grader: Grader) -> list[Complaint]:
    """Complaints about all seeds, those that cannot be read included; and about what they share."""
    complaints: list[Complaint] = []
    seeds: list[Seed] = []
    for path in paths:
        try:
            seeds.append(read_seed(path))
        except UnreadableSeed as error:
            complaints.append(error.complaint)
        else:
            complaints += await check_seed(seeds[-1], interpreter, grader)
    complaints += [*_check_ids(seeds), *check_shared_words(seeds)]
    return complaints


async def check_seed(seed: Seed, interpreter: Interpreter, grader: Grader) -> list[Complaint]:
    """Form, outputs in a fresh session, and the answer."""
    return [*_check_form(seed), *await _check_outputs(seed, interpreter), *await _check_answer(seed, grader)]


def check_shared_words(seeds: Sequence[Seed]) -> list[Complaint]:
    """Runs of words that stand in too many seeds: seeds must not be written by a template."""
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, seed in enumerate(seeds):
        for run in _runs(seed):
            holders[run].append(i)
    worst = {max(found): (run, found) for run, found in holders.items() if len(found) > SHARED_SEEDS}
    return [
        Complaint(seeds[i].path, seeds[i].starts[0], f"{len(found)} seeds share the words “{' '.join(run)}”")
        for i, (run, found) in worst.items()
    ]


def _check_ids(seeds: Sequence[Seed]) -> Iterator[Complaint]:
    first: dict[str, Path] = {}
    for seed in seeds:
        known = first.setdefault(seed.head.id, seed.path)
        if known is not seed.path:
            yield Complaint(seed.path, 2, f"the id {seed.head.id} is also that of {known}; name one of them anew")


def _check_form(seed: Seed) -> Iterator[Complaint]:
    for block in blocks(seed.trace):
        line = seed.line(block.start)
        if not block.closed:
            yield Complaint(seed.path, line, f"block {block.number} is not closed; end it with ```")
        elif is_empty(block.code):
            yield Complaint(seed.path, line, f"block {block.number} is empty; write its program or remove it")
        elif block.output is None:
            yield Complaint(seed.path, line, f"block {block.number} has no output; add what it prints")
        elif not _is_used(seed, block):
            text = f"nothing after block {block.number} uses what it prints or defines; use it or remove the block"
            yield Complaint(seed.path, line, text)


def _is_used(seed: Seed, block: Block) -> bool:
    """Is the output spoken of right after it, or does later text use a name or a word that the block gave?"""
    rest = seed.trace.text[block.start :].partition("\n```output\n")[2].partition("\n```\n")[2]
    spoken = rest.partition("```python")[0].partition(THINK_CLOSE)[0]
    if len(words(spoken)) >= SPOKEN_WORDS:
        return True
    later = [other.code for other in blocks(seed.trace) if other.start > block.start]
    return bool(set(words(block.output or "")) & set(words(rest)) or _names(block.code) & _used(later))


def _names(code: str) -> set[str]:
    """Names that a program binds; none if it is no python."""
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except SyntaxError:
        return set()
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return bound | {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def _used(programs: Sequence[str]) -> set[str]:
    """Words that stand in programs."""
    return set(re.findall(r"[^\W\d]\w*", "\n".join(programs)))


async def _check_outputs(seed: Seed, interpreter: Interpreter) -> list[Complaint]:
    """Run every closed block in one fresh session."""
    session = await interpreter.session(seed.trace.seed)
    complaints = []
    try:
        for block in blocks(seed.trace):
            if block.output is None or not block.closed:
                continue
            result = await session.run(block.code)
            if not agrees(block, result):
                complaints.append(_differs(seed, block, result.feedback))
    finally:
        await session.close()
    return complaints


def _differs(seed: Seed, block: Block, got: str) -> Complaint:
    """The line of the output that differs."""
    expected_line, got_line = first_difference(block.output or "", got)
    fence = seed.trace.text.index("```output", block.start)
    inside = seed.trace.text.find(expected_line, fence) if expected_line else fence
    text = f"block {block.number} prints {got_line!r} and not {expected_line!r}; copy the real output"
    return Complaint(seed.path, seed.line(inside), text)


async def _check_answer(seed: Seed, grader: Grader) -> list[Complaint]:
    answer = extract_answer(seed.trace.text, THINK_CLOSE)
    line = seed.starts[-1]
    if answer is None:
        return [Complaint(seed.path, line, "no \\boxed{} answer after the thinking")]
    grade = await grader.agrade(seed.head.answer, answer)
    if grade.verdict is Verdict.EQUAL:
        return []
    return [Complaint(seed.path, line, f"the answer {answer} is not {seed.head.answer} ({grade.reason})")]


def _runs(seed: Seed) -> set[tuple[str, ...]]:
    """Runs of words in the prose and programs; hints and outputs excepted."""
    found: set[tuple[str, ...]] = set()
    for segment in seed.trace.segments:
        if segment.origin is Origin.HUMAN:
            tokens = words(segment.text)
            found |= {tuple(tokens[i : i + SHARED_WORDS]) for i in range(len(tokens) - SHARED_WORDS + 1)}
    return found
