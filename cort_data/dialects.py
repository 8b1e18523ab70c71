"""Traces in the dialect of a model family, and back.

Segments are fenced and dialect-neutral. `render` writes a trace as its family would have written it, by writer, so
that a training text has its mask; `parse` reads such a text; `convert` moves a trace to another family. A text that
holds a family's own tags cannot be written in its dialect, for nobody could tell them from tags, and is refused.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cort_data.errors import TraceError
from cort_data.fences import parse as parse_fences
from cort_data.profiles import Dialect, Payload, Profile, Quirk, Tags, load_profile
from cort_data.steps import Run, Step, StepKind, answer, fenced, notice, output, program, steps_of, thought
from cort_data.trace import Origin, Segment, Trace, join_pieces, segments_of

CODE_KEYS = ("code", "program", "source", "script", "input", "python", "python_code", "query")
"""Names under which tools take a program."""

_TAG = re.compile(r"<[^<>\s]+>")
_HARMONY_CALL = re.compile(
    r"<\|start\|>assistant(?P<head>(?: to=[\w.]+)?<\|channel\|>(?:analysis|commentary)"
    r"(?: to=[\w.]+)?\s*(?:<\|constrain\|>\w+|\w+)?)<\|message\|>(?P<body>.*?)(?=<\|call\|>|<\|end\|>|<\|start\|>|\Z)",
    re.DOTALL,
)
_HARMONY_OUTPUT = re.compile(
    r"<\|start\|>(?!assistant|system|developer|user)[\w.]+(?: to=assistant)?<\|channel\|>\w+<\|message\|>"
)
_ENVIRONMENT = Run("", Origin.SYSTEM)


def render(trace: Trace, profile: Profile | None = None) -> list[Run]:
    """The completion as the family writes it, by writer, with its closing token if the trace is answered.

    `profile` None: the trace's own; with the fenced dialect the trace is then taken as it stands. Raises TraceError.
    """
    own = load_profile(trace.profile)
    profile = profile or own
    if profile.dialect is Dialect.FENCED and profile.name == own.name:
        runs = [Run(s.text, s.origin, s.hint) for s in trace.segments]
        answered = own.think_close in trace.text
    else:
        steps = steps_of(trace.segments, own.think_close)
        answered = bool(steps) and steps[-1].kind is StepKind.ANSWER
        where = f"trace {trace.id}"
        runs = list(_tagged(steps, profile, where)) if profile.tags else _fenced_runs(steps, profile, where)
    return [*runs, *([Run(profile.end, Origin.MODEL)] if answered and profile.end else [])]


def parse(text: str, profile: Profile) -> list[Step]:
    """The steps of a text in the profile's dialect; inverse of `render` but for who wrote what."""
    if profile.tags is None:
        return steps_of(segments_of(_without_end(text, profile))[0], profile.think_close)
    text = _canonical(text) if profile.dialect is Dialect.HARMONY else text
    return _Reader(profile).read(_without_end(text, profile))


def convert(trace: Trace, profile: Profile) -> Trace:
    """The trace as one of another family: its prompt and think tags. Token ids do not survive. Raises TraceError."""
    own = load_profile(trace.profile)
    if own.name == profile.name:
        return trace
    content = own.content_of(trace.prompt)
    if content is None:
        raise TraceError(f"trace {trace.id}: its prompt is none of the profile {own.name}; it cannot be written anew")
    steps = steps_of(trace.segments, own.think_close)
    changes = {
        "profile": profile.name,
        "prompt": profile.render(content),
        "prompt_ids": None,
        "segments": _fenced(steps, profile, f"trace {trace.id}"),
    }
    return Trace.model_validate({name: getattr(trace, name) for name in Trace.model_fields} | changes)


def program_of(payload: str | dict[str, Any]) -> str | None:
    """The program of a tool call: its arguments as an object or as JSON, or the code itself; None if it has none."""
    if isinstance(payload, str):
        try:
            value = json.loads(payload)
        except (ValueError, RecursionError):
            return payload
        if not isinstance(value, dict):  # a program may be JSON by chance, as `42` is
            return payload
        payload = value
    inner = payload.get("arguments", payload.get("parameters"))
    if isinstance(inner, str | dict):
        return program_of(inner)
    found = (payload[key] for key in CODE_KEYS if isinstance(payload.get(key), str))
    return next(found, None)


