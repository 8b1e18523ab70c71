"""An engine for tests: writes what it is told, token by token, and counts what was asked of it."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from cort_data.engines.base import Chunk, Prefix, Sampling
from cort_data.engines.capabilities import Capabilities

Script = Iterable[str] | Mapping[str, str] | Callable[[str], str]
END = 0x10FFFF + 1  # id of the end-of-text token, above every code point


class ScriptedEngine:
    """Writes from a script.

    A list gives one text a call, in order; a mapping looks up the longest key that the prefix ends with; a
    callable is given the prefix. Texts are cut into tokens by the regular expression `token`.
    With `ids`, a token is one character, its id is the code point, and prefixes go as ids.
    """

    name = "scripted"

    def __init__(
        self, script: Script, *, token: str = r"\s*\S+|\s+", ids: bool = False, context: int = 1 << 20
    ) -> None:
        self._next = _reader(script)
        self._token = re.compile("(?s:.)" if ids else token)
        self._ids = ids
        self.context = context
        self.calls: list[tuple[Prefix, Sampling]] = []
        self.live = 0  # streams that are open now
        self.most_live = 0

    @property
    def capabilities(self) -> Capabilities:
        """It continues anything."""
        return Capabilities.in_process("scripted", self.name, self.context, ids=self._ids)

    async def encode(self, text: str) -> tuple[int, ...] | None:
        """Code points, or None without `ids`."""
        return tuple(map(ord, text)) if self._ids else None

    async def generate(self, prefix: Prefix, sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """Continue as the script says; `stop` at its end, `length` when the tokens are used up."""
        self.calls.append((prefix, sampling))
        tokens = self._token.findall(self._next(prefix.text))
        self.live += 1
        self.most_live = max(self.most_live, self.live)
        try:
            for written, text in enumerate(tokens[: sampling.max_tokens], start=1):
                await asyncio.sleep(0)
                finish = "length" if written == sampling.max_tokens else None
                yield Chunk(text, 1, (ord(text),) if self._ids else None, (0.0,) if self._ids else None, finish)
            if len(tokens) < sampling.max_tokens:
                yield Chunk("", 1, (END,) if self._ids else None, (0.0,) if self._ids else None, "stop")
        finally:
            self.live -= 1

    async def close(self) -> None:
        """Nothing to free."""


def _reader(script: Script) -> Callable[[str], str]:
    if callable(script):
        return script
    if isinstance(script, Mapping):
        return lambda prefix: script[max((key for key in script if prefix.endswith(key)), key=len)]
    texts = deque(script)
    return lambda _prefix: texts.popleft()
