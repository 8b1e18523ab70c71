"""Writes the traces that the nano models are trained on.

A trace is a list of pieces with their writers, and the character spans of its behaviours (`manual`, `recheck`,
`loop`), known because the generator put them there. Outputs are what `run_cell` prints for the code above them.
Manual work and re-checks start on a line of their own, so that a rewind to their start ends on a token boundary.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from cort_data.interpreter.cell import new_namespace, run_cell
from cort_data.nano import phrases
from cort_data.nano.families import Split, tasks
from cort_data.nano.handwork import Hand
from cort_data.nano.phrases import phrase
from cort_data.nano.task import Level, Step, Task, Values
from cort_data.rollout import BUDGET_NOTICE
from cort_data.trace import Kind, Origin, Problem, feedback

Behaviour = Literal["manual", "recheck", "loop"]
Opening = Literal["none", "open", "by_hand"]
Style = Literal["hand", "code", "delayed", "hinted"]


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start:end` of the completion that show a behaviour."""

    label: Behaviour
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What one writer wrote; tokenized alone, as it arises live."""

    origin: Origin
    text: str


@dataclass(frozen=True, slots=True)
class CorpusTrace:
    """A written trace: the completion is the pieces joined; it starts after the opening think tag."""

    problem: Problem
    pieces: tuple[Piece, ...]
    spans: tuple[Span, ...]
    answer: str

    @property
    def text(self) -> str:
        """The completion."""
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Mixture:
    """How often each behaviour is written. All values are probabilities."""

    easy: float = 0.0
    """Problems of the easy level."""
    open_hint: float = 0.15
    by_hand_hint: float = 0.15
    plain: dict[str, float] = field(default_factory=lambda: {"hand": 0.45, "code": 0.15, "delayed": 0.2, "hinted": 0.2})
    """Style of traces without an opening hint (weights)."""
    opened: dict[str, float] = field(
        default_factory=lambda: {"code": 0.75, "delayed": 0.05, "hand": 0.05, "hinted": 0.15}
    )
    """Style after the open hint (weights)."""
    recheck: float = 0.3
    """Numeric re-checking after a correct output that no hint follows."""
    distrust_hint: float = 0.25
    """A hint after an output."""
    error: float = 0.06
    """A block that fails first."""
    error_hint: float = 0.3
    """A hint after a failed block."""
    late_hint: float = 0.15
    """A delayed-computation hint that comes a little into the manual work."""
    slip: float = 0.04
    """A wrong digit in manual work that code follows or precedes, per operation."""
    notice: float = 0.0
    """A block that is refused because the call budget is used up; the rest is done by hand."""
    loop: float = 0.01
    """A sentence said over and over before going on."""


class _Writer:
    """Collects pieces; knows the length so far and the open session."""

    def __init__(self, rng: random.Random, task: Task, mixture: Mixture) -> None:
        self.rng, self.task, self.mixture = rng, task, mixture
        self.pieces: list[Piece] = []
        self.spans: list[Span] = []
        self.namespace: dict[str, Any] = new_namespace()
        self.cells = 0

    def put(self, origin: Origin, text: str) -> None:
        if self.pieces and self.pieces[-1].origin is origin is Origin.MODEL:
            text = self.pieces.pop().text + text
        self.pieces.append(Piece(origin, text))

    def say(self, text: str) -> None:
        self.put(Origin.MODEL, text)

    def hint(self, name: str) -> None:
        """A hint; some come without their line end, which the model then writes."""
        text = phrases.hint(self.rng, name)
        bare = self.rng.random() < 0.15
        self.put(Origin.HINT, text.rstrip("\n") if bare else text)
        if bare:
            self.say("\n")

    def marked(self, label: Behaviour, text: str) -> None:
        start = sum(len(p.text) for p in self.pieces)
        self.say(text)
        self.spans.append(Span(label, start, start + len(text)))

    def block(self, code: str) -> str | None:
        """The rest of an opened block, and what running it gives; returns the error."""
        self.say(f"{code}\n```")
        self.cells += 1
        result = run_cell(code, self.namespace, self.cells)
        self.put(Origin.INTERPRETER, feedback(Kind.OUTPUT, result.feedback))
        return result.error

    def refused(self, code: str) -> None:
        """The rest of an opened block, and the notice that no calls are left."""
        self.say(f"{code}\n```")
        self.put(Origin.SYSTEM, feedback(Kind.NOTICE, BUDGET_NOTICE))


def write(task: Task, rng: random.Random, mixture: Mixture) -> CorpusTrace:
    """One trace about a task."""
    writer = _Writer(rng, task, mixture)
    opening = _opening(rng, mixture)
    if opening != "none":
        writer.hint(opening)
    writer.say(task.setup + "\n")
    answer = str(_solve(writer, _style(rng, mixture, opening, task)))
    if rng.random() < mixture.loop:
        writer.marked("loop", f"{phrase(rng, LOOP)}\n" * rng.randint(4, 8))
    writer.say("</think>\n" + phrase(rng, phrases.ANSWER, value=answer))
    return CorpusTrace(task.problem, tuple(writer.pieces), tuple(writer.spans), answer)


LOOP: phrases.Parts = (
    ("Wait, ", "Hmm, ", "But ", "OK, "),
    ("is that all?", "let me think again.", "did I miss something?", "once more.", "is that what was asked?"),
)


def _opening(rng: random.Random, mixture: Mixture) -> Opening:
    u = rng.random()
    if u < mixture.open_hint:
        return "open"
    return "by_hand" if u < mixture.open_hint + mixture.by_hand_hint else "none"


def _style(rng: random.Random, mixture: Mixture, opening: Opening, task: Task) -> Style:
    if opening == "by_hand":
        return "hand"
    weights = mixture.opened if opening == "open" else mixture.plain
    style: Style = rng.choices(list(weights), list(weights.values()))[0]  # type: ignore[assignment]
    if task.mental and opening == "none" and style in ("code", "delayed") and rng.random() < 0.8:
        return "hand"
    return style


def _solve(writer: _Writer, style: Style) -> int:
    if style == "hand":
        return _by_hand(writer, Hand(writer.rng))[-1][-1]
    if style == "delayed":
        return _delayed(writer)
    last = len(writer.task.steps) - 1
    value = 0
    for i in range(last + 1):
        hinted = style == "hinted" and (i == 0 or writer.rng.random() < 0.4)
        if hinted:
            _hint_into_manual(writer, i)
        else:
            what = writer.task.steps[i].what
            if writer.rng.random() < 0.7:
                writer.say(phrase(writer.rng, phrases.TO_CODE, what=what) + "\n")
            writer.say(phrases.FENCE)
        code = _code(writer, i, alone=False)
        if writer.mixture.notice and writer.rng.random() < writer.mixture.notice:
            writer.refused(code)
            return _by_hand(writer, Hand(writer.rng), first=i)[-1][-1]
        _run(writer, code)
        value = _after_output(writer, i)
    return value


def _by_hand(writer: _Writer, hand: Hand, first: int = 0) -> list[Values]:
    """The steps from `first` on manually; each step's work is one span."""
    values = [step.values for step in writer.task.steps[:first]]
    for step in writer.task.steps[first:]:
        start = len(hand.text)
        values.append(step.hand(hand, values))
        work = hand.text[start:]
        if writer.task.mental:
            writer.say(work)
            continue
        opening = phrase(writer.rng, phrases.MANUAL, what=step.what) + "\n"
        writer.marked("manual", opening + work)
        if len(values) < len(writer.task.steps) or writer.rng.random() < 0.5:
            writer.say(phrase(writer.rng, phrases.HAND_DONE, what=step.what, value=_shown(values[-1])) + "\n")
    return values


