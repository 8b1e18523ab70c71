"""Requests to a server of interpreter sessions: sent again when the connection breaks, their failures in one line.

Sending again is safe, see `remote_protocol`. httpx searches all connections of a pool for each request, which with
hundreds of cells at once costs more than the request itself; so sessions share out many small pools.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

import httpx
from pydantic import ValidationError
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from cort_data.errors import InterpreterError
from cort_data.interpreter.remote.protocol import TOKEN_VARIABLE, Complaint

MAX_LANES = 256
KEEP_CONNECTIONS_S = 60
SHOWN = 200
"""Characters of a server's own words."""
_AWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)


class _BrokenError(InterpreterError):
    """It may go better next time."""


class FullError(InterpreterError):
    """The server has no room for another session now."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server, and how often."""

    connect_s: float = 10
    attempts: int = 10
    longest_pause_s: float = 2
    """Pauses begin at a twentieth of a second and double."""
    full_s: float = 600
    """For a session to become free on a server that is full."""


class Lane:
    """A pool of the few connections that some sessions share."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.sessions = 0


class ServerConnection:
    """All connections to one server."""

    def __init__(self, url: str, token: str, patience: Patience) -> None:
        self.url = url
        self.patience = patience
        self._headers = {b"Authorization": f"Bearer {token}".encode()}
        self._tls = httpx.create_ssl_context()  # once: it takes longer than opening a session
        self._lanes: list[Lane] = []

    def take_lane(self) -> Lane:
        """The lane with the fewest sessions; to be given back."""
        lane = min(self._lanes, key=lambda lane: lane.sessions, default=None)
        if lane is None or (lane.sessions and len(self._lanes) < MAX_LANES):
            lane = Lane(self._client())
            self._lanes.append(lane)
        lane.sessions += 1
        return lane

    def give_back(self, lane: Lane) -> None:
        """A session of this lane is over."""
        lane.sessions -= 1

    async def close(self) -> None:
        """Close the connections."""
        for lane in self._lanes:
            await lane.client.aclose()

    async def ask(
        self,
        lane: Lane,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        answer_s: float = 60,
        attempts: int | None = None,
    ) -> bytes:
        """Send a request until it is answered; the answer's body. Raises FullError, InterpreterError."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(_BrokenError),
            stop=stop_after_attempt(attempts or self.patience.attempts),
            wait=wait_random_exponential(0.05, self.patience.longest_pause_s),
            reraise=True,
        ):
            with attempt:
                return await self._ask_once(lane, method, path, body, answer_s)
        raise AssertionError  # the last attempt returns or raises

    async def ask_for_room(self, lane: Lane, method: str, path: str, body: bytes) -> None:
        """Send a request again and again until the server has room. Raises InterpreterError."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(FullError),
            stop=stop_after_delay(self.patience.full_s),
            wait=wait_random_exponential(0.05, self.patience.longest_pause_s),
            reraise=True,
        ):
            with attempt:
                await self.ask(lane, method, path, body)

    def _client(self) -> httpx.AsyncClient:
        pool = httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=KEEP_CONNECTIONS_S)
        return httpx.AsyncClient(base_url=self.url, headers=self._headers, verify=self._tls, limits=pool)

    async def _ask_once(self, lane: Lane, method: str, path: str, body: bytes, answer_s: float) -> bytes:
        wait = httpx.Timeout(answer_s, connect=self.patience.connect_s, pool=None)
        try:
            answer = await lane.client.request(method, path, content=body, timeout=wait)
        except httpx.ReadTimeout:
            raise _BrokenError(f"{self._place} took a request and did not answer in {answer_s:g} s") from None
        except httpx.TransportError as error:
            raise _BrokenError(
                f"{self._place} cannot be reached ({_cause(error)}); start it with: cort interpreter serve, "
                "or correct the address"
            ) from None
        except httpx.HTTPError as error:
            raise self.garbage(str(error)) from None
        if not answer.is_success:
            self._complain(answer)
        return answer.content

    @property
    def _place(self) -> str:
        return f"interpreter.url: {self.url}"

    def garbage(self, what: str) -> InterpreterError:
        """The answer is not that of a server of ours."""
        return InterpreterError(
            f"{self._place} is no server of cort interpreter serve (it answers: {_one_line(what)}); correct the address"
        )

    def _complain(self, answer: httpx.Response) -> NoReturn:
        """Say what a refusal means for the user."""
        try:
            said = _one_line(Complaint.model_validate_json(answer.content).error)
        except ValidationError:
            said = None
        if answer.status_code in _AWAY or (said is None and answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE):
            raise _BrokenError(f"{self._place} is away ({answer.status_code}: {said or answer.reason_phrase})")
        if said is None:
            raise self.garbage(f"{answer.status_code} {answer.reason_phrase}")
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            raise InterpreterError(
                f"{self._place} refuses the token; set {TOKEN_VARIABLE} to the one that the server was started with"
            )
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise FullError(
                f"{self._place}: {said}, and none has become free in {self.patience.full_s:g} s; start the server with "
                "a larger --max-sessions, or write fewer traces at once (engine.in_flight)"
            )
        raise InterpreterError(f"{self._place}: {said}")


def _cause(error: BaseException) -> str:
    return _one_line(str(error) or type(error).__name__)


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
