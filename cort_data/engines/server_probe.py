"""Find out what a server can do, by asking it: nothing is assumed from its name or its address.

One question about its models, one for `/tokenize` (vLLM), and one short text. That text is longer than 16
tokens, because vLLM on some CPUs does not survive a shorter first prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from openai import AsyncOpenAI

from cort_data.engines.base import Prefix, Sampling
from cort_data.engines.completions import Abilities, CompletionReader
from cort_data.engines.server_errors import ServerError, garbage, translated
from cort_data.errors import EngineError

PROBE = "One and one is two. Two and two is four. Three and three is six. Four and four is"
UNKNOWN_CONTEXT = 32_768  # tokens, where the server does not say
REFUSED = (400, 404, 405, 415, 422, 501)  # statuses that say "not this", rather than "not now"


@dataclass(frozen=True, slots=True)
class Server:
    """What was found."""

    abilities: Abilities
    context: int


async def probe(client: AsyncOpenAI, model: str) -> Server:
    """Raises EngineError in one line if texts cannot be had from this server."""
    context = await check_model(client, model)
    tokenized = await tokenize(client, model, PROBE)
    ids: tuple[int, ...] | None = None
    if tokenized is not None:
        ids, longest = tokenized
        context = longest or context
    for abilities in (
        *([Abilities(ids=True, logprobs=True)] if ids else []),
        Abilities(logprobs=True, usage=True),
        Abilities(usage=True),
    ):
        if await _works(client, model, abilities, ids):
            return Server(abilities, context)
    await _write(client, model, Abilities(), None)
    return Server(Abilities(), context)


async def check_model(client: AsyncOpenAI, model: str) -> int:
    """The model's context, if the server lists it. Raises EngineError that names what is served instead."""
    url = str(client.base_url)
    listing = await _ask(client, "get", "/models", model)
    if listing is None:  # a server may do without a list
        return UNKNOWN_CONTEXT
    entries = listing.get("data") if isinstance(listing, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) and "id" in e for e in entries):
        raise garbage(url, f"/models is {listing!r}")
    served = {str(entry["id"]): entry for entry in entries}
    if model not in served:
        names = ", ".join(sorted(served)[:8]) or "none"
        raise EngineError(f"engine.model: {url} does not serve {model!r}; it serves: {names}")
    return int(served[model].get("max_model_len") or UNKNOWN_CONTEXT)


async def tokenize(client: AsyncOpenAI, model: str, text: str) -> tuple[tuple[int, ...], int | None] | None:
    """Ids of a text and the longest context, from vLLM's `/tokenize`; None where there is none."""
    address = str(client.base_url).rstrip("/").removesuffix("/v1") + "/tokenize"
    body = {"model": model, "prompt": text, "add_special_tokens": False}
    answer = await _ask(client, "post", address, model, body)
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
        return None
    return tuple(tokens), cast("dict[str, Any]", answer).get("max_model_len")


async def _ask(
    client: AsyncOpenAI, method: str, path: str, model: str, body: dict[str, object] | None = None
) -> object:
    """The JSON that a path answers; None if the server does not know the path."""
    try:
        with translated(str(client.base_url), model):
            if method == "get":
                return await client.get(path, cast_to=object)
            return await client.post(path, cast_to=object, body=body)
    except ServerError as error:
        if error.status in REFUSED:
            return None
        raise


async def _works(client: AsyncOpenAI, model: str, abilities: Abilities, ids: tuple[int, ...] | None) -> bool:
    try:
        return await _write(client, model, abilities, ids)
    except ServerError as error:
        if error.status in REFUSED:
            return False
        raise


async def _write(client: AsyncOpenAI, model: str, abilities: Abilities, ids: tuple[int, ...] | None) -> bool:
    """Write two tokens; whether they came with what the abilities promise."""
    reader = CompletionReader(client, model, abilities, Prefix(PROBE, ids), Sampling(0, 1, 0, 2))
    try:
        chunk = await reader.next()
    finally:
        await reader.close()
    return (chunk.ids is not None or not abilities.ids) and (chunk.logprobs is not None or not abilities.logprobs)
