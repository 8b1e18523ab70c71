"""Text of tokens as they come: nothing of a character until it is whole, and all texts together the full decode.

For byte-level vocabularies (GPT-2, Qwen, Llama 3) each token is a fixed string of bytes, and one table serves
all streams. Others (SentencePiece) depend on their neighbours and go through the tokenizer's own stream.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Protocol

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel, DecodeStream

CONTEXT = 8  # tokens of the prefix that a stream looks at: an open character, or a first space, may hang on them


class Decoder(Protocol):
    """The text of one stream."""

    def step(self, token: int) -> str:
        """Text that this token makes whole."""
        ...

    def flush(self) -> str:
        """What is left of a character that was never finished: the replacement character, or nothing."""
        ...


class Detokenizer:
    """Makes the decoders of one vocabulary."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: int) -> None:
        self._tokenizer = tokenizer
        self._table = byte_table(tokenizer, vocabulary) if is_byte_level(tokenizer) else None

    def open(self, prefix: Sequence[int]) -> Decoder:
        """A decoder for what comes after the prefix."""
        if self._table is not None:
            return ByteDecoder(self._table, prefix[-CONTEXT:])
        return StreamDecoder(self._tokenizer, prefix[-CONTEXT:])


class ByteDecoder:
    """Bytes of each token from a table; UTF-8 put together."""

    __slots__ = ("_decode", "_table")

    def __init__(self, table: list[bytes], prefix: Sequence[int]) -> None:
        self._table = table
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        for token in prefix:
            self.step(token)

    def step(self, token: int) -> str:
        """Text that this token makes whole."""
        return self._decode(self._table[token])

    def flush(self) -> str:
        """A replacement character if a character is open."""
        return self._decode(b"", True)


class StreamDecoder:
    """The tokenizer's own incremental decoder, which knows its rules for spaces and byte fallback."""

    def __init__(self, tokenizer: Tokenizer, prefix: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(ids=list(prefix), skip_special_tokens=False)

    def step(self, token: int) -> str:
        """Text that this token makes whole."""
        return self._stream.step(self._tokenizer, token) or ""

    def flush(self) -> str:
        """Nothing: an unfinished character is dropped."""
        return ""


def is_byte_level(tokenizer: Tokenizer) -> bool:
    """Whether tokens are strings of bytes, whatever stands beside them."""
    return isinstance(tokenizer.decoder, ByteLevel)


def byte_table(tokenizer: Tokenizer, vocabulary: int) -> list[bytes]:
    """Bytes of every id below `vocabulary`; ids without a token have none."""
    added = {i: token.content.encode() for i, token in tokenizer.get_added_tokens_decoder().items()}
    values = {character: value for value, character in byte_alphabet().items()}
    table = [b""] * vocabulary
    for token, i in tokenizer.get_vocab(with_added_tokens=True).items():
        if i < vocabulary:
            table[i] = added.get(i) or bytes(values[c] for c in token)
    return table


def byte_alphabet() -> dict[int, str]:
    """GPT-2's printable stand-in of each byte: itself where printable, the characters from U+0100 on elsewhere."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in printable]
    stand_in = {byte: chr(0x100 + n) for n, byte in enumerate(hidden)}
    return {byte: stand_in.get(byte, chr(byte)) for byte in range(256)}
