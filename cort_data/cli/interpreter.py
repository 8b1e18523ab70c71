"""`cort interpreter serve`: sessions for other machines."""

from __future__ import annotations

import asyncio
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cort_data.cli.keys import given_key
from cort_data.errors import InterpreterError

if TYPE_CHECKING:
    from cort_data.interpreter.remote.hosting import Bounds

TOKEN_VARIABLE = "CORT_INTERPRETER_TOKEN"

app = typer.Typer(help="The interpreter as a server.", no_args_is_help=True)


@app.callback()
def interpreter() -> None:
    """Serve sessions of the interpreter to other machines."""


@app.command("serve")
def serve_command(
    host: Annotated[
        str, typer.Option(help="Address to serve on; 0.0.0.0 is every one this machine has.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8400,
    token_file: Annotated[
        Path | None, typer.Option(help=f"File with the token; default: {TOKEN_VARIABLE}, else a new one is made.")
    ] = None,
    isolation: Annotated[str, typer.Option(help="full, reduced or none.")] = "full",
    max_sessions: Annotated[int, typer.Option(min=1, help="Live sessions, of all clients together.")] = 64,
    timeout: Annotated[float, typer.Option(min=0.1, help="Most CPU seconds a cell that a client may ask for.")] = 10.0,
    memory: Annotated[int, typer.Option(min=1, help="Most megabytes a session that a client may ask for.")] = 1024,
    idle: Annotated[
        float, typer.Option(min=1, help="Seconds after which a session is ended whose client is not heard of.")
    ] = 300.0,
) -> None:
    """Serve sessions over HTTP to whoever has the token, until Ctrl-C or SIGTERM.

    Nothing is encrypted: between machines, serve on 127.0.0.1 and connect through a tunnel or a proxy with TLS.

    Examples: `cort interpreter serve` · `cort interpreter serve --token-file token --max-sessions 256 --memory 2048`
    """
    try:
        from cort_data.interpreter.remote.hosting import Bounds
        from cort_data.web import listen
    except ModuleNotFoundError as error:
        raise InterpreterError(f'{error.name} is missing; pip install "cort-data[serve]"') from None
    bounds = Bounds(sessions=max_sessions, timeout_s=timeout, memory_mb=memory, idle_s=idle)
    token = given_key("--token-file", token_file, TOKEN_VARIABLE)
    with listen(host, port) as listener:
        asyncio.run(_serve(isolation, bounds, listener, token))


async def _serve(isolation: str, bounds: Bounds, listener: socket.socket, given: str | None) -> None:
    from cort_data.interpreter import open_interpreter
    from cort_data.interpreter.remote.serve import serve

    token = given or secrets.token_urlsafe(32)
    async with open_interpreter(isolation=isolation) as opened:
        _announce(listener, isolation, bounds, None if given else token)
        await serve(opened, isolation, bounds, listener, token)


def _announce(listener: socket.socket, isolation: str, bounds: Bounds, made: str | None) -> None:
    """Say where the server is and how to use it; a token is shown only if it was made here."""
    from cort_data.web import address_of

    url = address_of(listener)
    lines = [
        f"interpreter at {url}, isolation {isolation}, at most {bounds.sessions} sessions; on the client:",
        f"  export {TOKEN_VARIABLE}={made or '...  # the token that you gave'}",
        f"  cort exec --backend remote --url {url} --isolation {isolation} FILE",
        f"  cort run RECIPE --set interpreter.backend=remote --set interpreter.url={url}",
    ]
    typer.echo("\n".join(lines), err=True)
