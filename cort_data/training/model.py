"""The base model: found, loaded for training, given an adapter, and saved as a folder that any engine reads."""

from __future__ import annotations

import importlib.util
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig
from transformers.utils import logging

from cort_data.errors import TrainingError
from cort_data.stages.workshop import known_folder
from cort_data.training import attention
from cort_data.training.lineage import MODEL
from cort_data.training.settings import SftSettings

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ADAPTER = "adapter"
_LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError)


def find_base(name: str, key: str = "sft.model") -> Path:
    """The folder of a model: a folder, `nano-NAME`, or a Hub id, which is downloaded.

    Raises TrainingError; `key` is the option that it names.
    """
    folder = known_folder(name)
    if folder.is_dir():
        if (folder / "config.json").is_file():
            return folder
        raise TrainingError(f"{key}: {folder} has no config.json; expected a model in Hugging Face format")
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise TrainingError(f"{key}: there is no model {name!r}: no such folder, and no Hub id of the form OWNER/NAME")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrainingError(f"{key}: the model {name!r} is no folder, and the Hub does not give it: {first}") from None


def load_base(folder: Path, settings: SftSettings) -> PreTrainedModel:
    """The base as it is trained: float32 weights for full training, the passes' type below an adapter.

    Raises TrainingError.
    """
    logging.disable_progress_bar()
    options: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": attention_name(settings)}
    if settings.method != "full":
        options["dtype"] = getattr(torch, settings.dtype)
    if settings.method == "qlora":
        options["quantization_config"] = _four_bits(settings)
    try:
        model, notes = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **options)
    except _LOAD_ERRORS as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrainingError(f"sft.model: cannot load {folder}: {first}") from None
    if notes["missing_keys"]:
        missing = ", ".join(sorted(notes["missing_keys"])[:3])
        raise TrainingError(f"sft.model: the weights in {folder} lack {missing}; copy the whole model again")
    model.config.use_cache = False
    return model


def attention_name(settings: SftSettings) -> str:
    """What computes the attention: FlashAttention where it is installed, our own for packed rows, else torch's."""
    if torch.cuda.is_available() and importlib.util.find_spec("flash_attn") is not None:
        return "flash_attention_2"
    return attention.register() if settings.packing else "sdpa"


def context_of(folder: Path) -> int | None:
    """Longest sequence that the model was made for; None where its configuration does not say."""
    config = AutoConfig.from_pretrained(folder).get_text_config()
    longest: int | None = getattr(config, "max_position_embeddings", None)
    return longest


def adapter_of(settings: SftSettings) -> LoraConfig | None:
    """The adapter to train; None in full training."""
    if settings.method == "full":
        return None
    from peft import LoraConfig

    section = settings.lora
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=section.rank,
        lora_alpha=section.alpha,
        lora_dropout=section.dropout,
        target_modules=list(section.targets) or "all-linear",
    )


def save(trainer: Any, base: Path, folder: Path, tokenizer: PreTrainedTokenizerBase) -> Path:  # noqa: ANN401
    """Save what was trained as `folder/model`, in the base's number type; an adapter beside it, as `folder/adapter`.

    All processes call it; the first one writes. The folder is whole or not there.
    """
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    place = folder / MODEL
    if not trainer.is_world_process_zero():
        return place
    part = place.with_name(MODEL + ".part")
    shutil.rmtree(part, ignore_errors=True)
    model = trainer.accelerator.unwrap_model(trainer.model)
    dtype = AutoConfig.from_pretrained(base).get_text_config().dtype or torch.bfloat16
    if hasattr(model, "merge_and_unload"):
        model.save_pretrained(folder / ADAPTER, state_dict=state)
        merged = _merged(base, folder / ADAPTER, dtype)
        merged.save_pretrained(part)
    else:
        model.config.use_cache = True
        model.config.dtype = dtype
        model.save_pretrained(part, state_dict=_cast(state, dtype))
    tokenizer.save_pretrained(part)
    shutil.rmtree(place, ignore_errors=True)
    part.rename(place)
    return place


def _merged(base: Path, adapter: Path, dtype: torch.dtype) -> PreTrainedModel:
    """The base with the adapter's update added to its weights, on the CPU."""
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()


def _cast(state: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Floating point tensors in another type; tensors that share memory still do."""
    cast: dict[int, torch.Tensor] = {}
    for tensor in state.values():
        if tensor.data_ptr() not in cast:
            cast[tensor.data_ptr()] = tensor.to(dtype) if tensor.is_floating_point() else tensor
    return {name: cast[tensor.data_ptr()] for name, tensor in state.items()}


def _four_bits(settings: SftSettings) -> BitsAndBytesConfig:
    if not torch.cuda.is_available() or importlib.util.find_spec("bitsandbytes") is None:
        lacking = "a CUDA GPU" if not torch.cuda.is_available() else "bitsandbytes (pip install bitsandbytes)"
        raise TrainingError(f"sft.method qlora needs {lacking}; use lora or full here")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, settings.dtype),
        bnb_4bit_quant_storage=getattr(torch, settings.dtype),
    )
