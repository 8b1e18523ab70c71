"""`cort serve nano-teacher` as a process, asked by the openai client."""

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass

import openai
import pytest
from interpreter.processes import descendants
from typer.testing import CliRunner

from cort_data.cli import app
from cort_data.cli.serve import key_for
from cort_data.errors import CortError
from cort_data.web import listen

ASK = [{"role": "user", "content": "What is 347 * 86?"}]
OPTIONS = ("--tokens", "200", "--set", "engine.dtype=float32", "--set", "interpreter.isolation=none")


@dataclass
class Server:
    """A running server of nano-teacher, which others than this machine can ask too."""

    process: subprocess.Popen
    said: str

    def client(self, **settings):
        url = re.search(r"http://[\w.]+:\d+/v1", self.said)
        key = re.search(r"OPENAI_API_KEY=(\S{32,})\n", self.said)
        assert url, self.said + self.process.stderr.read()
        assert key, self.said
        return openai.OpenAI(base_url=url[0], **({"api_key": key[1], "max_retries": 0, "timeout": 120} | settings))

    def ask(self, **fields):
        answers = self.client().chat.completions
        return answers.create(**({"model": "nano-teacher", "messages": ASK, "seed": 1} | fields))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture(scope="module")
def server():
    command = [sys.executable, "-m", "cort_data", "serve", "nano-teacher", "--host", "0.0.0.0", "--port", "0", *OPTIONS]
    environment = {name: value for name, value in os.environ.items() if name != "CORT_API_KEY"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment | {"OMP_NUM_THREADS": "1"})
    server = Server(process, "".join(process.stderr.readline() for _ in range(3)))
    yield server
    if process.poll() is None:
        server.stop()


def texts(answer):
    return [(getattr(c.message, "reasoning_content", ""), c.message.content) for c in answer.choices]


def test_a_real_model_answers_alike_for_the_same_seed_whole_and_streamed(server):
    answer = server.ask(n=2)
    assert texts(answer) == texts(server.ask(n=2))
    assert texts(answer) != texts(server.ask(n=2, seed=2))
    assert answer.usage.prompt_tokens > 5
    assert answer.usage.completion_tokens > 20
    streamed = ["", ""], ["", ""]
    for event in server.ask(n=2, stream=True):
        for choice in event.choices:
            streamed[choice.index][0] += getattr(choice.delta, "reasoning_content", None) or ""
            streamed[choice.index][1] += choice.delta.content or ""
    assert [tuple(parts) for parts in streamed] == texts(answer)


def test_a_key_that_was_made_is_asked_for(server):
    assert [model.id for model in server.client().models.list()] == ["nano-teacher"]
    with pytest.raises(openai.AuthenticationError):
        server.client(api_key="any").models.list()


def test_its_code_runs_here_and_a_signal_ends_it_while_it_writes(server):
    ran = [choice for choice in server.ask(n=16).choices if choice.cort["calls"]]
    assert ran
    for choice in ran:
        assert "```output\n" in choice.message.reasoning_content
        assert choice.cort["interpreter_tokens"] > 0
    stream = server.ask(stream=True, n=16)
    next(stream)
    stopped = []
    ending = threading.Thread(target=lambda: stopped.append(server.stop()))
    ending.start()
    with pytest.raises(openai.APIError, match="the server is shutting down"):
        list(stream)
    ending.join()
    assert stopped == [(0, "")]
    assert descendants(server.process.pid) == set()


def test_only_other_addresses_than_this_machine_s_own_want_a_key():
    with listen("127.0.0.1", 0) as here, listen("0.0.0.0", 0) as everywhere:
        assert key_for(here) is None
        assert len(key_for(everywhere)) >= 32


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("nano-nobody",), "MODEL: there is no model 'nano-nobody'"),
        (("nano-student", "--host", "203.0.113.1"), "cannot listen on 203.0.113.1:0: "),
        (("nano-student", "--key-file", "/nowhere"), "--key-file: cannot read /nowhere"),
        (("nano-student", "--top-p", "0"), "sampling.top_p"),
        (("nano-student", "--backend", "some"), "interpreter.backend must be one of"),
    ],
)
def test_what_cannot_be_served_is_said(options, said):
    with pytest.raises(CortError, match=re.escape(said)):
        CliRunner().invoke(app, ["serve", *options, "--port", "0"], catch_exceptions=False)


def test_a_key_that_is_too_short_is_refused(tmp_path):
    (tmp_path / "key").write_text("short\n")
    with pytest.raises(CortError, match="expected a key of at least 16 characters without spaces, got 5"):
        CliRunner().invoke(app, ["serve", "nano-student", "--key-file", str(tmp_path / "key")], catch_exceptions=False)
