"""The one data model: a `Problem`, and a `Trace` of ordered `Segment`s that somebody wrote.

Kind says what a segment is, origin who wrote it. Token ids and log-probabilities are kept as the engine gave
them and never recomputed from text; every other view (rendered text, `env_mask`, calls, token counts) is
derived from the segments, so that synthesis, filters, training and evaluation cannot disagree about a mask.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cort_data.errors import TraceError
from cort_data.fences import PieceKind, feedback_fence, parse, unclosed

SCHEMA_VERSION = 1


class Kind(StrEnum):
    """What a segment is."""

    TEXT = "text"
    CODE = "code"  # a python block with its fences
    OUTPUT = "output"  # interpreter feedback with its fences
    NOTICE = "notice"  # a message of the system: budget used up, state lost


class Origin(StrEnum):
    """Who wrote a segment."""

    MODEL = "model"
    HINT = "hint"
    INTERPRETER = "interpreter"
    SYSTEM = "system"
    HUMAN = "human"


ENVIRONMENT = frozenset({Origin.INTERPRETER, Origin.SYSTEM})
IMPORTED = "imported"
"""Kind of the event of a trace that goes on with another one."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Problem(_Record):
    """A mathematics problem with its gold answer."""

    id: str
    text: Annotated[str, Field(min_length=1, description="The statement, as the model reads it")]
    answer: Annotated[str, Field(min_length=1, description="Gold answer, without a box")]
    source: Annotated[str, Field(description="Data set or family that the problem comes from")] = ""
    topic: str = ""
    released: Annotated[
        str,
        Field(
            pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="Day from which it was public, YYYY-MM-DD; empty: unknown"
        ),
    ] = ""


class HintMark(_Record):
    """Which hint a hint segment belongs to. Offsets are characters of the completion when the hint fired."""

    name: str
    trigger: str
    wording: Annotated[int, Field(description="Index of the wording in the hint file")]
    span_start: int
    span_end: int
    tokens_saved: Annotated[
        float | None, Field(description="Estimated by branch search; null where it was not run")
    ] = None


class Segment(_Record):
    """A maximal run of one kind and one origin.

    `token_ids` is null where the engine gives none; `tokens` is then the engine's own count. `logprobs`, where
    given, has one value a token: the log-probability (nats) under the sampling distribution's model.
    """

    kind: Kind
    origin: Origin
    text: str
    tokens: Annotated[int, Field(ge=0)] = 0
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    hint: HintMark | None = None

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        if self.token_ids is not None and self.tokens != len(self.token_ids):
            raise ValueError(f"tokens must be the number of token_ids ({len(self.token_ids)}), got {self.tokens}")
        if self.logprobs is not None and len(self.logprobs) != self.tokens:
            raise ValueError(f"logprobs must be one a token ({self.tokens}), got {len(self.logprobs)}")
        return self

    @property
    def in_env_mask(self) -> int:
        """1 for tokens of the model, a hint or a human, 0 for those of the interpreter or the system."""
        return 0 if self.origin in ENVIRONMENT else 1


class Arm(_Record):
    """Continuations of one prefix, with a hint or without it, one entry a continuation.

    `tokens` are those that the model generated from the prefix on; a continuation that is not right, or that a budget
    ended, counts at full length: all tokens that it might have used.
    """

    correct: tuple[bool, ...] = ()
    tokens: tuple[int, ...] = ()

    @property
    def accuracy(self) -> float:
        """Share of right continuations; nan without any."""
        return sum(self.correct) / len(self.correct) if self.correct else math.nan

    @property
    def mean_tokens(self) -> float:
        """Mean cost of a continuation; nan without any."""
        return sum(self.tokens) / len(self.tokens) if self.tokens else math.nan


class Arms(_Record):
    """What branch search saw at one candidate. The fresh continuations were not used to choose."""

    with_hint: Arm
    without: Arm
    fresh_with_hint: Arm = Arm()
    fresh_without: Arm = Arm()


class Event(_Record):
    """Something that happened to a trace and is not in its text.

    kinds: `forged_output`, `rewind`, `glued_fence` (a token that closed a block carried more), `state_lost`,
    `native_tools` (the server continues no text), `hint`, `candidate` (a place where branch search tried a hint),
    `losing_branches` (all that a search wrote and did not keep), `imported` (up to `end` the trace is that of `name`,
    and `tokens` of it are the model's), and what an import had to mend (`mending`). `tokens` are otherwise model tokens
    that were generated and dropped. For a hint, `outcome` is `fired | below | blocked | declined`, for a candidate
    `win | loss | tie`.
    """

    kind: str
    count: int = 1
    tokens: int = 0
    name: str | None = None
    trigger: str | None = None
    start: int | None = None
    end: int | None = None
    score: float | None = None
    threshold: float | None = None
    outcome: str | None = None
    reason: str | None = None
    text: Annotated[str | None, Field(description="What was dropped")] = None
    arms: Annotated[Arms | None, Field(description="What both arms of a candidate gave")] = None


