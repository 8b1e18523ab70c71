"""What else a server does: stop strings, seed, sampling, prefix cache, thinking, tools, context, limits.

Each is seen in a short answer or not believed. What cannot be seen stays None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from cort_data.engines.asking import REFUSED, Answer, Asker
from cort_data.engines.base import Prefix, Sampling, Turn
from cort_data.engines.capabilities import Thinking
from cort_data.engines.continuation_probe import USER, WRITTEN, Tags
from cort_data.engines.native_tools import PYTHON_TOOL
from cort_data.engines.server_errors import ServerError, translated
from cort_data.engines.settings import Continuation
from cort_data.engines.wires import Abilities, cached_tokens

TOKENS = 40
HOT = 1.5  # temperature at which two seeds differ
SUM = "What is 7 + 5? Think it over briefly, then give the number."
PRODUCT = "What is 3571 * 4229? Call the python tool to find out."
ANSWER_TOKENS = 300
UNSEEN = 20  # counted tokens beyond the shown ones that make thinking hidden
REPEATED_WORDS = 600
ABSURD = 10**9  # tokens; a server that refuses them says how many it has
_WORD = re.compile(r"[A-Za-z]{3,}|\d{2,}")
_CONTEXT = re.compile(r"context (?:length|window|size)[^\d]{0,24}(\d{3,})|maximum of (\d{3,})", re.IGNORECASE)


@dataclass(frozen=True)
class FeatureProbe:
    """One server, asked for text in a way that works."""

    asker: Asker
    abilities: Abilities
    tags: Tags

    async def features(self, context: int) -> dict[str, Any]:
        """Fields of `Capabilities`. Raises ServerError."""
        plain = await self._write(WRITTEN)
        cached, repeated = await self._cache(context)
        return {
            "stop": await self._stop(plain),
            **await self._draws(plain),
            "logprobs": any(chunk.logprobs for chunk in plain.chunks),
            "cached_tokens": cached,
            "repeated_tokens": repeated,
            "rate_limits": {k: v for k, v in plain.headers.items() if k.lower().startswith("x-ratelimit-")},
        }

    async def context(self) -> int | None:
        """Ask for absurdly many tokens: a server that refuses says how many it has. None if it does not say."""
        try:
            await self.asker.first_event(self.abilities, await self._prefix(WRITTEN), Sampling(0, 1, 0, ABSURD))
        except ServerError as error:
            if error.status not in REFUSED:
                raise
            found = _CONTEXT.search(str(error))
            return int(found[1] or found[2]) if found else None
        return None

    async def _stop(self, plain: Answer) -> bool | None:
        """Does a text end before a word that stands in it?"""
        text = plain.text
        words = [m for m in _WORD.finditer(text) if m.start() > len(text) // 4 and text.find(m[0]) == m.start()]
        if not words:
            return None
        word = words[0]
        answer = await self._write(WRITTEN, stop=(word[0],))
        if word[0] in answer.text:
            return False
        return True if text.startswith(answer.text) and len(answer.text) <= word.start() else None

    async def _draws(self, plain: Answer) -> dict[str, bool | None]:
        """The same seed twice and another one, at a high temperature."""
        one, same, other = [(await self._write(WRITTEN, HOT, seed)).text for seed in (7, 7, 8)]
        varied = len({one, same, other, plain.text}) > 1
        return {"seed": False if one != same else True if one != other else None, "sampling": varied}

    async def _cache(self, context: int) -> tuple[int | None, int | None]:
        """Cached and all tokens of a prompt that is sent for the second time."""
        words = " ".join(["lamp", "river", "stone", "paper"] * (min(REPEATED_WORDS, context // 8) // 4))
        answer: Answer | ServerError | None = None
        for _ in range(2):
            prefix = await self._prefix(f"{words} {WRITTEN}")
            answer = await self.asker.try_to_write(self.abilities, prefix, Sampling(0, 1, 0, 1))
        if not isinstance(answer, Answer):
            return None, None
        return cached_tokens(answer.usage), answer.prompt_tokens

    async def _write(self, written: str, temperature: float = 0, seed: int = 0, stop: tuple[str, ...] = ()) -> Answer:
        sampling = Sampling(temperature, 1, seed, TOKENS, stop)
        return await self.asker.write(self.abilities, await self._prefix(written), sampling)

    async def _prefix(self, written: str) -> Prefix:
        turn = Turn(f"{USER} {written}", "", "") if self._whole_turns else Turn(USER, "", written)
        text = f"{turn.user}\n\n{turn.assistant}"
        tokenized = await self.asker.tokenize(text) if self.abilities.ids else None
        return Prefix(text, tokenized and tokenized[0], turn)

    @property
    def _whole_turns(self) -> bool:
        return self.abilities.way is Continuation.NATIVE_TOOLS


async def thinking(asker: Asker, tags: Tags) -> tuple[Thinking | None, str | None]:
    """Where thinking shows in an ordinary answer, and the name of its field; None where there is no chat."""
    abilities = Abilities(way=Continuation.NATIVE_TOOLS, usage=True, think_close=tags.close)
    prefix, sampling = Prefix("", None, Turn(SUM, "", "")), Sampling(0, 1, 0, ANSWER_TOKENS)
    answer = await asker.try_to_write(abilities, prefix, sampling)
    if isinstance(answer, ServerError):
        answer = await asker.try_to_write(replace(abilities, usage=False), prefix, sampling)
    if isinstance(answer, ServerError):
        return None, None
    if answer.thinking_field is not None:
        return Thinking.FIELD, answer.thinking_field
    if tags.open in answer.text or tags.close in answer.text:
        return Thinking.TEXT, None
    return (Thinking.HIDDEN if _unseen(answer) else Thinking.NONE), None


def _unseen(answer: Answer) -> bool:
    """Were more tokens counted than the text can have?"""
    if answer.usage is None:
        return False
    details = answer.usage.completion_tokens_details
    if details and details.reasoning_tokens:
        return True
    return answer.usage.completion_tokens > len(answer.text) + UNSEEN


async def calls_tools(asker: Asker) -> tuple[bool, str]:
    """Does the model call a tool when it is told to? And what came instead."""
    messages: Any = [{"role": "user", "content": PRODUCT}]
    tools: Any = [PYTHON_TOOL]
    try:
        with translated(asker.url, asker.model):
            answer = await asker.client.chat.completions.create(
                model=asker.model, messages=messages, tools=tools, max_tokens=ANSWER_TOKENS, temperature=0
            )
    except ServerError as error:
        if error.status not in REFUSED and not error.garbled:
            raise
        return False, error.said
    choices = getattr(answer, "choices", None)
    message = choices[0].message if choices else None
    if message is None or not message.tool_calls:
        return False, "the model answered without a tool call"
    return True, ""
