"""Any server that speaks the OpenAI API: vLLM with token ids, others with text, with messages, or in whole turns.

What the server can do is probed when the engine opens. Connection errors, timeouts, 429 and 5xx are tried again with
growing pauses, each time behind what was already delivered. Without token ids, tokens are counted as the server
allows: the name of the engine then says so, as it says how texts are continued.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from dataclasses import replace

from openai import AsyncOpenAI, Timeout

from cort_data.engines.asking import Asker
from cort_data.engines.base import Chunk, Prefix, Sampling
from cort_data.engines.capabilities import Capabilities
from cort_data.engines.completions import CompletionReader
from cort_data.engines.continuation_probe import Tags
from cort_data.engines.native_tools import TurnWriter
from cort_data.engines.patience import Patience
from cort_data.engines.server_probe import Server, ServerProbe
from cort_data.engines.settings import Continuation, EngineSettings
from cort_data.engines.wires import turn_of
from cort_data.errors import ContextError, EngineError
from cort_data.profiles import Profile, load_profile

CHARACTERS = 3  # of a text that are taken for a token where nobody counts


class OpenAIEngine:
    """Writes with a model behind HTTP. Closing a stream closes its connection, which frees the server's slot."""

    def __init__(self, client: AsyncOpenAI, settings: EngineSettings, server: Server, patience: Patience) -> None:
        self._client, self._model, self._server = client, settings.model, server
        self._profile = load_profile(settings.profile)
        self._slots = asyncio.Semaphore(settings.in_flight)
        self._patience = patience
        self._asker = Asker(client, settings.model, patience)

    @classmethod
    async def open(cls, settings: EngineSettings, patience: Patience | None = None) -> OpenAIEngine:
        """Reach the server and find out what it can do. Raises EngineError."""
        patience = patience or Patience()
        client = client_for(settings, patience)
        try:
            server = await probing(client, settings, patience).probe()
        except EngineError:
            await client.close()
            raise
        return cls(client, settings, server, patience)

    @property
    def name(self) -> str:
        """`openai:MODEL`, then how texts are continued and tokens counted where that is not by ids."""
        way, counting = self._server.abilities.way, self._server.abilities.counting
        parts = [] if way in (Continuation.IDS, Continuation.TEXT) else [str(way)]
        return ":".join(["openai", self._model, *parts, *([] if counting == "ids" else [f"tokens by {counting}"])])

    @property
    def capabilities(self) -> Capabilities:
        """What the probe found."""
        return self._server.capabilities

    @property
    def context(self) -> int:
        """Longest prompt and completion together, in tokens; a guess where the server does not say."""
        return self._server.capabilities.context

    async def encode(self, text: str) -> tuple[int, ...] | None:
        """Ids of a text on its own by the server's tokenizer; None where prefixes go as text."""
        if not self._server.abilities.ids:
            return None
        tokenized = await self._patience.try_again(lambda: self._asker.tokenize(text))
        if tokenized is None:
            raise EngineError(f"engine.url: {self._client.base_url} no longer tokenizes; was it restarted?")
        return tokenized[0]

    async def generate(self, prefix: Prefix, sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """Continue the prefix. Raises EngineError when trying again did not help."""
        async with self._slots:
            if not self.capabilities.continues:
                yield await self._patience.try_again(self._turn(prefix, sampling).next)
                return
            reader = CompletionReader(
                self._client, self._model, self._server.abilities, prefix, self._within_context(prefix, sampling)
            )
            try:
                finish = None
                while finish is None:
                    chunk = await self._patience.try_again(reader.next)
                    finish = chunk.finish
                    yield chunk
            finally:
                await reader.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _turn(self, prefix: Prefix, sampling: Sampling) -> TurnWriter:
        field, joint = self.capabilities.thinking_field, self._profile.answer_joint
        return TurnWriter(self._client, self._model, turn_of(prefix), sampling, field=field, joint=joint)

    def _within_context(self, prefix: Prefix, sampling: Sampling) -> Sampling:
        """Servers refuse to write more tokens than there is room for; of a text we only guess how many it has."""
        if prefix.ids is not None or not self.capabilities.context_said:
            return sampling
        room = self.context - len(prefix.text) // CHARACTERS
        if room <= 0:
            raise ContextError(
                f"engine.model: a text of {len(prefix.text):,} characters fills its context of {self.context:,} "
                "tokens; serve it with a longer one"
            )
        return replace(sampling, max_tokens=min(sampling.max_tokens, room))


async def examine_server(settings: EngineSettings) -> Capabilities:
    """Everything that can be found out of a server, whether or not a run could use it. Raises EngineError."""
    patience = Patience()
    async with client_for(settings, patience) as client:
        return (await probing(client, settings, patience, thorough=True).probe()).capabilities


def client_for(settings: EngineSettings, patience: Patience) -> AsyncOpenAI:
    """A client of the server that the settings name. Raises EngineError if they name none."""
    if settings.url is None:
        raise EngineError("engine.url: missing; expected a server's address, as http://localhost:8000/v1")
    return AsyncOpenAI(
        base_url=settings.url,
        api_key=os.environ.get("OPENAI_API_KEY") or "none",
        max_retries=0,  # ours know what was delivered
        timeout=Timeout(patience.chunk_s, connect=patience.connect_s, pool=None),
    )


def probing(
    client: AsyncOpenAI, settings: EngineSettings, patience: Patience, *, thorough: bool = False
) -> ServerProbe:
    """The probe of the server that the settings name."""
    profile: Profile = load_profile(settings.profile)
    asking = client.with_options(timeout=Timeout(patience.probe_s, connect=patience.connect_s))
    tags = Tags(profile.think_open, profile.think_close)
    return ServerProbe(Asker(asking, settings.model, patience), tags, settings.continuation, thorough)