class Decision(_Record):
    """What one filter said about a trace."""

    filter: str
    keep: bool
    reason: Annotated[str, Field(description="A named reason from a fixed set of the filter; `kept` if kept")]
    detail: str = ""


class SamplingUsed(_Record):
    """How the model's tokens were drawn."""

    temperature: float
    top_p: float


class InterpreterUsed(_Record):
    """The interpreter semantics that the trace was written under."""

    backend: str
    isolation: str
    timeout_s: float
    memory_mb: int
    output_chars: int


class Usage(_Record):
    """What an engine was sent to write a trace, in tokens; what it wrote is `Trace.generated_tokens`.

    Every stream sends its whole prefix. What an earlier stream of the trace had sent or written of it is cached, by the
    engine's word where it gives one and by count elsewhere; the rest is fresh.
    """

    streams: int = 0
    fresh_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            streams=self.streams + other.streams,
            fresh_tokens=self.fresh_tokens + other.fresh_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
        )


class Trace(_Record):
    """A problem, the rendered prompt, and what was written after it. Invariants are checked when it is built."""

    schema_version: int = SCHEMA_VERSION
    id: str
    problem: Problem
    sample: Annotated[int, Field(description="Index among the samples of this problem and policy")] = 0
    stage: str = "synth"
    prompt: Annotated[str, Field(description="Rendered once, with the opening think tag where the profile has one")]
    prompt_ids: tuple[int, ...] | None = None
    profile: str = "plain"
    policy: str = "none"
    engine: Annotated[str, Field(description="Engine kind and model")] = ""
    sampling: SamplingUsed | None = None
    seed: int = 0
    interpreter: InterpreterUsed | None = None
    segments: tuple[Segment, ...] = ()
    stop_reason: str = "answered"
    error: str | None = None
    usage: Annotated[Usage | None, Field(description="Null where nobody counted, as in imported traces")] = None
    events: tuple[Event, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @model_validator(mode="after")
    def _invariants(self) -> Self:
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"schema_version must be {SCHEMA_VERSION}, got {self.schema_version}")
        _check_runs(self.segments)
        _check_outputs_follow_code(self.segments)
        _check_inverse(self.segments, self.events)
        return self

    @cached_property
    def text(self) -> str:
        """The completion: everything after the prompt."""
        return "".join(s.text for s in self.segments)

    @property
    def token_ids(self) -> tuple[int, ...] | None:
        """Ids of the completion, `(T,)`; None if any segment has none."""
        if any(s.token_ids is None for s in self.segments):
            return None
        return tuple(i for s in self.segments for i in s.token_ids or ())

    @property
    def env_mask(self) -> tuple[int, ...]:
        """`(T,)`, one entry a token of the completion: 1 model, hint or human, 0 interpreter or system."""
        return tuple(m for s in self.segments for m in [s.in_env_mask] * s.tokens)

    @property
    def calls(self) -> int:
        """Executed blocks."""
        return sum(s.kind is Kind.OUTPUT for s in self.segments)

    def tokens_by(self, origin: Origin) -> int:
        """Tokens of one origin that are in the trace."""
        return sum(s.tokens for s in self.segments if s.origin is origin)

    @property
    def kept_tokens(self) -> int:
        """Model tokens that are in the trace."""
        return self.tokens_by(Origin.MODEL)

    @property
    def imported_tokens(self) -> int:
        """Model tokens that are in the trace and were not generated for it: it goes on with another one."""
        return sum(e.tokens for e in self.events if e.kind == IMPORTED)

    @property
    def generated_tokens(self) -> int:
        """Model tokens that were paid for: kept, and dropped by rewinds, forged outputs and glued fences."""
        dropped = sum(e.tokens for e in self.events if e.kind != IMPORTED)
        return self.kept_tokens - self.imported_tokens + dropped

    @property
    def tokens_after_last_output(self) -> int | None:
        """Model tokens after the last interpreter output; None if no code ran."""
        last = max((i for i, s in enumerate(self.segments) if s.kind is Kind.OUTPUT), default=None)
        if last is None:
            return None
        return sum(s.tokens for s in self.segments[last + 1 :] if s.origin is Origin.MODEL)

    def blocks(self) -> Iterator[tuple[Segment, ...]]:
        """The python blocks in order; one block may span several segments (a hint opens, the model goes on)."""
        block: list[Segment] = []
        for segment in self.segments:
            starts_new = bool(block) and not unclosed("".join(s.text for s in block))
            if block and (segment.kind is not Kind.CODE or starts_new):
                yield tuple(block)
                block = []
            if segment.kind is Kind.CODE:
                block.append(segment)
        if block:
            yield tuple(block)

    def pieces(self) -> list[tuple[str, str]]:
        """(kind, text) with neighbours of one kind joined and blocks kept apart: what `parse` can know."""
        return join_pieces([(s.kind.value, s.text) for s in self.segments])

    def to_json(self) -> str:
        """One line of JSON, without a line end."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, line: str | bytes) -> Trace:
        """Inverse of `to_json`. Raises TraceError that names the field."""
        try:
            return cls.model_validate_json(line)
        except ValidationError as error:
            raise TraceError(f"not a trace: {first_problem(error)}") from None

    def with_decisions(self, decisions: Sequence[Decision]) -> Trace:
        """The same trace with a filter's verdicts."""
        return self.model_copy(update={"decisions": tuple(decisions)})


