"""The engine in this process: any causal LM in Hugging Face format, batched over all live traces.

The event loop never runs the model: a thread does (`batcher`), and this module is what the rollout sees of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np

from cort_data.engines.base import Chunk, Prefix, Sampling
from cort_data.engines.batcher import Batcher
from cort_data.engines.capabilities import Capabilities
from cort_data.engines.detokenize import Detokenizer
from cort_data.engines.model import LoadedModel, load_model
from cort_data.engines.requests import Request
from cort_data.engines.settings import EngineSettings
from cort_data.errors import EngineError


class TransformersEngine:
    """Writes with a model in this process. Belongs to the event loop that opened it.

    At most `in_flight` streams run at once; more wait for a slot.
    """

    def __init__(self, model: LoadedModel, in_flight: int) -> None:
        self._model = model
        self._detokenizer = Detokenizer(model.tokenizer, model.vocabulary)
        self._requests: set[Request] = set()  # those whose reader is there
        self._dead: EngineError | None = None
        self._batcher = Batcher(model, in_flight, asyncio.get_running_loop(), self._fail)

    @classmethod
    async def open(cls, settings: EngineSettings) -> TransformersEngine:
        """Load the model. Raises EngineError."""
        model = await asyncio.to_thread(load_model, settings)
        return cls(model, settings.in_flight)

    @property
    def name(self) -> str:
        """`transformers:MODEL:DTYPE`."""
        return self._model.name

    @property
    def capabilities(self) -> Capabilities:
        """Ids in and out, and every stream with its own seed."""
        return Capabilities.in_process("transformers", self._model.name, self.context)

    @property
    def context(self) -> int:
        """Longest prompt and completion together, in tokens."""
        return self._model.context

    async def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a text on its own, control tokens recognized, none added."""
        return tuple(self._model.tokenizer.encode(text, add_special_tokens=False).ids)

    async def generate(self, prefix: Prefix, sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """Continue the prefix, one token a chunk; log-probabilities are the model's, as at temperature 1.

        A prefix that fills the context ends at once, with `length` and no token. Raises EngineError.
        """
        request = await self._request(prefix, sampling)
        if request.limit <= 0:
            yield Chunk("", 0, (), (), "length")
            return
        if self._dead is not None:
            raise self._dead
        self._requests.add(request)
        self._batcher.submit(request)
        try:
            finish = None
            while finish is None:
                chunk = await request.next()
                self._batcher.read(request)
                finish = chunk.finish
                yield chunk
        finally:
            self._requests.discard(request)
            self._batcher.release(request)

    async def close(self) -> None:
        """Stop the thread; streams that are still read end with EngineError."""
        await asyncio.to_thread(self._batcher.close)
        self._end(EngineError("the engine was closed while it was writing"))

    async def _request(self, prefix: Prefix, sampling: Sampling) -> Request:
        ids = prefix.ids if prefix.ids is not None else await self.encode(prefix.text)
        if not ids:
            raise EngineError("engine: an empty prefix cannot be continued; the prompt renders to nothing")
        if max(ids) >= self._model.vocabulary:
            raise EngineError(
                f"engine.model: token {max(ids)} is outside the model's vocabulary of "
                f"{self._model.vocabulary}; tokenizer and weights do not belong together"
            )
        limit = min(sampling.max_tokens, self.context - len(ids))
        return Request(np.array(ids, np.int32), sampling, limit, self._detokenizer.open(ids))

    def _fail(self, cause: Exception) -> None:
        text = str(cause).strip().splitlines() or [""]
        error = EngineError(f"{self.name} stopped: {type(cause).__name__}: {text[0]}")
        error.__cause__ = cause
        self._end(error)

    def _end(self, error: EngineError) -> None:
        self._dead = error
        for request in list(self._requests):
            request.fail(error)
