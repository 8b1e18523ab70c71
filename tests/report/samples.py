"""A small run directory as the stages leave it."""

import json

import yaml

from cort_data.shards import TraceStore
from cort_data.trace import Decision, Event, Problem
from tests.builders import block, completion, make_trace

EVIL = "<script>alert(1)</script>"


def trace(number, *, right=True, policy="none", source="math500", sample=0, **fields):
    text = completion(f"{EVIL} first.\n", block("print(6 * 7)", "42"), answer="42" if right else "41")
    problem = Problem(id=f"p{number}", text=f"Six times seven? {EVIL}", answer="42", source=source, topic="<b>algebra")
    made = make_trace(text, id=f"t{number}-{policy}-{sample}", policy=policy, sample=sample, **fields)
    return made.model_copy(update={"problem": problem})


def write_stage(folder, traces, *, complete=True):
    with TraceStore(folder) as store:
        for item in traces:
            store.append(item)
    if complete:
        (folder / "manifest.json").write_text(json.dumps({"stage": "x", "stop_reasons": {"answered": 2}}))


def write_run(path, *, complete=True, decided=True):
    """Synthesis of four traces, two of them dropped, and two policies on three problems with two samples."""
    path.mkdir(exist_ok=True)
    recipe = {"name": f"run {EVIL}", "engine": {"model": "m"}, "rollout": {"policy": "none"},
              "eval": {"policies": ["none", "hints"]}, "stages": ["synth", "filter", "eval"]}  # fmt: skip
    (path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    synth = [trace(n, right=n != 3) for n in range(4)]
    write_stage(path / "synth", synth)
    if decided:
        write_filter(path / "filter", synth)
    for policy in ("none", "hints"):
        fired = Event(kind="hint", name="open", outcome="fired")
        traces = [
            trace(n, policy=policy, sample=s, right=policy == "hints" or n == 0, events=(fired,))
            for n in range(3)
            for s in range(2)
        ]
        write_stage(path / "eval" / "m" / policy, traces, complete=complete)
    if complete:
        (path / "eval" / "results.json").write_text("{}")
    return path


def write_filter(folder, traces):
    folder.mkdir()
    keep = Decision(filter="answer", keep=True, reason="kept")
    drops = {2: ("result_distrust", "result_distrust"), 3: ("answer", "wrong")}
    lines = {"kept.jsonl": [], "dropped.jsonl": []}
    for n, item in enumerate(traces):
        if n in drops:
            name, reason = drops[n]
            decision = Decision(filter=name, keep=False, reason=reason, detail=EVIL)
            lines["dropped.jsonl"].append(item.with_decisions([decision]))
        else:
            lines["kept.jsonl"].append(item.with_decisions([keep]))
    for name, kept in lines.items():
        (folder / name).write_text("".join(t.to_json() + "\n" for t in kept))
    (folder / "manifest.json").write_text(json.dumps({"in": 4, "kept": 2, "dropped": {"wrong": 1}}))
