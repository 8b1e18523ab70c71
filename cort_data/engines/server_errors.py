"""The one place where what goes wrong between us and a model server becomes an EngineError of one line."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

import openai

from cort_data.errors import ContextError, EngineError

SHOWN = 200  # characters of a server's own words
TOO_MANY, SERVER_ERROR = 429, 500
KEY_REFUSED = (401, 403)
NO_MONEY, QUOTA = 402, "insufficient_quota"
_TOO_LONG = re.compile(r"context[ _](?:length|window|size)|maximum context|(?:prompt|input) is too long", re.IGNORECASE)


class ServerError(EngineError):
    """An EngineError of a server, with how long it asks to be left alone and its HTTP status, where it said.

    `garbled`: what came is no answer of this API. `said` are the server's own words, or the whole message.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        fatal: bool = False,
        retry_after_s: float = 0,
        status: int | None = None,
        garbled: bool = False,
        said: str = "",
    ) -> None:
        super().__init__(message, transient=transient, fatal=fatal)
        self.said = said or message
        self.retry_after_s = retry_after_s
        self.status = status
        self.garbled = garbled


class TooLongError(ServerError, ContextError):
    """The server says that a text does not fit into the context."""


@contextlib.contextmanager
def translated(url: str, model: str, *, streaming: bool = False) -> Iterator[None]:
    """Translate the client's exceptions. `transient` ones may go away by themselves, as half a line in a stream."""
    try:
        yield
    except openai.APITimeoutError:
        raise ServerError(
            f"engine.url: {url} took the request and did not answer in time; look at the server's log",
            transient=True,
        ) from None
    except openai.APIConnectionError as error:
        raise ServerError(
            f"engine.url: cannot reach {url}: {cause_of(error)}; start the server or correct the address",
            transient=True,
        ) from None
    except openai.APIStatusError as error:
        raise of_status(error, url, model) from None
    except openai.APIError as error:  # an error event within a stream
        raise ServerError(f"engine.url: {url} broke off: {one_line(error.message)}", transient=True) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise garbage(url, str(error), transient=streaming) from None


def of_status(error: openai.APIStatusError, url: str, model: str) -> ServerError:
    """What an HTTP status means for the user."""
    status, said = error.status_code, words_of(error)
    if status in KEY_REFUSED:
        text = f"engine.url: {url} refuses the key ({status}): {said}; set OPENAI_API_KEY"
    elif status == NO_MONEY or no_quota(error):
        text = (
            f"engine.url: {url} says that the quota is used up ({status}): {said}; pay or wait, then start the same "
            "command again: what is written is kept"
        )
    elif _TOO_LONG.search(said):
        return TooLongError(
            f"engine.model: a text does not fit into the context of {model!r} ({status}): {said}; serve it with a "
            "longer context, or ask for less",
            status=status,
            said=f"{status}: {said}",
        )
    elif status == openai.NotFoundError.status_code:
        text = f"engine.url: {url} has no completions of model {model!r} (404): {said}; does the address end in /v1?"
    elif status == TOO_MANY:
        text = f"engine.url: {url} takes no more requests (429): {said}; lower engine.in_flight"
    elif status >= SERVER_ERROR:
        text = f"engine.url: {url} failed ({status}): {said}; look at the server's log"
    else:
        text = f"engine.url: {url} refuses the request ({status}): {said}"
    transient = status >= SERVER_ERROR or (status == TOO_MANY and not no_quota(error))
    return ServerError(
        text,
        transient=transient,
        fatal=status in (*KEY_REFUSED, NO_MONEY) or no_quota(error),
        retry_after_s=retry_after(error),
        status=status,
        said=f"{status}: {said}",
    )


def words_of(error: openai.APIStatusError) -> str:
    """What the server said, in one line; the client puts the status before it."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return one_line(message if isinstance(message, str) else error.message)


def no_quota(error: openai.APIStatusError) -> bool:
    """Is it money that is missing, and not patience?"""
    return QUOTA in (error.code, error.type)


def garbage(url: str, what: str, *, transient: bool = False) -> ServerError:
    """An answer that is no answer of this API."""
    return ServerError(
        f"engine.url: {url} answers something that is not the OpenAI API: {one_line(what)}; check the address",
        transient=transient,
        garbled=True,
    )


def retry_after(error: openai.APIStatusError) -> float:
    """Seconds that the server asks to wait; 0 where it does not say, or says it as a date."""
    try:
        return max(0.0, float(error.response.headers.get("retry-after", 0)))
    except ValueError:
        return 0.0


def cause_of(error: BaseException) -> str:
    """The innermost reason of a failed connection."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(str(error) or type(error).__name__)


def one_line(text: str) -> str:
    """A server's words, short enough for one line."""
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
