"""A deterministic engine for stage tests, and recipes that use it. Run as a program, it is `cort` with that engine."""

import asyncio
import os
import signal
import sys

import pytest
import yaml

from cort_data.engines.base import Chunk
from cort_data.engines.capabilities import Capabilities
from cort_data.errors import EngineError
from cort_data.interpreter import Result, Status, new_namespace, run_cell
from cort_data.recipe import parse_recipe

FIRST = "Let me see.\n```python\nprint({a} * 7)\n```"
REST = "So that is it.\n</think>\nThe answer is \\boxed{{{answer}}}."


class FakeEngine:
    """Code or not, right or wrong: the seed of the first stream and the problem say so."""

    name = "fake"
    context = 4096
    capabilities = Capabilities.in_process("fake", "fake", 4096)

    def __init__(self, delay_s: float = 0.0, failing: bool = False):
        self.delay_s = delay_s
        self.failing = failing
        self.running = 0
        self.most = 0
        self.opened = []

    async def encode(self, text):
        return tuple(ord(c) for c in text)

    async def generate(self, prefix, sampling):
        if self.failing:
            raise EngineError("the fake engine was told to fail", transient=True)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for i, text in enumerate(pieces := self._continue(prefix.text, sampling.seed)):
                await asyncio.sleep(self.delay_s)
                yield Chunk(text, 1, (i,), (-0.5,), "stop" if i == len(pieces) - 1 else None)
        finally:
            self.running -= 1

    def _continue(self, text, seed):
        number = int(text.partition("number ")[2].partition(".")[0])
        if "```output" not in text and number % 2:
            return [*FIRST.format(a=number).splitlines(keepends=True)]
        wrong = seed % 5 == 0
        return [*REST.format(answer=number * 7 + wrong).splitlines(keepends=True)]

    async def close(self):
        pass


class FakeInterpreter:
    """Runs cells in this process: the stages' tests are about what is recorded, not about isolation."""

    async def session(self, seed):
        return FakeSession()

    async def close(self):
        pass

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        pass


class FakeSession:
    def __init__(self):
        self.namespace = new_namespace()
        self.cells = 0

    async def run(self, code):
        self.cells += 1
        output = run_cell(code, self.namespace, self.cells)
        return Result(Status.ERROR if output.error else Status.OK, output.text, output.error, 0.0)

    async def close(self):
        pass


def write_problems(path, count, start=0):
    path.write_text(
        "".join(
            f'{{"id": "p{i}", "text": "Seven times the number {i}.", "answer": "{i * 7}"}}\n'
            for i in range(start, start + count)
        )
    )
    return path


def tree(folder, problems=6, **changes):
    """A recipe over problem files that are written into `folder`."""
    return {
        "name": "fake",
        "problems": {
            "synth": str(write_problems(folder / "synth.jsonl", problems)),
            "test": str(write_problems(folder / "test.jsonl", problems, start=100)),
        },
        "engine": {"model": "fake", "in_flight": 3},
        "interpreter": {"isolation": "none"},
        "rollout": {"policy": "none", "samples": 2, "calls": 3, "tokens": 500, "prompt": "plain"},
        "filters": ["format", "answer"],
        "eval": {"policies": ["none"], "samples": 2},
        "stages": ["synth"],
        **changes,
    }


def recipe(folder, *sets, **changes):
    return parse_recipe(yaml.safe_dump(tree(folder, **changes)), "fake.yaml", list(sets))


def use_fake_engine(monkeypatch, engine):
    async def open_engine(settings):
        engine.opened.append(settings)
        return engine

    monkeypatch.setattr("cort_data.stages.workshop.open_engine", open_engine)
    for module in ("workshop", "filter"):
        monkeypatch.setattr(f"cort_data.stages.{module}.open_interpreter", lambda *settings: FakeInterpreter())
    return engine


if __name__ == "__main__":
    from cort_data.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
    with pytest.MonkeyPatch.context() as patch:
        use_fake_engine(patch, FakeEngine(delay_s=float(os.environ.get("FAKE_DELAY_S", "0"))))
        sys.exit(main())
