"""One server for a test module, driven from synchronous tests."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from cort_data.interpreter import BACKENDS, Interpreter, Limits, Result, Session, isolation_report, open_interpreter

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


@pytest.fixture(scope="module", params=BACKENDS)
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    with asyncio.Runner() as runner:
        interpreter = open_interpreter(request.param, LIMITS, strongest())
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
