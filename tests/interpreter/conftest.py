"""One server for a test module, driven from synchronous tests."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from cort_data.interpreter import Interpreter, Limits, Result, Session, isolation_report, open_interpreter

T = TypeVar("T")
LIMITS = Limits(timeout_s=1.0, memory_mb=150, output_chars=1000)


def strongest() -> str:
    """The strongest isolation of this machine, so that the suite also runs inside a container."""
    possible = {feature.name for feature in isolation_report() if feature.available}
    return next((level for level in ("full", "reduced") if f"isolation {level}" in possible), "none")


class Driver:
    """Runs coroutines on one loop, so that an interpreter outlives a test."""

    def __init__(self, runner: asyncio.Runner, interpreter: Interpreter) -> None:
        self._runner = runner
        self.interpreter = interpreter

    def __call__(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def session(self, seed: int = 0) -> Session:
        return self(self.interpreter.session(seed))


def open_local() -> Interpreter:
    return open_interpreter("local", LIMITS, strongest())


def open_jupyter() -> Interpreter:
    return open_interpreter("jupyter", LIMITS, "none")


def open_remote() -> Interpreter:
    from .servers import OwnServer  # needs packages that the environment of the ordinary user does not have

    return OwnServer(LIMITS, strongest())


OPEN: dict[str, Callable[[], Interpreter]] = {"local": open_local, "jupyter": open_jupyter, "remote": open_remote}
"""Every backend, as the suite opens it."""


@pytest.fixture(scope="module", params=list(OPEN))
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """An interpreter of each backend in turn."""
    yield from _driven(OPEN[request.param]())


@pytest.fixture(scope="module")
def local() -> Iterator[Driver]:
    """An interpreter of the local backend."""
    yield from _driven(open_local())


def _driven(interpreter: Interpreter) -> Iterator[Driver]:
    with asyncio.Runner() as runner:
        yield Driver(runner, interpreter)
        runner.run(interpreter.close())


@pytest.fixture
def session(driver: Driver) -> Iterator[Session]:
    session = driver.session()
    yield session
    driver(session.close())


@pytest.fixture
def run(driver: Driver, session: Session) -> Callable[[str], Result]:
    """Run one cell of the test's session."""
    return lambda code: driver(session.run(code))
