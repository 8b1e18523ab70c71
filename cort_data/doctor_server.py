"""What was found of a model server, as lines of a report: what it does, and what that means for a run."""

from __future__ import annotations

from collections.abc import Iterator

from cort_data.doctor import Check, State
from cort_data.engines.capabilities import Capabilities, Finding, Thinking, WayFound
from cort_data.engines.settings import Continuation

_LABELS = {
    Continuation.IDS: "continue: token ids",
    Continuation.TEXT: "continue: text",
    Continuation.CHAT_CONTINUE: "continue: chat",
    Continuation.PREFIX_FLAG: "continue: prefix flag",
    Continuation.NATIVE_TOOLS: "whole turns, tool calls",
}
_COUNTING = {
    "ids": "by ids, which come from the server and are kept",
    "logprobs": "by the tokens that come with log-probabilities",
    "usage": "by the server at the end of a text; texts that are cut short are counted by event",
    "chunk": "one an event, which is a guess",
}


def checks_of(found: Capabilities) -> list[Check]:
    """The lines of the report; MISSING only where nothing can be written."""
    return [_chosen(found), *(_way(way) for way in found.ways), *_features(found)]


def _chosen(found: Capabilities) -> Check:
    if found.way is None:
        return Check("runs", State.MISSING, "nothing can be written: no way to continue works, and no tool is called")
    if not found.continues:
        if found.thinking is Thinking.HIDDEN:
            return Check("runs", State.MISSING, "whole turns alone, and the thinking is hidden: nothing to be learned")
        return Check("runs", State.OPTIONAL, "whole turns (native_tools): policy prompt_hint alone, no rewinding")
    return Check("runs", State.OK, f"engine.continuation: auto takes {found.way}")


def _way(way: WayFound) -> Check:
    detail = way.finding + (f": {way.detail}" if way.detail else "")
    works = way.usable or way.finding is Finding.WHOLE_TURNS
    return Check(_LABELS[way.way], State.OK if works else State.OPTIONAL, detail)


def _features(found: Capabilities) -> Iterator[Check]:
    yield Check("tokens", State.OK if found.counting != "chunk" else State.OPTIONAL, _COUNTING[found.counting])
    yield _seen("log-probabilities", found.logprobs, "given", "not given")
    yield _thinking(found)
    yield _seen("stop strings", found.stop, "honoured", "ignored; runs do not need them, blocks are cut here")
    yield _seen("seed", found.seed, "the same seed gives the same text", "ignored: a run cannot be repeated exactly")
    yield _seen("temperature", found.sampling, "honoured", "ignored: samples of a problem are alike")
    yield _cache(found)
    guess = "" if found.context_said else ", a guess: the server does not say"
    yield Check("context", State.OK if found.context_said else State.OPTIONAL, f"{found.context:,} tokens{guess}")
    limits = ", ".join(f"{name.removeprefix('x-ratelimit-')} {value}" for name, value in found.rate_limits.items())
    yield Check("rate limits", State.OK, limits or "none said")


def _thinking(found: Capabilities) -> Check:
    if found.thinking is None:
        return Check("thinking", State.OPTIONAL, "not seen: the server has no chat")
    where = f" ({found.thinking_field})" if found.thinking_field else ""
    state = State.OPTIONAL if found.thinking in (Thinking.HIDDEN, Thinking.NONE) else State.OK
    return Check("thinking", state, f"{found.thinking}{where}")


def _seen(name: str, value: bool | None, yes: str, no: str) -> Check:
    if value is None:
        return Check(name, State.OPTIONAL, "could not be seen")
    return Check(name, State.OK if value else State.OPTIONAL, yes if value else no)


def _cache(found: Capabilities) -> Check:
    if found.cached_tokens is None or not found.repeated_tokens:
        how = "; vLLM says it with --enable-prompt-tokens-details"
        return Check("prefix cache", State.OPTIONAL, f"the server does not say what it caches{how}")
    share = f"{found.cached_tokens:,} of {found.repeated_tokens:,} tokens of a repeated prompt"
    return Check("prefix cache", State.OK if found.cached_tokens else State.OPTIONAL, share)
