"""Who writes text: one module an engine, one contract (`base`), opened from a recipe by `open_engine`."""

from __future__ import annotations

from cort_data.engines.base import Chunk, Engine, Prefix, Sampling
from cort_data.engines.settings import EngineKind, EngineSettings

__all__ = ["Chunk", "Engine", "EngineKind", "EngineSettings", "Prefix", "Sampling", "open_engine"]


async def open_engine(settings: EngineSettings) -> Engine:
    """Load the model, or reach the server and probe what it can do. Raises EngineError."""
    if settings.kind is EngineKind.TRANSFORMERS:
        from cort_data.engines.transformers import TransformersEngine

        return await TransformersEngine.open(settings)
    if settings.kind is EngineKind.VLLM:
        from cort_data.engines.vllm import VLLMEngine

        return await VLLMEngine.open(settings)
    from cort_data.engines.openai import OpenAIEngine

    return await OpenAIEngine.open(settings)
