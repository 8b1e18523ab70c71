"""What a completion does, whatever dialect it is written in: thoughts, programs, what they printed, the answer.

Fenced text, harmony messages, tool calls and chat messages are four ways to write the same steps. Steps carry who
wrote each part, so that a trace keeps its mask when it is written in another dialect. Thoughts and answers are
trimmed, since each dialect has its own white space between steps. One thing is made equal on the way: there is one
answer, after the last block; text that closed the thinking and went on with code is thought.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from cort_data.blocks import feedback_body
from cort_data.fences import code_of, unclosed
from cort_data.profiles import Profile
from cort_data.trace import HintMark, Kind, Origin, Segment, feedback

_FENCE = re.compile(r"^[ \t]*(`{3,})", re.MULTILINE)


class StepKind(StrEnum):
    """What a step is."""

    THOUGHT = "thought"
    CODE = "code"
    OUTPUT = "output"
    NOTICE = "notice"
    ANSWER = "answer"  # after the thinking; the last step, empty if nothing is said


_BLOCKS = {Kind.CODE: StepKind.CODE, Kind.OUTPUT: StepKind.OUTPUT, Kind.NOTICE: StepKind.NOTICE}


class Run(NamedTuple):
    """Text of one writer."""

    text: str
    origin: Origin
    hint: HintMark | None = None

    def by_same(self, text: str) -> Run:
        """Another text of this writer."""
        return self._replace(text=text)


_MODEL = Run("", Origin.MODEL)


@dataclass(frozen=True, slots=True)
class Step:
    """One step; its runs are without fences or tags."""

    kind: StepKind
    runs: tuple[Run, ...]
    opened: Run = _MODEL
    """Who opened a block: an empty run."""
    closed: Run | None = _MODEL
    """Who closed it; None: the text ends in it."""

    @property
    def text(self) -> str:
        """The whole text, whoever wrote it."""
        return "".join(run.text for run in self.runs)


def thought(text: str) -> Step:
    """A thought of the model."""
    return Step(StepKind.THOUGHT, _trimmed([Run(text, Origin.MODEL)]))


def answer(text: str) -> Step:
    """What the model says after its thinking."""
    return Step(StepKind.ANSWER, _trimmed([Run(text, Origin.MODEL)]))


def program(code: str, *, closed: bool = True) -> Step:
    """A block of the model."""
    return Step(StepKind.CODE, (Run(textwrap.dedent(code), Origin.MODEL),), closed=_MODEL if closed else None)


def output(text: str) -> Step:
    """What the interpreter printed."""
    return Step(StepKind.OUTPUT, (Run(text, Origin.INTERPRETER),))


def notice(text: str) -> Step:
    """What the system said."""
    return Step(StepKind.NOTICE, (Run(text, Origin.SYSTEM),))


def steps_of(segments: Iterable[Segment], think_close: str) -> list[Step]:
    """The steps of a fenced completion. Of several closing tags the last one counts, as it does for the answer."""
    items = list(_items(segments))
    last = max((i for i, (kind, _) in enumerate(items) if kind is not Kind.TEXT), default=-1)
    tagged = [i for i, (kind, part) in enumerate(items) if kind is Kind.TEXT and think_close in _joined(part)]
    closing = tagged[-1] if tagged else len(items)
    steps: list[Step] = []
    for i, (kind, part) in enumerate(items):
        if kind is not Kind.TEXT:
            steps.append(_block(kind, part))
            continue
        runs = [Run(s.text, s.origin, s.hint) for s in part]
        before, after = _cut(runs, think_close) if i == closing else (runs, [])
        if i < last:
            steps.append(_thought([*before, *after], think_close))
        elif i > closing:
            steps.append(Step(StepKind.ANSWER, _trimmed(runs)))
        else:
            steps.append(_thought(before, think_close))
            if i == closing:
                steps.append(Step(StepKind.ANSWER, _trimmed(after)))
    return [step for step in steps if step.runs or step.kind is not StepKind.THOUGHT]


def fenced(steps: Sequence[Step], profile: Profile) -> tuple[Segment, ...]:
    """The steps as fenced segments with the think tags of a profile."""
    parts: list[tuple[Kind, Run]] = []
    for i, step in enumerate(steps):
        following = steps[i + 1].kind if i + 1 < len(steps) else None
        if step.kind is StepKind.ANSWER:
            before = "".join(run.text for _, run in parts[-1:])
            joint = profile.answer_joint.removeprefix("\n" if not before or before.endswith("\n") else "")
            parts += [(Kind.TEXT, run) for run in (_MODEL.by_same(joint), *step.runs)]
        elif step.kind is StepKind.THOUGHT:
            parts += [(Kind.TEXT, run) for run in step.runs]
            if following is StepKind.CODE:
                parts.append((Kind.TEXT, step.runs[-1].by_same("\n")))
        elif step.kind is StepKind.CODE:
            answered = following in (None, StepKind.OUTPUT, StepKind.NOTICE)
            parts += [(Kind.CODE, run) for run in _fenced_code(step, "" if answered else "\n")]
        else:
            kind = Kind(step.kind.value)
            parts.append((kind, step.runs[0].by_same(feedback(kind, step.text))))
    return _merged(parts)


def _fenced_code(step: Step, after: str) -> list[Run]:
    longest = max((len(run) for run in _FENCE.findall(step.text)), default=0)
    fence = "`" * max(3, longest + 1)
    closing = [] if step.closed is None else [step.closed.by_same(f"\n{fence}{after}")]
    return [step.opened.by_same(f"{fence}python\n"), *step.runs, *closing]


def _merged(parts: Iterable[tuple[Kind, Run]]) -> tuple[Segment, ...]:
    """Segments: neighbours of one kind and writer joined, but for blocks that follow each other."""
    segments: list[Segment] = []
    for kind, run in parts:
        last = segments[-1] if segments else None
        same = last is not None and (last.kind, last.origin, last.hint) == (kind, run.origin, run.hint)
        if not run.text:
            continue
        if last is not None and same and (kind is Kind.TEXT or (kind is Kind.CODE and unclosed(last.text))):
            segments[-1] = last.model_copy(update={"text": last.text + run.text})
        else:
            segments.append(Segment(kind=kind, origin=run.origin, text=run.text, hint=run.hint))
    return tuple(segments)


def _items(segments: Iterable[Segment]) -> Iterator[tuple[Kind, list[Segment]]]:
    """Segments of one piece of text, block, output or notice together."""
    item: list[Segment] = []
    for segment in segments:
        joins = bool(item) and item[-1].kind is segment.kind and segment.kind in (Kind.TEXT, Kind.CODE)
        if joins and (segment.kind is Kind.TEXT or unclosed(_joined(item))):
            item.append(segment)
            continue
        if item:
            yield item[0].kind, item
        item = [segment]
    if item:
        yield item[0].kind, item


def _joined(segments: Iterable[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def _block(kind: Kind, part: list[Segment]) -> Step:
    if kind is not Kind.CODE:
        return Step(_BLOCKS[kind], (Run(feedback_body(_joined(part)), part[0].origin, part[0].hint),))
    text = _joined(part)
    code = code_of(text)
    opened, closed = (Run("", s.origin, s.hint) for s in (part[0], part[-1]))
    return Step(StepKind.CODE, _body(part, text, code), opened, None if unclosed(text) else closed)


def _body(part: list[Segment], text: str, code: str) -> tuple[Run, ...]:
    """The program by its writers; by the last one where removing the indentation has moved its characters."""
    start = text.find("\n") + 1
    if text[start : start + len(code)] != code:
        return (Run(code, part[-1].origin, part[-1].hint),)
    runs, at = [], 0
    for segment in part:
        inside = text[max(at, start) : min(at + len(segment.text), start + len(code))]
        at += len(segment.text)
        if inside:
            runs.append(Run(inside, segment.origin, segment.hint))
    return tuple(runs)


def _thought(runs: Sequence[Run], think_close: str) -> Step:
    """A thought without the tags that closed the thinking before its end."""
    while think_close in "".join(run.text for run in runs):
        before, after = _cut(runs, think_close)
        runs = [*before, *after]
    return Step(StepKind.THOUGHT, _trimmed(runs))


def _cut(runs: Sequence[Run], tag: str) -> tuple[list[Run], list[Run]]:
    """The runs before and after the last occurrence of a tag, which may span several."""
    text = "".join(run.text for run in runs)
    start = text.rindex(tag)
    return _within(runs, 0, start), _within(runs, start + len(tag), len(text))


def _within(runs: Sequence[Run], start: int, end: int) -> list[Run]:
    found, at = [], 0
    for run in runs:
        piece = run.text[max(0, start - at) : max(0, end - at)]
        at += len(run.text)
        if piece:
            found.append(run.by_same(piece))
    return found


def _trimmed(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Without white space at both ends."""
    text = "".join(run.text for run in runs)
    start = len(text) - len(text.lstrip())
    return tuple(_within(runs, start, max(start, len(text.rstrip()))))
