"""Words, numerals, near duplicates and leaked n-grams: when two problems count as the same one.

The import of problems and the filters of traces ask the same questions, so they ask them here. Mathematics
problems come from templates: two texts that differ in nothing but a numeral are different problems. Hence
near duplicates need the same multiset of numerals, and a shared n-gram is a leak only if it holds a numeral.

Both indexes grow with what is added (about 4 kB a problem for `NearDuplicates`, one integer a word for
`Contamination`), never with the size of a text collection that is only looked up.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datasketch import MinHash

_PERMUTATIONS = 128
_SHINGLE = 3  # tokens; short enough for one-line problems, long enough to see the order of words

# Thousands: 10,000 and the TeX forms 10{,}000 and 10,\!000. The lookahead spares a list such as 1,23,456.
_THOUSANDS = re.compile(r"(?<=\d)(?:,(?:\\!)?\s?|\{,\}|\\,)(?=\d{3}(?!\d))")
_TYPESETTING = re.compile(
    r"\\(?:(?:left|right|displaystyle|text(?:bf|it|rm)?|math(?:rm|bf|it)|mbox|q?quad)(?![a-zA-Z])|[][(),;:!\s])"
    r"|\\?\$"
)
_FRACTION = re.compile(r"\\[dt]frac(?![a-zA-Z])")
# Chinese, Japanese and Korean are written without spaces: there each character is a word.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_NUMERAL = r"\d+(?:\.\d+)?"
_WORD = rf"[{_CJK}]|(?:(?![{_CJK}])[^\W\d_])+"
_WORDS = re.compile(rf"{_NUMERAL}|{_WORD}")
_TOKENS = re.compile(rf"{_NUMERAL}|{_WORD}|[-+*/^=<>|!%]")


def normalize(text: str) -> str:
    """Lower case, one space between words, without TeX typesetting and thousands separators."""
    text = unicodedata.normalize("NFKC", text).strip().replace("\u2212", "-")
    text = _THOUSANDS.sub("", text)
    text = _FRACTION.sub(r"\\frac", _TYPESETTING.sub(" ", text))
    return " ".join(text.casefold().split())


def fingerprint(text: str) -> bytes:
    """16 bytes; texts that differ in case, spacing and typesetting alone share them: exact duplicates."""
    return blake2b(normalize(text).replace(" ", "").encode(errors="surrogatepass"), digest_size=16).digest()


def words(text: str) -> list[str]:
    """The words and numerals of a text in order, lower case; a TeX command counts as a word."""
    return _WORDS.findall(normalize(text))


def is_numeral(word: str) -> bool:
    """Whether a word of `words` is a numeral."""
    return word[0].isdigit()


def numerals(text: str) -> tuple[str, ...]:
    """The multiset of the text's numerals, sorted; signs belong to the operators and are left out."""
    return tuple(sorted(filter(is_numeral, words(text))))


def similarity(first: str, second: str) -> float:
    """Jaccard similarity of the two texts' shingles, 0 to 1; numerals are compared with the other tokens."""
    return _jaccard(_hashes(_shingles(first)), _hashes(_shingles(second)))


