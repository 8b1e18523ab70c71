"""Which slot of the key-value cache holds which tokens, and which one a new request gets.

A slot stays filled when its stream ends, so that the continuation after a hint, an output or a rewind finds its
prefix there. A free slot that mostly agrees with the new prefix is taken over as it is; otherwise the
longest common prefix of any slot, busy ones too, is copied into the least recently used free slot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes: `reused` tokens of its prefix are cached, in `slot`, or in `donor` to be copied."""

    slot: int
    reused: int
    donor: int | None


class SlotTable:
    """Token ids (slots, context), lengths (slots,) in cached tokens, and who is busy."""

    def __init__(self, slots: int, context: int) -> None:
        self.ids = np.zeros((slots, context), dtype=np.int32)
        self.lengths = np.zeros(slots, dtype=np.int64)
        self.busy = np.zeros(slots, dtype=bool)
        self._used = np.zeros(slots, dtype=np.int64)  # 0: nobody will come back for it
        self._clock = 0

    def acquire(self, prefix: Ids) -> Place | None:
        """Take a slot for a prefix of at least one token; None while all are busy.

        The last token of the prefix is never reused: running it gives the first logits.
        """
        if self.busy.all():
            return None
        common = self._common(prefix[:-1])
        slot, reused, donor = self._resumed(common), 0, None
        if slot is None:
            slot, donor = self._oldest(), int(common.argmax())
            reused = int(common[donor])
            donor = donor if reused and donor != slot else None
        else:
            reused = int(common[slot])
        self.busy[slot] = True
        self.ids[slot, : len(prefix)] = prefix
        self.lengths[slot] = reused
        return Place(slot, reused, donor)

    def append(self, slots: NDArray[np.int64], tokens: NDArray[np.int64]) -> None:
        """Note one more cached token of each slot."""
        self.ids[slots, self.lengths[slots]] = tokens
        self.lengths[slots] += 1

    def release(self, slot: int, *, finished: bool) -> None:
        """Free a slot and keep its content; a `finished` text is the first to be overwritten."""
        self._clock += 1
        self.busy[slot] = False
        self._used[slot] = 0 if finished else self._clock

    def swap(self, a: int, b: int) -> None:
        """Exchange everything known about two slots."""
        for array in (self.ids, self.lengths, self.busy, self._used):
            array[[a, b]] = array[[b, a]]

    def _common(self, prefix: Ids) -> NDArray[np.int64]:
        """Tokens that each slot shares with the prefix, (slots,)."""
        if not len(prefix):
            return np.zeros_like(self.lengths)
        differs = self.ids[:, : len(prefix)] != prefix
        first = np.where(differs.any(axis=1), differs.argmax(axis=1), len(prefix))
        return np.minimum(first, self.lengths)

    def _resumed(self, common: NDArray[np.int64]) -> int | None:
        """The free slot that this prefix continues or cuts back: more than half of what it holds agrees."""
        candidates = np.where(self.busy | (2 * common <= self.lengths), 0, common)
        best = int(candidates.argmax())
        return best if candidates[best] else None

    def _oldest(self) -> int:
        return int(np.where(self.busy, np.iinfo(np.int64).max, self._used).argmin())
