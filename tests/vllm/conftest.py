"""One vLLM server on this machine's CPU for all tests here: opt-in, by `make test-vllm`."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

MODEL = "nano-teacher"
START_S = 300
CORT = Path(sys.executable).parent / "cort"
VLLM_CORT = Path(os.environ.get("CORT_VLLM_PYTHON", "python")).parent / "cort"
ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "2", "OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def server_command(port: int) -> list[str]:
    """What `cort serve-command` says. float32: in bf16 some CPUs kill vLLM's worker on a short first prompt."""
    sets = [f"engine.url=http://127.0.0.1:{port}/v1", "engine.dtype=float32", "engine.in_flight=64"]
    options = [word for value in sets for word in ("--set", value)]
    command = [str(CORT), "serve-command", "nano", "--gpus", "0", *options]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [os.environ["CORT_VLLM_PYTHON"], *shlex.split(said)[1:]]


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("w") as out:
        server = subprocess.Popen(
            server_command(port), env=os.environ | ENVIRONMENT, stdout=out, stderr=out, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(START_S):
        try:
            if httpx.get(address).is_success:
                return
        except httpx.TransportError:
            pass
        assert server.poll() is None, log.read_text()[-3000:]
        time.sleep(1)
    pytest.fail(f"no answer after {START_S} s: {log.read_text()[-3000:]}")


def cort(*words: str, program: Path = CORT) -> str:
    """Run a command of cort; what it printed."""
    done = subprocess.run(
        [str(program), *words], capture_output=True, text=True, check=False, env=os.environ | ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
