"""What a training will need, from shapes alone: memory a GPU and hours, for methods × lengths × GPUs.

An estimate, to choose by: within some tens of percent for dense transformers. Full training keeps 16 bytes a weight
(float32 weights, gradients and two moments of AdamW), which are shared among GPUs; an adapter keeps them for itself
alone, above a base in 2 bytes, or about half a byte in qlora. Activations are those of gradient checkpointing: the
input of each layer, and one layer at work. Hours are operations over what the GPU does at `UTILISATION` of its peak.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cort_data.errors import TrainingError
from cort_data.training.settings import SftSettings

if TYPE_CHECKING:
    from rich.table import Table
    from transformers import PreTrainedConfig

GIB = 2**30
UTILISATION = 0.4
OVERHEAD_BYTES = 2 * GIB  # context, kernels, communication
FRAGMENTS = 1.1
GPU_COUNTS = (1, 2, 4, 8, 16, 32)
METHODS: tuple[Literal["full", "lora", "qlora"], ...] = ("full", "lora", "qlora")


@dataclass(frozen=True)
class Gpu:
    """A card: memory in GiB, and its peak of dense bfloat16 products in TFLOP/s."""

    memory_gib: float
    tflops: float


GPUS = {
    "rtx4090": Gpu(24, 165),
    "l40s": Gpu(48, 362),
    "a100-40": Gpu(40, 312),
    "a100": Gpu(80, 312),
    "h100": Gpu(80, 989),
    "h200": Gpu(141, 989),
    "b200": Gpu(180, 2250),
}


@dataclass(frozen=True)
class Shape:
    """The sizes of a dense transformer."""

    parameters: int
    layers: int
    hidden: int
    inner: int
    vocabulary: int

    @property
    def largest_part(self) -> int:
        """Weights that are gathered at once while a shared model works: a layer, or the embedding."""
        embedding = self.vocabulary * self.hidden
        return max(embedding, (self.parameters - embedding) // self.layers)


SHAPES = {
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": Shape(32_763_876_352, 64, 5120, 27648, 152064),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": Shape(1_777_088_000, 28, 1536, 8960, 151936),
}
"""Of the bases of the shipped recipes, so that a plan of theirs needs no network."""


@dataclass(frozen=True)
class Need:
    """What one GPU of several needs, and how long all of them take."""

    method: str
    length: int
    gpus: int
    gib: float
    hours: float


def shape_of(model: str) -> Shape:
    """The sizes of a model, from its configuration alone. Raises TrainingError."""
    if model in SHAPES:
        return SHAPES[model]
    import torch
    from transformers import AutoModelForCausalLM

    config = _config(model)
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(config)
    text = config.get_text_config()
    return Shape(
        parameters=network.num_parameters(),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        inner=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        vocabulary=text.vocab_size,
    )


def needs(shape: Shape, settings: SftSettings, gpu: Gpu, tokens: int, length: int) -> Iterator[Need]:
    """Every method × number of GPUs for rows of `length` tokens; `tokens` are those of one epoch."""
    for method in METHODS:
        for gpus in GPU_COUNTS:
            work = flops(shape, method, tokens * settings.epochs, length)
            hours = work / (gpus * gpu.tflops * 1e12 * UTILISATION) / 3600
            yield Need(method, length, gpus, gpu_bytes(shape, settings, method, length, gpus) / GIB, hours)


def gpu_bytes(shape: Shape, settings: SftSettings, method: str, length: int, gpus: int) -> float:
    """Bytes of one of `gpus` that share the model."""
    adapter = _adapter_weights(shape, settings)
    if method == "full":
        states = 16 * shape.parameters / gpus
        working = 2 * shape.parameters if gpus == 1 else 4 * shape.largest_part
    else:
        base = 2.0 if method == "lora" else 0.56  # 4 bits, and the scales of the blocks
        states = (base * shape.parameters + 16 * adapter) / gpus
        working = 0 if gpus == 1 else 4 * shape.largest_part
    return FRAGMENTS * (states + working + _activation_bytes(shape, settings, length)) + OVERHEAD_BYTES


def flops(shape: Shape, method: str, tokens: float, length: int) -> float:
    """Operations for so many tokens in documents of half a row: forward, backward, and forward again."""
    passes = 4 if method == "full" else 3  # an adapter needs no gradients of the base's weights
    attention = 2 * shape.layers * shape.hidden * length / 2  # causal: half of the products count
    return passes * tokens * (2 * shape.parameters + attention)


def plan_table(model: str, shape: Shape, gpu: str, needed: Iterable[Need]) -> Table:
    """Memory and hours; what does not fit is dimmed."""
    from rich.box import SIMPLE
    from rich.table import Table

    card = GPUS[gpu]
    table = Table(
        title=f"{model}: {_size(shape.parameters)} weights on {gpu} ({card.memory_gib:g} GiB), GiB a GPU · hours",
        caption=f"Estimates, with gradient checkpointing, at {UTILISATION:.0%} of the peak; – does not fit.",
        box=SIMPLE,
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("method")
    table.add_column("row", justify="right")
    for gpus in GPU_COUNTS:
        table.add_column(f"{gpus} GPU{'s' * (gpus > 1)}", justify="right", no_wrap=True)
    rows: dict[tuple[str, int], list[str]] = {}
    for need in needed:
        fits = need.gib <= card.memory_gib
        rows.setdefault((need.method, need.length), []).append(
            f"{need.gib:.0f} · {_hours(need.hours)}" if fits else f"[dim]{need.gib:.0f} · –[/]"
        )
    for (method, length), cells in rows.items():
        table.add_row(method, f"{length:,}", *cells)
    return table


def _activation_bytes(shape: Shape, settings: SftSettings, length: int) -> float:
    """In 2 bytes: the input of each layer, one layer's inside with its gradients, and the head's tile of logits."""
    tokens = length * settings.rows
    inside = tokens * (12 * shape.hidden + 4 * shape.inner) * 2 * 2
    kept = 1 if settings.gradient_checkpointing is not False else 17  # inputs alone, or all that a layer computes
    return kept * shape.layers * tokens * shape.hidden * 2 + inside


def _adapter_weights(shape: Shape, settings: SftSettings) -> int:
    """Weights of an adapter on all linear layers: four of the attention, three of the inner network."""
    a_layer = 4 * 2 * shape.hidden + 3 * (shape.hidden + shape.inner)
    return settings.lora.rank * a_layer * shape.layers


def _config(model: str) -> PreTrainedConfig:
    from transformers import AutoConfig

    from cort_data.stages.workshop import known_folder

    folder: str | Path = known_folder(model)
    try:
        return AutoConfig.from_pretrained(folder if Path(folder).is_dir() else model)
    except (OSError, ValueError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrainingError(f"sft.model: no configuration of the base model {model!r}: {first}") from None


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 0.95 else f"{max(1, round(hours * 60))} min"


def _size(weights: int) -> str:
    unit, name = next((u, n) for u, n in ((1e9, "B"), (1e6, "M"), (1e3, "K")) if weights >= u)
    return f"{weights / unit:.1f}{name}"
