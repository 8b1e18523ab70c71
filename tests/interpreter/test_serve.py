"""The server as HTTP shows it, and as a process: whom it serves, what it refuses, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from cort_data.interpreter import Limits
from cort_data.interpreter.remote.protocol import MAX_BODY_BYTES, VERSION, open_request

from .processes import descendants, settled
from .servers import TOKEN, Server, serving

LIMITS = Limits(timeout_s=2, memory_mb=200, output_chars=1000)
OPEN = open_request(0, LIMITS)
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
NOBODY = UUID(int=7)  # the same in every process of a parallel test run
ROUTES = [
    ("GET", "/status"),
    ("POST", "/heartbeat"),
    ("PUT", f"/sessions/{NOBODY}"),
    ("DELETE", f"/sessions/{NOBODY}"),
    ("PUT", f"/sessions/{NOBODY}/twins/{NOBODY}"),
    ("PUT", f"/sessions/{NOBODY}/cells/1"),
    ("DELETE", f"/sessions/{NOBODY}/cells/1"),
    ("GET", "/elsewhere"),
]


def client(server: Server, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers=headers or HEADERS, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--timeout", "2", "--memory", "200") as running:
        yield running


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with client(server) as opened:
        yield opened


@pytest.fixture
def session(http: httpx.Client) -> Iterator[str]:
    path = f"/sessions/{uuid4()}"
    assert http.put(path, content=OPEN).status_code == 204
    yield path
    assert http.delete(path).status_code == 204


def error(answer: httpx.Response) -> str:
    [said] = answer.json().values()
    assert "\n" not in said
    return str(said)


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("given", ["", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN])
def test_every_route_wants_the_token(server: Server, method: str, path: str, given: str) -> None:
    with client(server, Authorization=given) as http:
        answer = http.request(method, path)
    assert (answer.status_code, error(answer)) == (401, "the token is missing or wrong")


def test_a_token_of_bytes_that_are_no_text_is_wrong(server: Server) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert http.get("/status", headers=[(b"Authorization", b"Bearer \xff\xfe")]).status_code == 401


def test_the_status_says_what_the_server_is(http: httpx.Client, session: str) -> None:
    status = http.get("/status").json()
    assert status.pop("sessions") == 1
    assert status == {
        "service": "cort interpreter",
        "version": VERSION,
        "isolation": "none",
        "forks": True,
        "capacity": 64,
        "idle_s": 300.0,
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/elsewhere", 404), ("GET", "/heartbeat", 405), ("PUT", "/sessions/mine", 404)],
)
def test_what_is_not_there_is_a_complaint(http: httpx.Client, method: str, path: str, status: int) -> None:
    answer = http.request(method, path)
    assert answer.status_code == status
    assert error(answer)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timeout_s": 3}, "interpreter.timeout_s may be at most 2 here, got 3; lower it (start the server with a"),
        ({"memory_mb": 300}, "interpreter.memory_mb may be at most 200 here, got 300; lower it (start the server"),
        ({"output_chars": 10**6}, "interpreter.output_chars may be at most 50000 here, got 1e+06; lower it"),
        ({"timeout_s": 0}, "limits.timeout_s: Input should be greater than 0"),
        ({"timeout_s": float("inf")}, "limits.timeout_s: Input should be a finite number"),
        ({"memory_mb": "much"}, "limits.memory_mb: Input should be a valid integer"),
    ],
)
def test_limits_are_refused_in_one_line(http: httpx.Client, change: dict[str, object], said: str) -> None:
    asked = json.loads(OPEN)
    asked["limits"] |= change
    answer = http.put(f"/sessions/{uuid4()}", content=json.dumps(asked))
    assert answer.status_code == 422
    assert error(answer).startswith(said)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"seed": 1}'])
def test_a_request_that_cannot_be_read_is_refused(http: httpx.Client, body: bytes) -> None:
    assert http.put(f"/sessions/{uuid4()}", content=body).status_code == 422


def test_opening_twice_opens_once(http: httpx.Client, session: str) -> None:
    http.put(session + "/cells/1", content="x = 5")
    assert http.put(session, content=OPEN).status_code == 204
    assert http.put(session + "/cells/2", content="x").json()["text"] == "5\n"
    other = http.put(session, content=open_request(1, LIMITS))
    assert (other.status_code, "another session has the id" in error(other)) == (409, True)


def test_a_cell_that_is_sent_twice_runs_once(http: httpx.Client, session: str) -> None:
    code = "n = globals().get('n', 0) + 1\nn"
    first, again = (http.put(session + "/cells/1", content=code).json() for _ in range(2))
    assert first == again
    assert first["text"] == "1\n"
    assert http.put(session + "/cells/2", content=code).json()["text"] == "2\n"
    late = http.put(session + "/cells/1", content=code)
    assert (late.status_code, error(late)) == (409, "cell 1 is over; the last one is 2")


def test_a_cell_that_was_cancelled_before_it_came_does_not_run(http: httpx.Client, session: str) -> None:
    http.put(session + "/cells/1", content="x = 1")
    assert http.delete(session + "/cells/2").status_code == 204
    assert http.put(session + "/cells/2", content="x = 2").status_code == 409
    assert http.put(session + "/cells/3", content="x").json()["text"] == "1\n"


def test_a_twin_that_is_asked_for_twice_is_one(http: httpx.Client, session: str) -> None:
    http.put(session + "/cells/1", content="x = [1]")
    name = uuid4()
    before = http.get("/status").json()["sessions"]
    for _ in range(2):
        assert http.put(f"{session}/twins/{name}").status_code == 204
    assert http.get("/status").json()["sessions"] == before + 1
    assert http.put(f"/sessions/{name}/cells/1", content="x.append(2)\nx").json()["text"] == "[1, 2]\n"
    assert http.put(session + "/cells/2", content="x").json()["text"] == "[1]\n"
    http.delete(f"/sessions/{name}")


def test_unknown_sessions_are_gone(http: httpx.Client) -> None:
    for method, path in ROUTES[4:7]:
        answer = http.request(method, path)
        assert (answer.status_code, error(answer)[:19]) == (404, "the session is gone")


def test_a_session_that_was_ended_before_it_came_is_not_opened(http: httpx.Client) -> None:
    path = f"/sessions/{uuid4()}"
    assert http.delete(path).status_code == 204
    answer = http.put(path, content=OPEN)
    assert (answer.status_code, error(answer)) == (410, "the session was ended")


def test_code_is_text(http: httpx.Client, session: str) -> None:
    answer = http.put(session + "/cells/1", content=b"x = '\xff'")
    assert (answer.status_code, error(answer)) == (422, "the code is not UTF-8 (byte 5)")


def test_a_body_over_the_limit_is_refused(http: httpx.Client, session: str) -> None:
    answer = http.put(session + "/cells/1", content=b"#" * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, error(answer)) == (413, f"the request is too large; at most {MAX_BODY_BYTES} bytes")
    assert http.put(session + "/cells/1", content="2 + 2").json()["text"] == "4\n"


def test_capacity_and_idle_sessions() -> None:
    with serving("--max-sessions", "2", "--idle", "3") as server, client(server) as http:
        kept, left = uuid4(), uuid4()
        for name in (kept, left):
            assert http.put(f"/sessions/{name}", content=OPEN).status_code == 204
        full = http.put(f"/sessions/{uuid4()}", content=OPEN)
        assert (full.status_code, full.headers["Retry-After"]) == (503, "1")
        assert error(full) == "all 2 sessions of the server are in use"
        for _ in range(10):
            time.sleep(0.5)
            assert http.post("/heartbeat", json={"sessions": [str(kept)]}).status_code == 204
        assert http.put(f"/sessions/{left}/cells/1", content="1").status_code == 404
        assert http.put(f"/sessions/{kept}/cells/1", content="1").json()["text"] == "1\n"
        assert http.put(f"/sessions/{uuid4()}", content=OPEN).status_code == 204


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_clean_while_a_cell_runs(signum: signal.Signals) -> None:
    before = descendants()
    server = Server()
    with client(server) as http:
        path = f"/sessions/{uuid4()}"
        http.put(path, content=open_request(0, Limits(timeout_s=10)))
        http.put(path + "/cells/1", content="import os\nos.fork() or __import__('time').sleep(600)")
        running = subprocess.Popen(
            [sys.executable, "-c", HANGING, server.url + path + "/cells/2", TOKEN], stdout=subprocess.PIPE, text=True
        )
        assert running.stdout is not None
        assert running.stdout.readline() == "sent\n"
        assert server.stop(signum) == (0, "")
        answer, _ = running.communicate(timeout=60)
    assert answer == "500 the session is closed; open a new one\n"
    assert settled(before) == before


HANGING = """
import http.client, json, sys, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(url.netloc)
connection.request("PUT", url.path, "import time; time.sleep(600)", {"Authorization": "Bearer " + sys.argv[2]})
print("sent", flush=True)
answer = connection.getresponse()
print(answer.status, json.load(answer)["error"])
"""


def test_a_killed_server_leaves_no_process() -> None:
    before = descendants()
    server = Server()
    with client(server) as http:
        http.put(f"/sessions/{uuid4()}", content=OPEN)
    server.stop(signal.SIGKILL)
    assert settled(before) == before


def test_a_token_is_made_where_none_is_given() -> None:
    with serving(token=None) as server:
        token = server.said.partition("export CORT_INTERPRETER_TOKEN=")[2].split()[0]
        assert len(token) >= 32
        with client(server, Authorization=f"Bearer {token}") as http:
            assert http.get("/status").status_code == 200


def test_a_token_from_a_file_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one-from-a-file-0123456789\n")
    with serving("--token-file", str(file)) as server:
        assert "one-from-a-file" not in server.said
        with client(server, Authorization="Bearer one-from-a-file-0123456789") as http:
            assert http.get("/status").status_code == 200
        with client(server) as http:
            assert http.get("/status").status_code == 401


def refused(*options: str, token: str = TOKEN) -> str:
    command = [sys.executable, "-m", "cort_data", "interpreter", "serve", "--isolation", "none", *options]
    environment = os.environ | {"CORT_INTERPRETER_TOKEN": token}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    return done.stderr


def test_what_cannot_be_served_is_one_line(server: Server, tmp_path: Path) -> None:
    assert f"cannot listen on 127.0.0.1:{server.port}: " in refused("--port", str(server.port))
    assert "CORT_INTERPRETER_TOKEN: expected a token of at least 16 characters" in refused(token="short")
    assert "cannot read " in refused("--token-file", str(tmp_path / "none"))
    assert "interpreter.isolation must be one of full, reduced, none" in refused("--isolation", "some")