class NearDuplicates:
    """Finds an earlier text with the same numerals and a similarity of at least `threshold`.

    Candidates come from MinHash with locality-sensitive hashing and are confirmed by their exact similarity,
    so no pair below the threshold is ever reported; a pair at the threshold may be missed, rarely.
    """

    def __init__(self, threshold: float = 0.8) -> None:
        from datasketch import MinHash, MinHashLSH  # brings scipy, which most commands never need

        if not 0 < threshold <= 1:
            raise ValueError(f"threshold must lie above 0 and at most at 1, got {threshold}")
        self.threshold = threshold
        # Few missed pairs matter more than few candidates: each candidate is confirmed anyway.
        recall = (0.1, 0.9)
        self._lsh = MinHashLSH(threshold=min(threshold, 0.99), num_perm=_PERMUTATIONS, weights=recall)
        self._empty = MinHash(num_perm=_PERMUTATIONS)
        self._entries: list[tuple[str, np.ndarray]] = []  # (id, sorted shingle hashes), by LSH key

    def find(self, text: str, key: str = "") -> str | None:
        """The id of the most similar text added so far under the same key (the earliest of equals), or None."""
        shingles = _keyed_shingles(text, key)
        hashes = _hashes(shingles)
        keys = sorted(self._lsh.query(self._minhash(shingles)))
        scored = [(_jaccard(hashes, self._entries[key][1]), -key) for key in keys]
        score, negative_key = max(scored, default=(0.0, 0))
        return self._entries[-negative_key][0] if score >= self.threshold else None

    def add(self, id: str, text: str, key: str = "") -> None:
        """Make `text` findable under `id`; `key` is what else must be the same, such as the answer."""
        shingles = _keyed_shingles(text, key)
        self._lsh.insert(len(self._entries), self._minhash(shingles), check_duplication=False)
        self._entries.append((id, _hashes(shingles)))

    def _minhash(self, shingles: list[bytes]) -> MinHash:
        minhash = self._empty.copy()
        minhash.update_batch(shingles)
        return minhash


class Contamination:
    """Finds which of the added (evaluation) texts a text shares an n-gram with.

    An n-gram is `n` consecutive words and counts only if it holds a numeral; a text without such an n-gram,
    short or without numerals, is found only if all its words are the same.
    """

    def __init__(self, n: int = 13) -> None:
        if n < 1:
            raise ValueError(f"n must be at least 1 word, got {n}")
        self.n = n
        self._ids: list[str] = []
        self._grams: dict[int, int] = {}  # hash of an n-gram or of a whole text -> place in _ids

    def add(self, id: str, text: str) -> None:
        """Guard `text` under `id`."""
        place = len(self._ids)
        self._ids.append(id)
        for key in self._keys(words(text)):
            self._grams.setdefault(key, place)

    def find(self, text: str) -> str | None:
        """The id of a guarded text that this text overlaps with, or None."""
        found = (self._grams.get(key) for key in self._keys(words(text)))
        return next((self._ids[place] for place in found if place is not None), None)

    def _keys(self, tokens: list[str]) -> Iterator[int]:
        if tokens:
            yield hash(("whole", *tokens))
        last_numeral = -self.n  # place of the latest numeral read; the window must reach back to it
        for end, token in enumerate(tokens):
            if is_numeral(token):
                last_numeral = end
            if end >= self.n - 1 and last_numeral > end - self.n:
                yield hash(tuple(tokens[end - self.n + 1 : end + 1]))


def _keyed_shingles(text: str, key: str) -> list[bytes]:
    # Each shingle carries the text's numerals: texts with other numerals then share nothing, and the thousands of
    # problems of one template never meet in a bucket.
    prefix = "\0".join([key, *numerals(text)]).encode(errors="surrogatepass")
    return [prefix + b"\0" + shingle for shingle in _shingles(text)]


def _shingles(text: str) -> list[bytes]:
    """Runs of `_SHINGLE` tokens (operators are tokens: 2+3 is not 2-3), each once, in order."""
    tokens = _TOKENS.findall(normalize(text))
    count = max(1, len(tokens) - _SHINGLE + 1)
    return list(dict.fromkeys(" ".join(tokens[i : i + _SHINGLE]).encode(errors="surrogatepass") for i in range(count)))


def _hashes(shingles: list[bytes]) -> np.ndarray:
    """The shingles as sorted distinct 64-bit hashes, uint64 of shape (shingles,)."""
    digests = b"".join(blake2b(shingle, digest_size=8).digest() for shingle in shingles)
    return np.unique(np.frombuffer(digests, dtype=np.uint64))


def _jaccard(first: np.ndarray, second: np.ndarray) -> float:
    shared = np.intersect1d(first, second, assume_unique=True).size
    return float(shared) / (first.size + second.size - shared)
