"""vLLM in process, without vLLM: what is made of its outputs, and what is said where it is not installed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from cort_data.engines import EngineKind, EngineSettings, open_engine
from cort_data.engines.base import Sent
from cort_data.engines.vllm import chunks_of
from cort_data.errors import EngineError

SENT = Sent(7, 4)


class Letters:
    """Each id is a code point."""

    def step(self, token):
        return chr(token)

    def flush(self):
        return ""


def output(ids, finish=None):
    logprobs = [{i: SimpleNamespace(logprob=-float(n))} for n, i in enumerate(ids)]
    return SimpleNamespace(token_ids=ids, logprobs=logprobs, finish_reason=finish)


def test_a_step_of_several_tokens_is_one_chunk_each():
    chunks = list(chunks_of(output([97, 98, 0], "stop"), Letters(), SENT))
    assert [(c.text, c.ids, c.logprobs, c.finish) for c in chunks] == [
        ("a", (97,), (0.0,), None),
        ("b", (98,), (-1.0,), None),
        ("", (0,), (-2.0,), "stop"),
    ]
    assert [c.sent for c in chunks] == [None, None, SENT]


@pytest.mark.parametrize(("finish", "text"), [("length", "ab"), (None, "ab")])
def test_the_last_token_of_a_text_without_an_end_has_text(finish, text):
    chunks = list(chunks_of(output([97, 98], finish), Letters(), SENT))
    assert "".join(c.text for c in chunks) == text
    assert chunks[-1].finish == finish


def test_an_end_without_a_token():
    (chunk,) = chunks_of(output([], "stop"), Letters(), SENT)
    assert (chunk.tokens, chunk.ids, chunk.finish) == (0, (), "stop")


def test_a_missing_vllm_comes_with_its_pip_line():
    with pytest.raises(EngineError, match=r'pip install "cort-data\[vllm\]"'):
        asyncio.run(open_engine(EngineSettings(kind=EngineKind.VLLM, model="any")))