def _fenced(steps: Sequence[Step], profile: Profile, where: str) -> tuple[Segment, ...]:
    _refuse_tags(steps, {profile.think_close}, profile, where)
    segments = fenced(steps, profile)
    built = join_pieces([(s.kind.value, s.text) for s in segments])
    read = [(piece.kind.value, piece.text) for piece in parse_fences("".join(s.text for s in segments))]
    if built != read:
        raise TraceError(f"{where}: its words would be read as blocks if it were written with fences")
    return segments


def _fenced_runs(steps: Sequence[Step], profile: Profile, where: str) -> list[Run]:
    return [Run(s.text, s.origin, s.hint) for s in _fenced(steps, profile, where)]


def _without_end(text: str, profile: Profile) -> str:
    stops = "|".join(re.escape(token) for token in profile.stop)
    return re.sub(rf"(?:{stops})\s*\Z", "", text) if stops else text


def _tagged(steps: Sequence[Step], profile: Profile, where: str) -> Iterator[Run]:
    """The steps between a family's tags. The prompt has opened the first thought."""
    tags = profile.tags
    assert tags is not None
    _refuse_tags(steps, _reserved(profile), profile, where)
    opens = Run("", Origin.MODEL) if Quirk.MODEL_OPENS_THINKING in profile.quirks else _ENVIRONMENT
    thinking, turn_over = True, False
    for step in steps:
        if step.kind in (StepKind.OUTPUT, StepKind.NOTICE):
            before, after = tags.output if step.kind is StepKind.OUTPUT else tags.notice
            yield from (_ENVIRONMENT.by_same(before), *step.runs, _ENVIRONMENT.by_same(after))
            continue
        if turn_over:
            yield _ENVIRONMENT.by_same(tags.turn)
        if step.kind is StepKind.THOUGHT:
            if turn_over:
                yield opens.by_same(tags.thought[0])
            thinking, turn_over = True, False
            yield from step.runs
            continue
        if thinking:
            yield step.opened.by_same(tags.thought[1])
        elif step.kind is StepKind.ANSWER and not tags.answer:  # nothing else would say that the thinking is over
            yield from (opens.by_same(tags.thought[0]), step.opened.by_same(tags.thought[1]))
        if step.kind is StepKind.CODE:
            yield from _call(step, tags, where)
        else:
            yield from (step.opened.by_same(tags.answer), *step.runs)
        thinking, turn_over = False, step.kind is StepKind.CODE


def _call(step: Step, tags: Tags, where: str) -> Iterator[Run]:
    if step.closed is None:
        raise TraceError(f"{where}: ends in an open block, which is no call; filter such traces out (format)")
    head, tail = {
        Payload.PROGRAM: ("", ""),
        Payload.ARGUMENTS: ('{"code": "', '"}'),
        Payload.CALL: ('{"name": "python", "arguments": {"code": "', '"}}'),
    }[tags.payload]
    yield step.opened.by_same(tags.call[0] + head)
    for run in step.runs:
        yield run if tags.payload is Payload.PROGRAM else run.by_same(json.dumps(run.text, ensure_ascii=False)[1:-1])
    yield step.closed.by_same(tail + tags.call[1])


@functools.cache
def _reserved(profile: Profile) -> frozenset[str]:
    """The tags that no text of a step may hold."""
    tags = profile.tags
    assert tags is not None
    parts = (tags.turn, *tags.thought, *tags.call, *tags.output, *tags.notice, tags.answer, *profile.stop)
    return frozenset(tag for part in parts for tag in _TAG.findall(part))


def _refuse_tags(steps: Sequence[Step], reserved: set[str] | frozenset[str], profile: Profile, where: str) -> None:
    for step in steps:
        text = step.text
        if found := next((tag for tag in sorted(reserved) if tag in text), None):
            raise TraceError(
                f"{where}: a {step.kind} holds {found!r}, a tag of {profile.name}; it cannot be written for this family"
            )