def _shown(values: Values) -> str:
    return ", ".join(map(str, values))


def _delayed(writer: _Writer) -> int:
    """By hand first, possibly with a slip, then code to confirm; the output wins."""
    found = _by_hand(writer, Hand(writer.rng, writer.mixture.slip))[-1][-1]
    step = writer.task.steps[-1]
    writer.say(phrase(writer.rng, phrases.CONFIRM, what=step.what) + "\n" + phrases.FENCE)
    _run(writer, _code(writer, len(writer.task.steps) - 1, alone=True))
    value = step.values[-1]
    parts = phrases.CONFIRMED if found == value else phrases.CORRECTED
    writer.say(phrase(writer.rng, parts, what=step.what, value=str(value), wrong=str(found)) + "\n")
    return value


def _hint_into_manual(writer: _Writer, index: int) -> None:
    """A hint that opens a block where manual work begins, or a little into it."""
    step = writer.task.steps[index]
    if writer.rng.random() < writer.mixture.late_hint:
        hand = Hand(writer.rng)
        step.hand(hand, [s.values for s in writer.task.steps[:index]])
        opening = phrase(writer.rng, phrases.MANUAL, what=step.what) + "\n"
        lines = (opening + hand.text).splitlines(keepends=True)
        writer.marked("manual", "".join(lines[: writer.rng.randint(1, max(1, min(3, len(lines) - 1)))]))
    writer.hint("delayed_computation")


