"""Rows of public data sets as traces: completions with fences, long chains of thought, chats with tool calls.

A row has an id, a problem and what was written about it, under one of several names. Who wrote what is not recorded
there: outputs count as the interpreter's, unless the row says that they are forged, and all else as the model's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from cort_data.errors import TraceError
from cort_data.grading import extract_answer
from cort_data.json_lines import BadLine, Row, as_text
from cort_data.mending import mend
from cort_data.messages import from_messages
from cort_data.profiles import Profile
from cort_data.steps import StepKind, fenced
from cort_data.trace import Event, Kind, Origin, Problem, Segment, Trace, first_problem, segments_of

UNKNOWN_ANSWER = "(unknown)"
"""Gold answer of an imported problem that came without one: never right, never wrong."""

PROBLEM_KEYS = ("problem", "question", "query", "instruction", "prompt")
COMPLETION_KEYS = ("completion", "generated_solution", "generation", "response", "rationale", "solution", "output")
SAMPLES_KEY = "code"  # ToRA's own outputs: a list of completions
MESSAGES_KEYS = ("messages", "conversations", "conversation")
_ANSWER_KEYS = ("gold_answer", "gold", "expected_answer", "answer", "final_answer", "gt")
_ID_KEYS = ("id", "unique_id", "idx", "uuid")
_SOURCE_KEYS = ("source", "problem_source", "data_source")
_MODEL_KEYS = ("model", "generator", "model_name")


def is_foreign(fields: Mapping[str, Any]) -> bool:
    """Has this object a completion in some form, and is it no trace of ours?"""
    return "segments" not in fields and any(key in fields for key in (*COMPLETION_KEYS, SAMPLES_KEY, *MESSAGES_KEYS))


def foreign_traces(row: Row, profile: Profile, source: str) -> Iterator[Trace | BadLine]:
    """The traces of a row, mostly one; `source` names the data set where the row does not."""
    try:
        writings = list(_writings(row.fields, profile))
        for number, writing in enumerate(writings):
            name = _name(row, source) + (f"-{number}" if len(writings) > 1 else "")
            yield _trace(name, _problem(row.fields, name, writing, source), writing, row.fields, profile)
    except _UnusableError as error:
        yield BadLine(row.where, str(error), error.kind)
    except ValidationError as error:
        yield BadLine(row.where, f"not a trace: {first_problem(error)}", "not_a_trace")


class _UnusableError(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Writing(NamedTuple):
    """What was written about a problem; the question and what was odd, where it comes from a conversation."""

    text: str
    question: str = ""
    odd: Counter[str] = Counter()  # noqa: RUF012 - never changed


def _writings(fields: Mapping[str, Any], profile: Profile) -> Iterator[_Writing]:
    messages = next((fields[key] for key in MESSAGES_KEYS if fields.get(key)), None)
    samples = fields.get(SAMPLES_KEY)
    if messages is not None:
        yield _spoken(messages, profile)
    elif isinstance(samples, list) and samples:
        yield from (_Writing(_whole(SAMPLES_KEY, sample)) for sample in samples)
    else:
        key = next((key for key in COMPLETION_KEYS if fields.get(key) not in (None, "")), None)
        if key is None:
            names = ", ".join((*COMPLETION_KEYS, *MESSAGES_KEYS))
            raise _UnusableError("no_completion", f"no completion; expected one of the fields {names}")
        yield _Writing(_whole(key, fields[key]))


def _spoken(messages: object, profile: Profile) -> _Writing:
    """A conversation as a completion. One that only speaks may have its fences and think tags in its words."""
    if not isinstance(messages, list) or not all(isinstance(message, Mapping) for message in messages):
        raise _UnusableError("bad_messages", "messages: expected a list of objects with role and content")
    try:
        question, steps, odd = from_messages(messages)
    except TraceError as error:
        raise _UnusableError("bad_messages", str(error)) from None
    only_words = all(step.kind is StepKind.ANSWER for step in steps)
    text = steps[0].text if steps and only_words else "".join(s.text for s in fenced(steps, profile))
    if not text:
        raise _UnusableError("no_completion", "messages: the assistant says nothing")
    return _Writing(_whole("messages", text), question, odd)


def _whole(key: str, value: object) -> str:
    """A text that can be stored. A number counts; nothing, and half of a surrogate pair, do not."""
    text = as_text(value)
    if not text or any("\ud800" <= char <= "\udfff" for char in text):
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:60] + "…"
        raise _UnusableError(f"no_{key}", f"{key}: expected a text, got {shown}")
    return text


def _name(row: Row, source: str) -> str:
    key = next((key for key in _ID_KEYS if row.fields.get(key) is not None), None)
    return f"{source}-{row.where.rpartition(':')[2]}" if key is None else _whole(key, row.fields[key])


def _problem(fields: Mapping[str, Any], name: str, writing: _Writing, source: str) -> Problem:
    key = next((key for key in PROBLEM_KEYS if as_text(fields.get(key)) is not None), None)
    if key is None and not writing.question:
        raise _UnusableError("no_problem", f"no problem; expected one of the fields {', '.join(PROBLEM_KEYS)}")
    answers = (as_text(fields.get(key)) for key in _ANSWER_KEYS)
    return Problem(
        id=as_text(fields.get("problem_id")) or name,
        text=_whole("messages", writing.question) if key is None else _whole(key, fields[key]),
        answer=next(filter(None, answers), UNKNOWN_ANSWER),
        source=_first(fields, _SOURCE_KEYS) or source,
    )


def _trace(name: str, problem: Problem, writing: _Writing, fields: Mapping[str, Any], profile: Profile) -> Trace:
    text, events = mend(writing.text, profile)
    segments, forged = segments_of(text)
    if fields.get("outputs") == "forged":
        segments, forged = _forged(segments, forged)
    model = _first(fields, _MODEL_KEYS)
    return Trace(
        id=name,
        problem=problem,
        stage="import",
        prompt=profile.render(problem.text),
        profile=profile.name,
        engine=f"import:{model}" if model else "import",
        segments=segments,
        stop_reason="answered" if extract_answer(text, profile.think_close) is not None else "no_answer",
        events=(*events, *forged, *(Event(kind=kind, count=n) for kind, n in writing.odd.items())),
    )


def _forged(segments: tuple[Segment, ...], events: tuple[Event, ...]) -> tuple[tuple[Segment, ...], tuple[Event, ...]]:
    """The model wrote its outputs, and the row says so: they look genuine, and are the model's."""
    ours = tuple(s.model_copy(update={"origin": Origin.MODEL}) if s.kind is Kind.OUTPUT else s for s in segments)
    count = sum(s.kind is Kind.OUTPUT for s in segments) + sum(event.count for event in events)
    return ours, (Event(kind="forged_output", count=count),) if count else ()


def _first(fields: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((value for key in keys if isinstance(value := fields.get(key), str) and value), "")