class _Reader:
    """Reads a tagged text step by step. Line ends at tags, closing tokens and the tool's name may vary."""

    def __init__(self, profile: Profile) -> None:
        self._pattern = _pattern(profile)
        self._raw = profile.tags is not None and profile.tags.payload is Payload.PROGRAM
        self._steps: list[Step] = []
        self._thinking = True
        self._said: list[tuple[bool, str]] = []  # (inside the thinking, text) since the last block

    def read(self, text: str) -> list[Step]:
        """The steps. What a tag is missing for stays in the text that it stands in."""
        at = 0
        for match in self._pattern.finditer(text):
            self._say(text[at : match.start()])
            at = match.end()
            if match.lastgroup in ("opens", "ends", "turns", "answers"):
                self._turn(match.lastgroup)
            else:
                self._block(match)
        self._say(text[at:])
        self._finish()
        return self._steps

    def _say(self, text: str) -> None:
        if text.strip():
            self._said.append((self._thinking, text.strip()))

    def _turn(self, tag: str) -> None:
        self._thinking = tag == "opens"
        if self._thinking:
            self._said = [(inside, text) for inside, text in self._said if text]
        elif tag != "turns":
            self._said.append((False, ""))  # an answer may follow, and may be empty

    def _block(self, match: re.Match[str]) -> None:
        """What was said before a block is thought, wherever it was said."""
        self._steps += _prose(thought, [text for _, text in self._said])
        self._said, self._thinking = [], False
        if match["call"] is not None:
            code = match["call"] if self._raw else program_of(match["call"])
            self._steps.append(program(match["call"] if code is None else code, closed=match["called"] is not None))
        elif match["output"] is not None:
            self._steps.append(output(match["output"]))
        else:
            self._steps.append(notice(match["notice"]))

    def _finish(self) -> None:
        """The last turn: its thought, and its answer if the thinking was closed or never opened."""
        self._steps += _prose(thought, [text for inside, text in self._said if inside])
        said = [text for inside, text in self._said if not inside]
        if said:
            self._steps.append(answer("\n\n".join(filter(None, said))))


def _prose(make: Callable[[str], Step], texts: Sequence[str]) -> list[Step]:
    text = "\n\n".join(filter(None, texts))
    return [make(text)] if text else []


@functools.cache
def _pattern(profile: Profile) -> re.Pattern[str]:
    """Every tag of a family, the longest first where two begin alike; blocks with what they hold."""
    tags = profile.tags
    assert tags is not None
    loose = functools.partial(_loose, stop=profile.stop)
    blocks = {"call": tags.call, "output": tags.output, "notice": tags.notice}
    parts = [
        rf"{loose(before)}(?P<{name}>.*?)(?:{f'(?P<called>{loose(after)})' if name == 'call' else loose(after)}|\Z)"
        for name, (before, after) in blocks.items()
    ]
    turns = {"answers": tags.answer, "opens": tags.thought[0], "ends": tags.thought[1], "turns": tags.turn}
    parts += [f"(?P<{name}>{loose(tag)})" for name, tag in turns.items() if tag]
    return re.compile("|".join(parts), re.DOTALL)


def _loose(tag: str, stop: Sequence[str]) -> str:
    """The tag with optional line ends, optional closing tokens at its end, and any name for the tool."""
    pattern = re.sub(r"\\?\n", r"\\n?", re.escape(tag)).replace("python", r"[\w.\-]+")
    for token in stop:
        bare = pattern.removesuffix(re.escape(token))
        if bare and bare != pattern:
            return f"{bare}(?:{re.escape(token)})?"
    return pattern


def _canonical(text: str) -> str:
    """Harmony with the variants of its headers that models and libraries write made one."""
    text = _HARMONY_CALL.sub(_canonical_call, text)
    text = _HARMONY_OUTPUT.sub("<|start|>python to=assistant<|channel|>analysis<|message|>", text)
    return text.replace("<|channel|>commentary<|message|>", "<|channel|>analysis<|message|>")


def _canonical_call(match: re.Match[str]) -> str:
    body = match["body"]
    if " to=" not in match["head"]:
        return match[0]
    if "functions." in match["head"] or "json" in match["head"]:
        body = program_of(body) or body
    return f"<|start|>assistant<|channel|>analysis to=python code<|message|>{body}"
