"""Short questions to a server, and whole answers: what the probe is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from openai import AsyncOpenAI
from openai.types import CompletionUsage

from cort_data.engines.base import Chunk, Prefix, Sampling
from cort_data.engines.completions import CompletionReader
from cort_data.engines.patience import Patience
from cort_data.engines.server_errors import ServerError, garbage, translated
from cort_data.engines.wires import Abilities
from cort_data.errors import EngineError

UNKNOWN_CONTEXT = 32_768  # tokens, where the server does not say
REFUSED = (400, 404, 405, 415, 422, 500, 501)  # statuses that say "not this", rather than "not now"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server wrote."""

    chunks: tuple[Chunk, ...]
    usage: CompletionUsage | None
    headers: Mapping[str, str]
    thinking_field: str | None

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def prompt_tokens(self) -> int | None:
        """Tokens of the prompt as the server counted them."""
        return self.usage.prompt_tokens if self.usage else None


class Asker:
    """Asks one server about one model."""

    def __init__(self, client: AsyncOpenAI, model: str, patience: Patience) -> None:
        self.client, self.model, self._patience = client, model, patience
        self.url = str(client.base_url)

    async def write(self, abilities: Abilities, prefix: Prefix, sampling: Sampling) -> Answer:
        """A whole answer. Raises ServerError."""
        return await self._patience.try_again(lambda: self._write(abilities, prefix, sampling))

    async def try_to_write(self, abilities: Abilities, prefix: Prefix, sampling: Sampling) -> Answer | ServerError:
        """A whole answer, or the server's refusal."""
        try:
            return await self.write(abilities, prefix, sampling)
        except ServerError as error:
            if error.status in REFUSED:
                return error
            raise

    async def first_event(self, abilities: Abilities, prefix: Prefix, sampling: Sampling) -> None:
        """Ask, and hang up as soon as something comes. Raises ServerError."""
        reader = CompletionReader(self.client, self.model, abilities, prefix, sampling)
        try:
            await reader.next()
        finally:
            await reader.close()

    async def json(self, path: str, body: dict[str, object] | None = None) -> object:
        """The JSON that a path answers (GET, or POST of a body); None if the server does not know the path."""
        try:
            with translated(self.url, self.model):
                if body is None:
                    return await self.client.get(path, cast_to=object)
                return await self.client.post(path, cast_to=object, body=body)
        except ServerError as error:
            if error.status in REFUSED and error.status != 500:
                return None
            raise

    async def check_model(self) -> int | None:
        """The model's context, if the server lists it. Raises EngineError that names what is served instead."""
        listing = await self.json("/models")
        if listing is None:  # a server may do without a list
            return None
        entries = listing.get("data") if isinstance(listing, dict) else None
        if not isinstance(entries, list) or not all(isinstance(e, dict) and "id" in e for e in entries):
            raise garbage(self.url, f"/models is {listing!r}")
        served = {str(entry["id"]): entry for entry in entries}
        if self.model not in served:
            names = ", ".join(sorted(served)[:8]) or "none"
            raise EngineError(f"engine.model: {self.url} does not serve {self.model!r}; it serves: {names}")
        length = served[self.model].get("max_model_len")
        return int(length) if length else None

    async def tokenize(self, text: str) -> tuple[tuple[int, ...], int | None] | None:
        """Ids of a text and the longest context, from vLLM's `/tokenize`; None where there is none."""
        address = self.url.rstrip("/").removesuffix("/v1") + "/tokenize"
        answer = await self.json(address, {"model": self.model, "prompt": text, "add_special_tokens": False})
        tokens = answer.get("tokens") if isinstance(answer, dict) else None
        if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
            return None
        return tuple(tokens), cast("dict[str, Any]", answer).get("max_model_len")

    async def _write(self, abilities: Abilities, prefix: Prefix, sampling: Sampling) -> Answer:
        reader = CompletionReader(self.client, self.model, abilities, prefix, sampling)
        chunks: list[Chunk] = []
        try:
            while not chunks or chunks[-1].finish is None:
                chunks.append(await reader.next())
            usage = await reader.usage() if abilities.usage else None
            return Answer(tuple(chunks), usage, reader.headers, reader.thinking_field)
        finally:
            await reader.close()
