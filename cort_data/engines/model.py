"""A causal language model from a folder in Hugging Face format, as the batcher runs it.

What cannot work is found before anything is written: missing files, missing weights, layers without keys and
values. bfloat16 or float32 is chosen by measuring, because which is faster differs between processors. It runs on
the CPU: where there is a GPU, a vLLM server behind the `openai` engine makes better use of it.
"""

from __future__ import annotations

import copy
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from cort_data.engines.kvcache import ATTENTION, SlotCache, Step, bands_of
from cort_data.engines.settings import EngineSettings
from cort_data.errors import EngineError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")
LAYERS = {"full_attention", "sliding_attention"}  # a context below the window makes the second the first
DEFAULT_CONTEXT = 2048  # tokens, where the configuration names none
MEASURED_PARAMETERS = 200_000_000  # above it, only bfloat16 is tried
THREADS_GAIN = 1.1  # how much faster all cores must be than one
FLOAT32_GAIN = 1.25  # how much faster float32 must be; a bias, so that runs on one machine agree
PROBE_ROWS, PROBE_LENGTH, PROBE_STEPS = 32, 128, 6
LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError)
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Weights, tokenizer, and what the batcher must know of them."""

    name: str
    network: PreTrainedModel
    tokenizer: Tokenizer
    eos: frozenset[int]
    context: int  # tokens of prompt and completion
    vocabulary: int  # rows of the embedding
    threads: int  # that run an operation

    def new_cache(self, slots: int) -> SlotCache:
        """An empty cache for this many sequences."""
        return SlotCache(self.network.config.get_text_config().num_hidden_layers, slots, self.context)

    def forward(self, cache: SlotCache, rows: Ints, ids: Ints, columns: Ints, *, leading: bool) -> Tensor:
        """Run tokens (B, S) of the slots `rows` (B,) at `columns` (B, S); logits (B, V) of the last."""
        return forward(self.network, cache, rows, ids, columns, leading=leading)


def forward(
    network: PreTrainedModel, cache: SlotCache, rows: Ints, ids: Ints, columns: Ints, *, leading: bool
) -> Tensor:
    """See LoadedModel.forward."""
    length = int(columns.max()) + 1
    where = torch.from_numpy(columns)
    positions = where.clamp(min=0)
    hidden = torch.arange(length) > positions[:, None, :, None]  # (B, 1, S, length)
    mask = torch.zeros(hidden.shape, dtype=network.dtype)
    mask.masked_fill_(hidden, torch.finfo(network.dtype).min)
    cache.plan(Step(torch.from_numpy(rows), where, length, leading))
    out = network(
        input_ids=torch.from_numpy(ids),
        position_ids=positions,
        attention_mask=mask,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
        bands=bands_of(columns) if leading else (),
    )
    logits: Tensor = out.logits[:, -1]
    return logits


def choose_threads(network: PreTrainedModel) -> int:
    """OMP_NUM_THREADS if set; else one a core, unless one thread is hardly slower.

    Where other work shares the cores, threads wait for each other at every operation, and one is several times faster.
    """
    if wanted := os.environ.get("OMP_NUM_THREADS"):
        return int(wanted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(cores)
    together = sum(step_seconds(network))
    torch.set_num_threads(1)
    return cores if together * THREADS_GAIN < sum(step_seconds(network)) else 1


def load_model(settings: EngineSettings) -> LoadedModel:
    """Raises EngineError that names the folder and what is wrong with it."""
    folder = Path(settings.model)
    check_folder(folder)
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        network, notes = AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", attn_implementation=ATTENTION, output_loading_info=True
        )
    except LOAD_ERRORS as error:
        raise EngineError(f"engine.model: cannot load {folder}: {_first_line(error)}") from None
    if notes["missing_keys"]:
        missing = ", ".join(sorted(notes["missing_keys"])[:3])
        raise EngineError(f"engine.model: the weights in {folder} lack {missing}; copy the whole model again")
    network = choose_dtype(network.eval(), settings.dtype)
    return _describe(folder, network, tokenizer)


def check_folder(folder: Path) -> None:
    """Raises EngineError for what is plainly not there."""
    if not folder.is_dir():
        raise EngineError(
            f"engine.model: no folder {folder}; expected a model in Hugging Face format "
            "(`hf download OWNER/NAME --local-dir FOLDER` gets one)"
        )
    wanted = {"config.json": ("config.json",), "weights": WEIGHT_FILES, "tokenizer": TOKENIZER_FILES}
    for what, patterns in wanted.items():
        if not any(any(folder.glob(pattern)) for pattern in patterns):
            raise EngineError(
                f"engine.model: {folder} has no {what} ({' or '.join(patterns)}); "
                "expected a model in Hugging Face format"
            )


def choose_dtype(network: PreTrainedModel, wanted: str) -> PreTrainedModel:
    """The model in the wanted type; `auto` measures a few decoding steps in both."""
    if wanted != "auto":
        return network.to(getattr(torch, wanted))
    if network.num_parameters() > MEASURED_PARAMETERS:
        return network.to(torch.bfloat16)
    narrow, wide = copy.deepcopy(network).to(torch.bfloat16), network.to(torch.float32)
    torch.set_num_threads(1)
    return wide if min(step_seconds(wide)) * FLOAT32_GAIN < min(step_seconds(narrow)) else narrow


def step_seconds(network: PreTrainedModel) -> list[float]:
    """Seconds of each of a few decoding steps; the first, which allocates, is not counted."""
    cache = SlotCache(network.config.get_text_config().num_hidden_layers, PROBE_ROWS, PROBE_LENGTH)
    rows = np.arange(PROBE_ROWS)
    ids = np.ones((PROBE_ROWS, 1), dtype=np.int64)
    columns = np.full_like(ids, PROBE_LENGTH - 1)
    seconds = []
    for _ in range(1 + PROBE_STEPS):
        start = time.perf_counter()
        with torch.inference_mode():
            forward(network, cache, rows, ids, columns, leading=True)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def _describe(folder: Path, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> LoadedModel:
    config = network.config.get_text_config()
    unknown = set(getattr(config, "layer_types", None) or ()) - LAYERS
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if unknown or backend is None:
        what = f"layers of {', '.join(sorted(unknown))}" if unknown else "a tokenizer without tokenizer.json"
        raise EngineError(
            f"engine.model: {folder} has {what}, which is not run in process; "
            "serve it with vLLM and set engine.kind: openai"
        )
    backend.no_truncation()
    backend.no_padding()
    dtype = str(network.dtype).removeprefix("torch.")
    name = f"transformers:{folder.resolve().name}:{dtype}"
    eos = _end_ids(network, tokenizer)
    return LoadedModel(name, network, backend, eos, _context(config), config.vocab_size, choose_threads(network))


def _context(config: PreTrainedConfig) -> int:
    longest = getattr(config, "max_position_embeddings", None) or DEFAULT_CONTEXT
    sliding = getattr(config, "use_sliding_window", True) and getattr(config, "sliding_window", None)
    return min(longest, sliding) if sliding else longest


def _end_ids(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Every id that ends a text: generation config, model config and tokenizer may each name some."""
    named = (network.generation_config.eos_token_id, network.config.eos_token_id, tokenizer.eos_token_id)
    lists = [ids if isinstance(ids, list) else [ids] for ids in named]
    return frozenset(i for ids in lists for i in ids if i is not None)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