def trace_id(problem_id: str, policy: str, sample: int, stage: str) -> str:
    """16 hex digits that name a rollout before it is run, so that a resumed run knows what it has."""
    key = json.dumps([problem_id, policy, sample, stage], ensure_ascii=False)
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def first_problem(error: ValidationError) -> str:
    """The first complaint of a pydantic error in one line: field, requirement, value."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "line"
    given = repr(first["input"])
    return f"{where}: {first['msg']} (got {given[:80] + '…' if len(given) > 80 else given})"


def join_pieces(pieces: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join neighbours of one kind; a closed block and the next one stay two.

    White space with which the completion ends after a block is the block's, as it is for `fences.parse`.
    """
    joined: list[tuple[str, str]] = []
    for kind, text in pieces:
        same = bool(joined) and joined[-1][0] == kind and kind in (Kind.TEXT, Kind.CODE)
        if same and (kind == Kind.TEXT or unclosed(joined[-1][1])):
            joined[-1] = (kind, joined[-1][1] + text)
        elif text:
            joined.append((kind, text))
    if len(joined) > 1 and joined[-2][0] == Kind.CODE and joined[-1][0] == Kind.TEXT and not joined[-1][1].strip():
        joined[-2:] = [(Kind.CODE, joined[-2][1] + joined[-1][1])]
    return joined


def segments_of(text: str, origin: Origin = Origin.MODEL) -> tuple[tuple[Segment, ...], tuple[Event, ...]]:
    """Segments of a completion whose writers are not recorded (imported traces), and the events found in it.

    Outputs are taken as the interpreter's, notices as the system's, all else as `origin`. A forged output stays
    as text and becomes an event.
    """
    origins = {PieceKind.OUTPUT: Origin.INTERPRETER, PieceKind.NOTICE: Origin.SYSTEM}
    segments: list[Segment] = []
    forged = 0
    for piece in parse(text):
        forged += piece.forged
        kind = Kind(piece.kind.value)
        segments.append(Segment(kind=kind, origin=origins.get(piece.kind, origin), text=piece.text))
    events = (Event(kind="forged_output", count=forged),) if forged else ()
    return tuple(segments), events


def feedback(kind: Kind, body: str) -> str:
    """The exact text that the environment appends: `\\n```output\\nBODY\\n```\\n` (or `notice`)."""
    return feedback_fence(kind.value, body)


def _check_runs(segments: Sequence[Segment]) -> None:
    for i, (a, b) in enumerate(itertools.pairwise(segments)):
        same = (a.kind, a.origin, a.hint) == (b.kind, b.origin, b.hint)
        if same and (a.kind is Kind.TEXT or (a.kind is Kind.CODE and unclosed(a.text))):
            raise ValueError(f"segments {i} and {i + 1} are one run ({a.kind}, {a.origin}) and must be joined")


def _check_outputs_follow_code(segments: Sequence[Segment]) -> None:
    for i, segment in enumerate(segments):
        if segment.kind is Kind.OUTPUT and (i == 0 or segments[i - 1].kind is not Kind.CODE):
            before = segments[i - 1].kind if i else "nothing"
            raise ValueError(f"segment {i}: an output must follow the code that made it, but follows {before}")


def _check_inverse(segments: Sequence[Segment], events: Sequence[Event]) -> None:
    """What was built must be what a reader of the text sees, forged outputs included."""
    read = parse("".join(s.text for s in segments))
    built = join_pieces([(s.kind.value, s.text) for s in segments])
    for given, seen in itertools.zip_longest(built, [(p.kind.value, p.text) for p in read]):
        if given != seen:
            raise ValueError(f"segments must parse back: given {_short(given)}, the text reads {_short(seen)}")
    if any(p.forged for p in read) and not any(e.kind == "forged_output" for e in events):
        raise ValueError("text contains an output fence and no forged_output event says so")


def _short(piece: tuple[str, str] | None) -> str:
    if piece is None:
        return "nothing more"
    kind, text = piece
    return f"{kind} {text if len(text) <= 60 else text[:40] + '…' + text[-19:]!r}"
