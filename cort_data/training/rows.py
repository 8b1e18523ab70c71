"""Token rows: a trace as `input_ids` and `labels`, one origin a token. The mask comes from segments, never from text.

A row is the prompt, then every segment in order, then the end token if the text ended. Trained are tokens of the
model, of people, and of hints as the settings say; the prompt, outputs and notices are masked. Ids are the engine's
own where the student reads them as exactly the same text; otherwise the text is tokenized segment by segment, so
that no token crosses a border between writers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cort_data.dialects import convert, render
from cort_data.errors import TrainingError
from cort_data.hints.template import Hint
from cort_data.profiles import Dialect
from cort_data.prompts import render_prompt
from cort_data.trace import ENVIRONMENT, Kind, Origin, Segment, Trace
from cort_data.training.hints import insertion, owed, paraphrase
from cort_data.training.settings import HintTokens
from cort_data.training.tokens import Student

IGNORED = -100
"""Label of a token without loss."""

DROPPED = "dropped"
PARAPHRASED = "paraphrased"

ENDED = frozenset({"answered", "no_answer"})
"""Stop reasons of a text that its writer ended."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One trace as a training sequence; all sequences are `(T,)`.

    `labels` is the id itself where the token is trained and IGNORED elsewhere; the shift by one is the trainer's.
    `origins` is None for the prompt.
    """

    id: str
    problem: str
    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    origins: tuple[Origin | None, ...]
    engine_ids: bool = False
    """The completion has the ids that the engine gave."""
    new_prompt: bool = False
    """The prompt is not the one that the trace was written under."""
    hints: tuple[str, ...] = ()
    """What was done to each hint that is not as it was."""
    out_of_context: int = 0
    """Trained tokens after such a hint."""

    @property
    def trained(self) -> int:
        """Tokens with loss."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True)
class RowSettings:
    """What shapes the rows of a set of traces."""

    prompt: str = "plain"
    """Name or text of the prompt template that the problem is put with."""
    hint_tokens: HintTokens = HintTokens.TRAIN
    train_fence: bool = True
    max_tokens: int = 16384
    seed: int = 0


