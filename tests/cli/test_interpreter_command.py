"""`cort interpreter serve` and `cort exec --backend remote` against it; the server itself is in tests/interpreter."""

import re

import pytest
from interpreter.servers import TOKEN, Server, serving
from typer.testing import CliRunner

from cort_data.cli import app
from cort_data.errors import InterpreterError


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def cort(*args, stdin=""):
    return CliRunner().invoke(app, list(args), input=stdin, catch_exceptions=False)


def exec_remotely(server: Server, stdin: str, *options: str) -> str:
    remote = ("--backend", "remote", "--url", server.url, "--isolation", "none")
    return cort("exec", *remote, *options, "-", stdin=stdin).stdout


def test_help_shows_examples_and_says_that_nothing_is_encrypted():
    text = cort("interpreter", "serve", "--help").output
    assert "Examples: `cort interpreter serve`" in text
    assert "Nothing is encrypted" in text


def test_what_the_server_prints_is_what_a_client_types(server):
    assert re.search(r"^  export CORT_INTERPRETER_TOKEN=\.\.\.  # the token that you gave$", server.said, re.MULTILINE)
    assert f"  cort exec --backend remote --url {server.url} --isolation none FILE\n" in server.said
    assert f"--set interpreter.backend=remote --set interpreter.url={server.url}\n" in server.said
    assert TOKEN not in server.said


def test_exec_runs_there(server, monkeypatch):
    monkeypatch.setenv("CORT_INTERPRETER_TOKEN", TOKEN)
    assert exec_remotely(server, "2 ** 10") == "1024\n"


def test_exec_without_a_token_is_refused(server, monkeypatch):
    monkeypatch.delenv("CORT_INTERPRETER_TOKEN", raising=False)
    with pytest.raises(InterpreterError, match="CORT_INTERPRETER_TOKEN is not set"):
        exec_remotely(server, "1")


def test_exec_beyond_the_servers_limits_is_refused(server, monkeypatch):
    monkeypatch.setenv("CORT_INTERPRETER_TOKEN", TOKEN)
    with pytest.raises(InterpreterError, match="timeout_s may be at most 10 here, got 60"):
        exec_remotely(server, "1", "--timeout", "60")
