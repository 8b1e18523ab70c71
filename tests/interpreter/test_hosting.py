"""What becomes of cells that nobody waits for any more."""

import asyncio
from uuid import uuid4

import pytest

from cort_data.errors import InterpreterError
from cort_data.interpreter.remote.hosting import Bounds, ClientGoneError, SessionHost

from .conftest import LIMITS, Driver

SLEEPS = "x = 1\nimport time\ntime.sleep(1.5)\n'slept'"


async def stays() -> None:
    await asyncio.Event().wait()


async def hangs_up() -> None:
    await asyncio.sleep(0.2)


def test_a_client_that_hangs_up_loses_its_cell(local: Driver) -> None:
    async def use() -> None:
        host = SessionHost(local.interpreter, Bounds(abandoned_s=0.1))
        name = uuid4()
        await host.open(name, 0, LIMITS)
        with pytest.raises(ClientGoneError):
            await host.run(name, 1, SLEEPS, hangs_up)
        await asyncio.sleep(0.3)
        with pytest.raises(InterpreterError, match="cell 1 was cancelled"):
            await host.run(name, 1, SLEEPS, stays)
        after = await host.run(name, 2, "'x' in globals()", stays)
        assert (after.text, after.state_lost) == ("False\n", True)
        await host.close()

    local(use())


def test_a_client_that_comes_back_in_time_gets_its_result(local: Driver) -> None:
    async def use() -> None:
        host = SessionHost(local.interpreter, Bounds(abandoned_s=0.3))
        name = uuid4()
        await host.open(name, 0, LIMITS)
        with pytest.raises(ClientGoneError):
            await host.run(name, 1, SLEEPS, hangs_up)
        result = await host.run(name, 1, SLEEPS, stays)
        assert (result.text, result.state_lost) == ("'slept'\n", False)
        await host.close()

    local(use())


@pytest.mark.parametrize("then", ["run", "fork"])
def test_going_on_gives_up_the_cell_that_runs(local: Driver, then: str) -> None:
    async def use() -> None:
        host = SessionHost(local.interpreter, Bounds())
        name, twin = uuid4(), uuid4()
        await host.open(name, 0, LIMITS)
        with pytest.raises(ClientGoneError):
            await host.run(name, 1, "x = 1\nimport time\ntime.sleep(600)", hangs_up)
        if then == "fork":
            await host.fork(name, twin)
        result = await host.run(name, 2, "'x' in globals()", stays)
        assert (result.text, result.state_lost) == ("False\n", True)
        await host.close()

    local(use())


def test_a_session_that_is_ended_while_it_opens_is_gone(local: Driver) -> None:
    async def use() -> None:
        host = SessionHost(local.interpreter, Bounds(sessions=1))
        name = uuid4()
        opening = asyncio.create_task(host.open(name, 0, LIMITS))
        await asyncio.sleep(0)
        await host.end(name)
        await opening
        with pytest.raises(InterpreterError, match="session was ended"):
            await host.open(name, 0, LIMITS)
        assert len(host) == 0
        await host.close()
        with pytest.raises(InterpreterError, match="shutting down"):
            await host.open(uuid4(), 0, LIMITS)

    local(use())