@dataclass
class RowCounts:
    """What became of the traces that went in, and of their tokens."""

    traces: int = 0
    rows: int = 0
    too_long: int = 0
    untrained: int = 0
    """Traces without any token to train."""
    tokens: int = 0
    trained: int = 0
    trained_by: Counter[str] = field(default_factory=Counter)
    """Origin → trained tokens."""
    engine_ids: int = 0
    """Rows with the ids that the engine gave; the others were tokenized from their text."""
    new_prompts: int = 0
    """Rows whose prompt is not the one that the trace was written under."""
    hints: Counter[str] = field(default_factory=Counter)
    """Hints that are not as they were, by what was done to them."""
    out_of_context: int = 0
    """Trained tokens that were written after a hint which is not there any more, or says it otherwise."""

    def add(self, row: TokenRow) -> None:
        """Count a row."""
        self.rows += 1
        self.tokens += len(row.input_ids)
        self.trained += row.trained
        for origin, label in zip(row.origins, row.labels, strict=True):
            if label != IGNORED:
                self.trained_by[str(origin)] += 1
        self.engine_ids += row.engine_ids
        self.new_prompts += row.new_prompt
        self.hints.update(row.hints)
        self.out_of_context += row.out_of_context

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of a row of one origin."""

    text: str
    origin: Origin
    trained: bool
    ids: tuple[int, ...] | None = None
    altered: str = ""
    """What was done to the hint that stood here."""


class RowMaker:
    """Makes rows for one student, and counts."""

    def __init__(self, student: Student, settings: RowSettings, hints: Mapping[str, Hint] | None = None) -> None:
        self.student = student
        self.settings = settings
        self.counts = RowCounts()
        self._hints = hints or {}

    def rows(self, traces: Iterable[Trace]) -> Iterator[TokenRow]:
        """The rows of the traces that can be trained on, in order; the others are counted."""
        for trace in traces:
            self.counts.traces += 1
            row = self.row(trace)
            if len(row.input_ids) > self.settings.max_tokens:
                self.counts.too_long += 1
            elif not row.trained:
                self.counts.untrained += 1
            else:
                self.counts.add(row)
                yield row

    def row(self, trace: Trace) -> TokenRow:
        """The row of one trace, however long."""
        prompt = self.student.prompt(render_prompt(self.settings.prompt, trace.problem))
        ids = self.student.encode(prompt)
        labels = [IGNORED] * len(ids)
        origins: list[Origin | None] = [None] * len(ids)
        written = convert(trace, self.student.profile)
        shared = self._shares_ids(written)
        pieces = self._pieces(written)
        astray, altered = 0, False
        for piece in pieces:
            new = piece.ids if shared and piece.ids is not None else self.student.encode(piece.text)
            ids += new
            labels += new if piece.trained else [IGNORED] * len(new)
            origins += [piece.origin] * len(new)
            if piece.trained and not piece.altered and altered:
                astray += len(new)
            altered |= bool(piece.altered)
        if trace.stop_reason in ENDED and ids[-1] not in self.student.ends:
            ids, labels, origins = [*ids, self.student.end], [*labels, self.student.end], [*origins, Origin.MODEL]
        return TokenRow(
            id=trace.id,
            problem=trace.problem.id,
            input_ids=tuple(ids),
            labels=tuple(labels),
            origins=tuple(origins),
            engine_ids=shared,
            new_prompt=prompt != trace.prompt,
            hints=tuple(p.altered for p in pieces if p.altered),
            out_of_context=astray,
        )

    def _pieces(self, trace: Trace) -> list[_Piece]:
        if self.student.profile.dialect is not Dialect.FENCED:
            return list(self._tagged(trace))
        pieces = [self._piece(trace, i, segment) for i, segment in enumerate(trace.segments)]
        return [_line_ended(pieces, i) for i in range(len(pieces))]

    def _tagged(self, trace: Trace) -> Iterator[_Piece]:
        """The trace between its family's own tags. Raises TrainingError for a setting that has no meaning there."""
        tags = self.student.profile.tags
        assert tags is not None
        if self.settings.hint_tokens not in (HintTokens.TRAIN, HintTokens.MASK):
            raise TrainingError(
                f"sft.hint_tokens {self.settings.hint_tokens}: only for fenced traces; the profile "
                f"{self.student.profile.name} writes {self.student.profile.dialect}: use train or mask"
            )
        for run in render(trace, self.student.profile):
            opens = run.text.startswith(tags.call[0])
            wanted = self.settings.train_fence if opens else self.settings.hint_tokens == HintTokens.TRAIN
            trained = wanted if run.origin is Origin.HINT else run.origin not in ENVIRONMENT
            yield _Piece(run.text, run.origin, trained)

    def _piece(self, trace: Trace, index: int, segment: Segment) -> _Piece:
        whole = _Piece(segment.text, segment.origin, bool(segment.in_env_mask), segment.token_ids)
        if segment.hint is None:
            return whole
        if segment.kind is Kind.CODE:
            return replace(whole, trained=self.settings.train_fence)
        match self.settings.hint_tokens:
            case HintTokens.TRAIN:
                return whole
            case HintTokens.MASK:
                return replace(whole, trained=False)
        here = insertion(trace, index)
        hint = self._hints.get(here.mark.name)
        if self.settings.hint_tokens == HintTokens.DROP:
            return _Piece(owed(here, hint), Origin.MODEL, trained=True, altered=DROPPED)
        words = paraphrase(here, hint, self.settings.seed)
        return whole if words is None else _Piece(words, Origin.HINT, trained=True, altered=PARAPHRASED)

    def _shares_ids(self, trace: Trace) -> bool:
        """Does the student read the engine's ids as this text?

        Runs of the model are decoded as they were written; what was encoded on its own must encode alike here.
        """
        if trace.token_ids is None:
            return False
        before: list[int] = list(trace.prompt_ids or ())
        for written, run in _runs(trace.segments):
            ids = [i for s in run for i in s.token_ids or ()]
            text = "".join(s.text for s in run)
            if written:
                cut = len(ids) - (bool(ids) and ids[-1] in self.student.ends)
                if not self.student.reads(ids[:cut], before, text):
                    return False
            elif ids != [i for s in run for i in self.student.encode(s.text)]:
                return False
            before += ids
        return True


def _runs(segments: Sequence[Segment]) -> Iterator[tuple[bool, list[Segment]]]:
    """Neighbours that were written in one go by the model, and every other segment alone; True for the model's."""
    run: list[Segment] = []
    for segment in segments:
        if segment.origin is Origin.MODEL:
            run.append(segment)
            continue
        if run:
            yield True, run
            run = []
        yield False, [segment]
    if run:
        yield True, run


def _line_ended(pieces: Sequence[_Piece], index: int) -> _Piece:
    """The piece; where words were taken out before a fence, the line is ended, since a fence starts one."""
    piece = pieces[index]
    before = piece.text or (pieces[index - 1].text if index else "\n")
    after = pieces[index + 1].text if index + 1 < len(pieces) else ""
    glued = piece.altered == DROPPED and after.startswith("```") and not before.endswith("\n")
    return replace(piece, text=piece.text + "\n") if glued else piece