def _code(writer: _Writer, index: int, *, alone: bool) -> str:
    """The code of a step and a line that shows its values; `alone`: with all steps before it."""
    steps = writer.task.steps[: index + 1] if alone else writer.task.steps[index : index + 1]
    return "\n".join([*(s.code for s in steps), _show(writer.rng, writer.task.steps[index])])


def _show(rng: random.Random, step: Step) -> str:
    names = ", ".join(step.names)
    return names if rng.random() < 0.2 else f"print({names})"


def _run(writer: _Writer, code: str) -> None:
    """Run the block; with some probability a broken form of it first, which is then repaired."""
    if writer.rng.random() < writer.mixture.error:
        broken, cause = _break(writer.rng, code)
        if writer.block(broken):
            if writer.rng.random() < writer.mixture.error_hint:
                writer.hint("code_error")
            else:
                writer.say(phrase(writer.rng, phrases.REPAIR, cause=cause) + "\n")
            writer.say(phrases.FENCE)
        else:
            writer.say(phrases.FENCE)
    writer.block(code)


def _break(rng: random.Random, code: str) -> tuple[str, str]:
    """A form of the code that fails, and what is wrong with it."""
    lines = code.split("\n")
    if lines[0].startswith(("import ", "from ")) and rng.random() < 0.6:
        return "\n".join(lines[1:]), "the import is missing"
    for good, bad in rng.sample(SPELLINGS, len(SPELLINGS)):
        if good in code and rng.random() < 0.6:
            return code.replace(good, bad, 1), f"{bad.strip('(')} is misspelt"
    wrong = rng.choice(("res", "ans0", "val", "out"))
    return "\n".join([*lines[:-1], f"print({wrong})"]), f"{wrong} is not defined"


SPELLINGS = [("range(", "rnage("), ("sum(", "summ("), ("print(", "prnit("), (".gcd(", ".gdc("), (".comb(", ".cmob(")]


def _after_output(writer: _Writer, index: int) -> int:
    """What follows a correct output: a hint, a re-check by hand, or the next thing; returns the value believed."""
    step, rng = writer.task.steps[index], writer.rng
    last = index == len(writer.task.steps) - 1
    value = step.values[-1]
    if rng.random() < writer.mixture.distrust_hint:
        writer.hint("result_distrust")
    elif rng.random() < writer.mixture.recheck:
        found = _recheck(writer, index)
        if last and found != step.values:
            believed = str(found[-1])
            writer.say(phrase(rng, phrases.BELIEVED, wrong=believed) + "\n")
            return found[-1]
        writer.say(phrase(rng, phrases.CONFIRMED, what=step.what, value=_shown(step.values)) + "\n")
        return value
    if not last or rng.random() < 0.6:
        writer.say(phrase(rng, phrases.READ_OFF, what=step.what, value=_shown(step.values)) + "\n")
    return value


def _recheck(writer: _Writer, index: int) -> Values:
    """The same numbers again by hand; a slip in the last step is believed."""
    steps = writer.task.steps
    slip = writer.mixture.slip if index == len(steps) - 1 else 0.0
    hand = Hand(writer.rng, slip)
    found = steps[index].hand(hand, [s.values for s in steps[:index]])
    opening = phrase(writer.rng, phrases.RECHECK, what=steps[index].what) + "\n"
    writer.marked("recheck", opening + hand.text)
    return found


def traces(split: Split, seed: int, mixture: Mixture) -> Iterator[CorpusTrace]:
    """An endless corpus over the problems of a split; a problem may come again with another solution."""
    rng = random.Random(f"corpus/{seed}")
    easy = tasks(split, seed, "easy", unique=False)
    normal = tasks(split, seed, "normal", unique=False)
    while True:
        level: Level = "easy" if rng.random() < mixture.easy else "normal"
        yield write(next(easy if level == "easy" else normal), rng, mixture)
