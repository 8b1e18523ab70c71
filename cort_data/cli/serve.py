"""`cort serve`: a model behind OpenAI's API, with the interpreter on the server's side."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cort_data.cli.keys import given_key
from cort_data.cli.options import Sets
from cort_data.errors import EngineError

if TYPE_CHECKING:
    from cort_data.endpoint.asked import Offer
    from cort_data.recipe import Recipe

KEY_VARIABLE = "CORT_API_KEY"


def serve(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder, nano-NAME, Hub id, or name on the server.")],
    profile: Annotated[
        str | None, typer.Option(help="Model profile; default: the one that a checkpoint was trained with.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to serve on; 0.0.0.0 is every one this machine has.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help=f"File with the API key; default: {KEY_VARIABLE}, else none is asked for on this machine, and a new "
            "one is made for other addresses."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name that clients use; default: MODEL.")] = None,
    calls: Annotated[int | None, typer.Option(min=0, help="Executed code blocks an answer.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens of the model an answer.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=5, help="Where a request does not say; 0 takes the likeliest token.")
    ] = None,
    top_p: Annotated[float | None, typer.Option(min=0, max=1, help="Where a request does not say.")] = None,
    in_flight: Annotated[int | None, typer.Option(min=1, help="Most answers that are written at once.")] = None,
    waiting: Annotated[int, typer.Option(min=0, help="Most answers that wait for their turn; more get a 429.")] = 1024,
    backend: Annotated[str | None, typer.Option(help="Interpreter: local, remote or jupyter.")] = None,
    url: Annotated[str | None, typer.Option(help="The model is on this server, as http://localhost:8001/v1.")] = None,
    recipe: Annotated[str | None, typer.Option(metavar="RECIPE", help="Start from this recipe.")] = None,
    sets: Sets = None,
) -> None:
    """Serve a model with OpenAI's chat API; python blocks that it writes are executed here, while it thinks.

    Other programs see an ordinary model: POST /v1/chat/completions, with and without stream, GET /v1/models and GET
    /health. The answer is the message's content; the thinking, with its code and outputs, is its reasoning_content.
    A checkpoint of cort sft is served with the profile, the prompt and the interpreter limits of its training.
    Requests may set temperature, top_p, max_tokens, n, seed and stop, and are refused for what cannot be honoured.
    Nothing is encrypted: between machines, serve on 127.0.0.1 and connect through a tunnel or a proxy with TLS.

    Examples: `cort serve runs/nano/sft/model` · `cort serve nano-student --port 0 --tokens 1000` ·
    `cort serve Qwen/Qwen3-4B --profile qwen3 --set engine.kind=vllm` ·
    `cort serve my-model --profile r1_distill --url http://localhost:8001/v1 --host 0.0.0.0 --key-file key`
    """
    try:
        from cort_data.web import listen
    except ModuleNotFoundError as error:
        raise EngineError(f'{error.name} is missing; pip install "cort-data[serve]"') from None
    from cort_data.endpoint.asked import Offer
    from cort_data.endpoint.checkpoint import ServeRequest

    key = given_key("--key-file", key_file, KEY_VARIABLE)
    options = (
        ("rollout.calls", calls),
        ("rollout.tokens", tokens),
        ("sampling.temperature", temperature),
        ("sampling.top_p", top_p),
        ("engine.in_flight", in_flight),
        ("interpreter.backend", backend),
    )
    asked = ServeRequest(model=model, recipe=recipe, url=url, profile=profile, options=options, settings=sets or ())
    with listen(host, port) as listener:
        loaded = asked.resolve()
        offer = Offer(
            model=name or model,
            temperature=loaded.sampling.temperature,
            top_p=loaded.sampling.top_p,
            tokens=loaded.rollout.tokens,
            choices=loaded.engine.in_flight,
        )
        asyncio.run(_serve(loaded, offer, waiting, listener, key))


async def _serve(recipe: Recipe, offer: Offer, waiting: int, listener: socket.socket, given: str | None) -> None:
    from cort_data.endpoint.places import Places
    from cort_data.endpoint.service import Service
    from cort_data.endpoint.service import serve as serve_until_signal
    from cort_data.stages.workshop import open_workshop

    key = given or key_for(listener)
    async with open_workshop(recipe, recipe.engine.model) as workshop:
        service = Service(workshop.rollouts("none"), offer, Places(recipe.engine.in_flight, waiting))
        _announce(recipe, offer, workshop.engine.name, listener, key, shown=given is None)
        await serve_until_signal(service, listener, key)


def key_for(listener: socket.socket) -> str | None:
    """A new key where others than this machine can ask, else None."""
    return None if ip_address(listener.getsockname()[0]).is_loopback else secrets.token_urlsafe(32)


def _announce(
    recipe: Recipe, offer: Offer, engine: str, listener: socket.socket, key: str | None, *, shown: bool
) -> None:
    """Say where the server is and how to use it; a key is shown only if it was made here."""
    from cort_data.web import address_of

    rollout, sampling = recipe.rollout, recipe.sampling
    asked = "any" if key is None else key if shown else "...  # the key that you gave"
    lines = [
        f"model {offer.model} ({engine}) at {address_of(listener)}/v1; on the client:",
        f"  export OPENAI_BASE_URL={address_of(listener)}/v1 OPENAI_API_KEY={asked}",
        f"  profile {recipe.engine.profile}, prompt {rollout.prompt}, temperature {sampling.temperature:g}, "
        f"top_p {sampling.top_p:g}, at most {rollout.calls} calls and {rollout.tokens:,} tokens an answer, "
        f"{recipe.engine.in_flight} answers at once; isolation {recipe.interpreter.isolation}",
    ]
    print("\n".join(lines), file=sys.stderr, flush=True)
