"""Which words stand in a clause, as the bits of a number: looked up once for all detectors together.

A detector, or the module that it stands in, asks for a bit and says for which words it is to be set; a clause then
carries it. A word that was met before costs one look into a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable

_LETTERS = bytes(c if 97 <= c <= 122 else c + 32 if 65 <= c <= 90 else 48 if 48 <= c <= 57 else 32 for c in range(256))
"""Letters in lower case, all digits as one, all else as white space."""
_MEMORY = 50_000
"""Words that are remembered; a text without end of new words must not fill the memory."""


class _Memo(dict[bytes, int]):
    """Word → bits."""

    def __init__(self) -> None:
        self.whole: dict[bytes, int] = {}
        self.parts: list[tuple[bytes, int]] = []

    def __missing__(self, word: bytes) -> int:
        bits = self.whole.get(word, 0)
        for part, bit in self.parts:
            if part in word:
                bits |= bit
        if len(self) >= _MEMORY:
            self.clear()
        self[word] = bits
        return bits


_memo = _Memo()
_symbols: dict[str, int] = {}  # looked for in the text itself
_foreign: dict[str, int] = {}  # ... and not in ASCII
_known: dict[frozenset[str], int] = {}
_count = 0


def words(text: str) -> int:
    """The bit of a group of words, given as a text with white space between them. They are matched whole."""
    bit = _new()
    for word in text.encode().split():
        _memo.whole[word] = _memo.whole.get(word, 0) | bit
    _memo.clear()
    return bit


def stems(parts: Iterable[str]) -> int:
    """The bit of a group of parts of words, in lower case, or of symbols; the same group has the same bit.

    Of several words in a part the longest decides, so the bit says that the part may stand there.
    """
    group = frozenset(parts)
    if group not in _known:
        _known[group] = bit = _new()
        for part in group:
            _look_for(part, bit)
        _memo.clear()
    return _known[group]


def bits(text: str) -> int:
    """The bits of a clause."""
    found = 0
    for word in text.encode("utf-8", "replace").translate(_LETTERS).split():
        found |= _memo[word]
    for symbol, bit in _symbols.items():
        if symbol in text:
            found |= bit
    if _foreign and not text.isascii():
        for symbol, bit in _foreign.items():
            if symbol in text:
                found |= bit
    return found


def _look_for(part: str, bit: int) -> None:
    pieces = part.encode().translate(_LETTERS).split()
    if part.isdigit():
        _memo.parts.append((b"0", bit))
    elif part.isascii() and pieces:
        _memo.parts.append((max(pieces, key=len), bit))
    else:
        where = _symbols if part.isascii() else _foreign
        where[part] = where.get(part, 0) | bit


def _new() -> int:
    global _count
    _count += 1
    return 1 << (_count - 1)


DIGIT = stems("0")
EQUAL = stems("=")
