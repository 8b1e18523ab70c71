"""Every way to continue a text against a real vLLM server, and vLLM in process: one text; slots; the prefix cache."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import httpx
import pytest
from builders import InProcess
from openai import OpenAI

from cort_data.engines import EngineKind, EngineSettings
from cort_data.engines.openai import OpenAIEngine
from cort_data.find_traces import find_all
from cort_data.hints.policy import load_policy
from cort_data.jobs import Job, RolloutSettings
from cort_data.profiles import load_profile
from cort_data.rollout import Rollouts
from cort_data.trace import InterpreterUsed, Kind, Origin, Problem, Trace

from .conftest import MODEL, VLLM_CORT, cort

pytestmark = pytest.mark.vllm

PROBLEMS = 16
LONG = 1900  # tokens
BUSY = 8  # rollouts at once
WAYS = ("ids", "text", "chat_continue")


def greedy(folder: Path, program: Path | None = None, **sets: object) -> dict[str, Trace]:
    """The traces of a few problems without any chance in them, by problem."""
    fixed = {
        "problems.synth.n": PROBLEMS,
        "sampling.temperature": 0,
        "engine.in_flight": 4,
        "engine.dtype": "float32",
    }
    options = [word for key, value in (fixed | sets).items() for word in ("--set", f"{key}={value}")]
    words = ("run", "nano", "--until", "synth", "--run-dir", str(folder), *options)
    print(cort(*words, **({"program": program} if program else {})))
    return {trace.problem.id: trace for trace in find_all(folder / "synth")}


@pytest.fixture(scope="module")
def by_way(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Trace]]:
    base = tmp_path_factory.mktemp("ways")
    server = {"engine.kind": "openai", "engine.url": url}
    traces = {way: greedy(base / way, **server, **{"engine.continuation": way}) for way in WAYS}
    started = time.monotonic()
    traces["in process"] = greedy(base / "process", VLLM_CORT, **{"engine.kind": "vllm"})
    print(f"vLLM in process: {time.monotonic() - started:.0f} s with its start")
    return traces


def test_the_probe_of_a_real_server(url: str) -> None:
    words = ("doctor", "--engine", url, "--model", MODEL, "--profile", "nano")
    print(cort(*words))
    found = json.loads(cort(*words, "--json"))
    findings = {way["way"]: way["finding"] for way in found["ways"]}
    assert [findings[way] for way in WAYS] == ["continues"] * 3
    assert findings["prefix_flag"] not in ("continues", "echoes the prefix")  # vLLM does not know the flag
    assert (found["way"], found["counting"], found["context"]) == ("ids", "ids", 2048)
    assert (found["stop"], found["seed"], found["sampling"], found["logprobs"]) == (True, True, True, True)
    assert found["cached_tokens"] > found["repeated_tokens"] / 2


def test_all_ways_write_the_same_greedy_text(by_way: dict[str, dict[str, Trace]]) -> None:
    first = by_way["ids"]
    assert len(first) == PROBLEMS
    assert any(s.origin is Origin.HINT for t in first.values() for s in t.segments)
    assert any(t.calls for t in first.values())
    same = {way: sum(traces[p].text == t.text for p, t in first.items()) for way, traces in by_way.items()}
    print(f"traces with the text of the way `ids`, of {PROBLEMS}: {same}")
    assert set(same.values()) == {PROBLEMS}


def test_ids_are_the_engines_or_absent(by_way: dict[str, dict[str, Trace]]) -> None:
    for way, traces in by_way.items():
        ids = [s.token_ids is not None for t in traces.values() for s in t.segments]
        assert all(ids) if way in ("ids", "in process") else not any(ids)
        written = [s for t in traces.values() for s in t.segments if s.origin is Origin.MODEL and s.kind is Kind.TEXT]
        assert all(s.tokens > 0 for s in written if s.text)
    pairs = [(t, by_way["in process"][p]) for p, t in by_way["ids"].items()]
    assert all(a.token_ids == b.token_ids for a, b in pairs)
    for problem, trace in by_way["ids"].items():  # an end-of-text token has no text to be seen in
        assert trace.kept_tokens - by_way["text"][problem].kept_tokens in (0, 1)


def metrics(url: str, name: str) -> float:
    text = httpx.get(url.removesuffix("/v1") + "/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"vllm:{name}"))


def rollouts(engine: OpenAIEngine) -> Rollouts:
    """Rollouts so hot that they do not end by themselves."""
    return Rollouts(
        engine=engine,
        interpreter=InProcess(),
        interpreter_used=InterpreterUsed(
            backend="local", isolation="none", timeout_s=1, memory_mb=100, output_chars=1000
        ),
        profile=load_profile("nano"),
        policy=load_policy("none"),
        settings=RolloutSettings(tokens=LONG, calls=0, prompt="plain"),
        temperature=2.0,
        top_p=1.0,
    )


def test_closing_a_rollout_frees_its_slot(url: str) -> None:
    async def keep_writing(shared: Rollouts, number: int) -> None:
        while True:  # one that ends after all is followed by another
            await shared.run(Job(Problem(id=f"p{number}", text="What is 12 * 7?", answer="84"), 0, "synth", number))

    async def run() -> tuple[float, float]:
        engine = await OpenAIEngine.open(EngineSettings(kind=EngineKind.OPENAI, model=MODEL, url=url, profile="nano"))
        shared = rollouts(engine)
        tasks = [asyncio.create_task(keep_writing(shared, number)) for number in range(BUSY)]
        while metrics(url, "num_requests_running") < BUSY:
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        started, before = time.monotonic(), metrics(url, "generation_tokens_total")
        while metrics(url, "num_requests_running"):
            await asyncio.sleep(0.05)
        seconds = time.monotonic() - started
        await engine.close()
        return seconds, metrics(url, "generation_tokens_total") - before

    seconds, tokens = asyncio.run(asyncio.wait_for(run(), 300))
    print(f"{BUSY} rollouts running; {seconds:.2f} s after they were closed none was, {tokens:.0f} tokens later")
    assert tokens < BUSY * LONG / 4


def test_the_cached_share_of_the_prompt_after_a_hint(url: str, by_way: dict[str, dict[str, Trace]]) -> None:
    client = OpenAI(base_url=url, api_key="none")
    shares = []
    for trace in by_way["ids"].values():
        late = [n for n, s in enumerate(trace.segments) if s.hint and n]
        for n in late[:1]:
            before = [*trace.prompt_ids, *(i for s in trace.segments[:n] for i in s.token_ids)]
            after = [*before, *trace.segments[n].token_ids]
            client.completions.create(model=MODEL, prompt=before, max_tokens=1)
            usage = client.completions.create(model=MODEL, prompt=after, max_tokens=1).usage
            shares.append((usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens))
    cached, total = (sum(column) for column in zip(*shares, strict=True))
    print(
        f"after a hint, {cached:,} of {total:,} prompt tokens were cached ({cached / total:.0%}), {len(shares)} prompts"
    )
    assert all(have >= 128 * ((tokens - 40) // 128) for have, tokens in shares)  # blocks of 128 tokens on a CPU
