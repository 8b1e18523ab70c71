"""Text of tokens as they come equals the decode of all of them."""

import tokenizers
from conftest import byte_level_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from cort_data.engines.detokenize import Detokenizer

BYTE_LEVEL = byte_level_tokenizer().backend_tokenizer


def sentencepiece_like():
    """Spaces as ▁, a leading one stripped, unknown characters as bytes: as in Llama 2."""
    words = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "▁a", "▁b", "ab", "▁ab"]
    model = tokenizers.models.BPE(
        {word: i for i, word in enumerate(words)},
        [("▁", "a"), ("▁", "b"), ("a", "b"), ("▁a", "b")],
        unk_token="<unk>",
        byte_fallback=True,
    )
    tokenizer = tokenizers.Tokenizer(model)
    decoders = tokenizers.decoders
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


SENTENCEPIECE = sentencepiece_like()


def stream(tokenizer, ids, prefix=()):
    decoder = Detokenizer(tokenizer, tokenizer.get_vocab_size()).open(prefix)
    return [*(decoder.step(i) for i in ids), decoder.flush()]


@given(st.lists(st.integers(0, BYTE_LEVEL.get_vocab_size() - 1)))
def test_any_ids_of_a_byte_level_vocabulary(ids):
    assert "".join(stream(BYTE_LEVEL, ids)) == BYTE_LEVEL.decode(ids, skip_special_tokens=False)


@given(st.text())
def test_any_text_of_a_byte_level_vocabulary(text):
    assert "".join(stream(BYTE_LEVEL, BYTE_LEVEL.encode(text).ids)) == text


def test_a_character_comes_when_it_is_whole():
    ids = BYTE_LEVEL.encode("🧮").ids
    assert len(ids) > 1
    assert stream(BYTE_LEVEL, ids) == [""] * (len(ids) - 1) + ["🧮", ""]


def test_a_character_that_is_never_finished_is_replaced():
    ids = BYTE_LEVEL.encode("🧮").ids[:-1]
    assert stream(BYTE_LEVEL, ids)[-1] == "\ufffd"


def test_a_character_that_the_prefix_began_is_finished():
    *begun, last = BYTE_LEVEL.encode("🧮").ids
    assert stream(BYTE_LEVEL, [last], begun) == ["🧮", ""]


def test_think_tags_are_text():
    ids = BYTE_LEVEL.encode("</think>ok").ids
    assert "".join(stream(BYTE_LEVEL, ids)) == "</think>ok"


def test_ids_beyond_the_tokenizer_have_no_text():
    size = BYTE_LEVEL.get_vocab_size()
    decoder = Detokenizer(BYTE_LEVEL, size + 3).open(())
    assert decoder.step(size + 2) == ""


def test_a_sentencepiece_stream_keeps_the_space_after_its_prefix():
    ids = SENTENCEPIECE.encode("ab").ids
    space_ab = SENTENCEPIECE.token_to_id("▁ab")
    assert "".join(stream(SENTENCEPIECE, [space_ab], prefix=ids)) == " ab"


@given(st.text(alphabet="ab▁é🙂"))
def test_any_text_of_a_sentencepiece_vocabulary(text):
    ids = SENTENCEPIECE.encode(text).ids
    assert "".join(stream(SENTENCEPIECE, ids)) == SENTENCEPIECE.decode(ids)
