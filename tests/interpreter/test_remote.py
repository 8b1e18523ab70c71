"""The remote backend: what a broken line, a full, wrong, restarted or killed server means for a client."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cort_data.errors import InterpreterError
from cort_data.interpreter import Limits, Session, Status, open_interpreter
from cort_data.interpreter.remote.http import Patience
from cort_data.interpreter.remote.protocol import MAX_BODY_BYTES, VERSION, ServerStatus
from cort_data.interpreter.remote.session import RemoteInterpreter

from .servers import QUICK, TOKEN, CuttingProxy, Server, serving

LIMITS = Limits(timeout_s=2, memory_mb=200, output_chars=1000)
COUNT = "n = globals().get('n', 0) + 1\nn"
STATUS = ServerStatus(version=VERSION, isolation="none", forks=True, sessions=0, capacity=1, idle_s=300)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--timeout", "2", "--memory", "200", "--max-sessions", "4") as running:
        yield running


def client_of(url: str, token: str = TOKEN, isolation: str = "none") -> RemoteInterpreter:
    return RemoteInterpreter(url, LIMITS, isolation, token, QUICK)


async def live_sessions(interpreter: RemoteInterpreter) -> int:
    return (await interpreter._status()).sessions


async def failure(call: Awaitable[object]) -> str:
    with pytest.raises(InterpreterError) as caught:
        await call
    text = str(caught.value)
    assert "\n" not in text
    return text


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def an_answer(data: bytes) -> bool:
    return data.startswith(b"HTTP/1.1 2")


def test_a_cell_whose_answer_is_lost_runs_once(server: Server) -> None:
    async def use() -> None:
        async with CuttingProxy(server.port) as proxy, client_of(proxy.url) as interpreter:
            session = await interpreter.session(0)
            await session.run("1")
            for number in range(1, 4):
                proxy.cut = lambda data: an_answer(data) and proxy.cuts < number  # noqa: B023
                assert (await session.run(COUNT)).text == f"{number}\n"
                assert proxy.cuts == number
                proxy.cut = lambda _: False

    asyncio.run(use())


def test_a_connection_that_breaks_during_a_cell_costs_nothing(server: Server) -> None:
    async def use() -> None:
        async with CuttingProxy(server.port) as proxy, client_of(proxy.url) as interpreter:
            session = await interpreter.session(0)
            cell = asyncio.create_task(session.run("import time\ntime.sleep(1)\n" + COUNT))
            for _ in range(2):
                await asyncio.sleep(0.3)
                await proxy.hang_up()
            result = await cell
            assert (result.text, result.state_lost) == ("1\n", False)

    asyncio.run(use())


def test_sessions_whose_opening_is_not_heard_are_one(server: Server) -> None:
    async def use() -> None:
        async with CuttingProxy(server.port) as proxy, client_of(proxy.url) as interpreter:
            proxy.cut = lambda data: an_answer(data) and proxy.cuts < 1
            session = await interpreter.session(0)
            proxy.cut = lambda data: an_answer(data) and proxy.cuts < 2
            twin = await session.fork()
            assert proxy.cuts == 2
            assert await live_sessions(interpreter) == 2
            await twin.close()
            await session.close()
            assert await live_sessions(interpreter) == 0

    asyncio.run(use())


def test_closing_ends_every_session(server: Server) -> None:
    async def use() -> None:
        async with client_of(server.url) as observer:
            async with client_of(server.url) as interpreter:
                session = await interpreter.session(0)
                await session.fork()
                assert await live_sessions(observer) == 2
            assert await live_sessions(observer) == 0
            assert "the session is closed" in await failure(session.run("1"))
            assert "the interpreter is closed" in await failure(interpreter.session(0))

    asyncio.run(use())


def test_a_full_server_is_waited_for(server: Server) -> None:
    async def one(interpreter: RemoteInterpreter, number: int) -> str:
        session = await interpreter.session(number)
        text = (await session.run(f"{number}")).text
        await session.close()
        return text

    async def use() -> None:
        async with RemoteInterpreter(server.url, LIMITS, "none", TOKEN) as interpreter:
            held = [await interpreter.session(0) for _ in range(4)]
            waiting = asyncio.gather(*(one(interpreter, number) for number in range(12)))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            for session in held:
                await session.close()
            assert await waiting == [f"{number}\n" for number in range(12)]

    asyncio.run(use())


def test_a_server_that_stays_full_is_an_error(server: Server) -> None:
    async def use() -> None:
        async with client_of(server.url) as interpreter:
            held = [await interpreter.session(0) for _ in range(4)]
            for call in (interpreter.session(0), held[0].fork()):
                assert "all 4 sessions of the server are in use, and none has become free in 1 s" in await failure(call)
            await held[0].close()
            await interpreter.session(0)

    asyncio.run(use())


def test_an_opening_that_is_cancelled_leaves_no_session(server: Server) -> None:
    async def use() -> None:
        async with client_of(server.url) as interpreter:
            for number in range(16):
                opening = asyncio.create_task(interpreter.session(0))
                await asyncio.sleep(0.002 * number)
                opening.cancel()
                [outcome] = await asyncio.gather(opening, return_exceptions=True)
                if not isinstance(outcome, BaseException):  # it was open already
                    await outcome.close()
            await asyncio.sleep(0.5)  # also for openings that were overtaken by their endings
            assert await live_sessions(interpreter) == 0

    asyncio.run(use())


def test_a_session_lives_as_long_as_its_client() -> None:
    async def use(server: Server) -> None:
        async with client_of(server.url) as interpreter:
            vanishing = client_of(server.url)
            await vanishing.session(0)
            assert vanishing._heartbeat
            vanishing._heartbeat.cancel()
            session = await interpreter.session(0)
            await session.run("x = 7")
            await asyncio.sleep(6)
            assert await live_sessions(interpreter) == 1
            assert (await session.run("x")).text == "7\n"
            await vanishing._connection.close()

    with serving("--idle", "3") as server:
        asyncio.run(use(server))


def test_a_server_that_is_killed_is_an_error_of_the_cell(server: Server) -> None:
    async def use(server: Server) -> None:
        async with client_of(server.url) as interpreter:
            session = await interpreter.session(0)
            cell = asyncio.create_task(session.run("import time\ntime.sleep(60)"))
            await asyncio.sleep(0.2)
            server.stop(signal.SIGKILL)
            said = await failure(cell)
            assert said.startswith(f"interpreter.url: {server.url}/ cannot be reached (")
            assert "cort interpreter serve" in said

    with serving() as own:
        asyncio.run(use(own))


def test_a_server_whose_interpreter_is_broken_says_so() -> None:
    async def use(server: Server) -> None:
        async with client_of(server.url) as interpreter:
            session = await interpreter.session(0)
            cell = asyncio.create_task(session.run("import time\ntime.sleep(60)"))
            await asyncio.sleep(0.2)
            for child in children_of(server.process.pid):
                os.kill(child, signal.SIGKILL)
            for call in (cell, session.run("1")):
                assert "server died" in await failure(call)
            said = await failure(interpreter.session(1))
            assert "no session can be opened, restart the server if that lasts: " in said

    with serving() as own:
        asyncio.run(use(own))


def test_a_restarted_server_has_no_sessions_and_takes_new_ones() -> None:
    async def use(interpreter: RemoteInterpreter, session: Session) -> None:
        assert "the session is gone: the server was restarted" in await failure(session.run("1"))
        assert (await (await interpreter.session(0)).run("2 + 2")).text == "4\n"
        await interpreter.close()

    with asyncio.Runner() as runner:
        with serving() as first:
            interpreter = client_of(first.url)
            session = runner.run(interpreter.session(0))
        with serving(port=first.port):
            runner.run(use(interpreter, session))


@asynccontextmanager
async def answering(answer: bytes):
    """A server that says one thing."""

    async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(answer_all, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


def page(status: str, body: str, header: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{header}\r\n{body}".encode()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            page("200 OK", "<html>hello</html>"),
            "is no server of cort interpreter serve (it answers: <html>hello</html>)",
        ),
        (page("200 OK", '{"service": "other"}'), "is no server of cort interpreter serve"),
        (page("200 OK", "\xff"), "is no server of cort interpreter serve"),
        (page("404 Not Found", "nothing here"), "is no server of cort interpreter serve (it answers: 404 Not Found)"),
        (page("302 Found", "", "Location: http://127.0.0.1:9/\r\n"), "is no server of cort interpreter serve"),
        (page("401 Unauthorized", "who?"), "is no server of cort interpreter serve (it answers: 401 Unauthorized)"),
        (page("502 Bad Gateway", "<html>"), "is away (502: Bad Gateway)"),
        (page("503 Service Unavailable", "<html>"), "is away (503: Service Unavailable)"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "cannot be reached (illegal status line"),
        (b"", "cannot be reached (Server disconnected without sending a response.)"),
        (
            page("200 OK", STATUS.model_copy(update={"version": "0.0.1"}).model_dump_json()),
            f"has cort 0.0.1, here is {VERSION}; install the same version on both machines",
        ),
        (page("200 OK", STATUS.model_copy(update={"isolation": "x"}).model_dump_json()), "is no server of cort"),
    ],
)
def test_what_is_no_server_of_ours_is_refused(answer: bytes, said: str) -> None:
    async def use() -> str:
        async with answering(answer) as url:
            interpreter = client_of(url)
            text = await failure(interpreter.session(0))
            await interpreter.close()
            assert text.startswith(f"interpreter.url: {url}/ ")
            return text

    assert said in asyncio.run(use())


@pytest.mark.parametrize("body", ["", "[]", '{"status": "fine", "text": "", "error": null, "seconds": 1}'])
def test_a_result_that_is_none_is_refused(body: str, server: Server) -> None:
    async def use() -> str:
        async with answering(page("200 OK", body)) as url, client_of(server.url) as interpreter:
            session = await interpreter.session(0)
            other = client_of(url)
            session.lane, lane = other._lane, session.lane
            text = await failure(session.run("1"))
            session.lane = lane
            await other.close()
            return text

    assert "is no server of cort interpreter serve" in asyncio.run(use())


def test_nobody_there_is_said_soon(server: Server) -> None:
    async def use() -> str:
        async with answering(b"") as url:
            pass
        interpreter = RemoteInterpreter(url, LIMITS, "none", TOKEN, Patience())
        text = await failure(interpreter.session(0))
        await interpreter.close()
        return text

    assert "cannot be reached (All connection attempts failed); start it with: cort interpreter serve" in asyncio.run(
        use()
    )


def test_a_wrong_token_is_refused(server: Server) -> None:
    async def use() -> str:
        interpreter = client_of(server.url, "wrong-ü")
        text = await failure(interpreter.session(0))
        await interpreter.close()
        return text

    assert asyncio.run(use()) == (
        f"interpreter.url: {server.url}/ refuses the token; "
        "set CORT_INTERPRETER_TOKEN to the one that the server was started with"
    )


def test_the_token_comes_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use() -> str:
        async with open_interpreter("remote", LIMITS, "none", server.url) as interpreter:
            return (await (await interpreter.session(0)).run("2 + 2")).text

    monkeypatch.delenv("CORT_INTERPRETER_TOKEN", raising=False)
    with pytest.raises(InterpreterError, match="CORT_INTERPRETER_TOKEN is not set"):
        asyncio.run(use())
    monkeypatch.setenv("CORT_INTERPRETER_TOKEN", TOKEN)
    assert asyncio.run(use()) == "4\n"


@pytest.mark.parametrize("url", ["", "localhost:8400", "ftp://there", "http://", "http://a:b", "http://[::"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InterpreterError, match=r"interpreter\.url: expected the address of a server"):
        client_of(url)


@pytest.mark.parametrize("asked", ["full", "reduced"])
def test_less_isolation_than_asked_is_refused(server: Server, asked: str) -> None:
    async def use() -> str:
        interpreter = client_of(server.url, isolation=asked)
        text = await failure(interpreter.session(0))
        await interpreter.close()
        return text

    assert (
        f"less than was asked for: none, expected {asked}; start it with --isolation {asked}, or accept less here with "
        "interpreter.isolation=none"
    ) in asyncio.run(use())


def test_more_isolation_than_asked_is_fine() -> None:
    interpreter = client_of("http://127.0.0.1:9")
    interpreter._check(STATUS.model_copy(update={"isolation": "full"}))
    asyncio.run(interpreter.close())


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (
            replace(LIMITS, memory_mb=4096),
            "interpreter.memory_mb may be at most 200 here, got 4096; lower it (start the",
        ),
        (replace(LIMITS, timeout_s=float("inf")), "limits.timeout_s: Input should be a finite number"),
    ],
)
def test_limits_beyond_the_servers_are_refused(server: Server, limits: Limits, said: str) -> None:
    async def use() -> str:
        async with client_of(server.url) as interpreter:
            return await failure(interpreter.session(0, limits))

    assert said in asyncio.run(use())


def test_code_too_long_for_a_request_is_a_result(server: Server) -> None:
    async def use() -> None:
        async with client_of(server.url) as interpreter:
            session = await interpreter.session(0)
            result = await session.run("#" * (MAX_BODY_BYTES + 1))
            assert (result.status, result.state_lost) == (Status.ERROR, False)
            assert str(result.error).startswith("SyntaxError: the block has 33554433 bytes")
            assert (await session.run("#" * 1000 + "\n1")).text == "1\n"

    asyncio.run(use())


def test_half_a_surrogate_pair_is_answered_as_locally(server: Server) -> None:
    async def use() -> None:
        async with client_of(server.url) as interpreter, open_interpreter(isolation="none") as local:
            sessions = [await interpreter.session(0), await local.session(0)]
            results = [replace(await session.run("x = '\ud800'"), seconds=0) for session in sessions]
            assert results[0] == results[1]

    asyncio.run(use())


def test_it_starts_no_thread_and_leaves_no_descriptor(server: Server) -> None:
    async def use() -> None:
        async with client_of(server.url) as interpreter:
            session = await interpreter.session(0)
            await session.run("1")
            assert len(os.listdir("/proc/self/task")) == threads

    threads = len(os.listdir("/proc/self/task"))
    descriptors = len(os.listdir("/proc/self/fd"))
    asyncio.run(use())
    assert len(os.listdir("/proc/self/fd")) == descriptors
