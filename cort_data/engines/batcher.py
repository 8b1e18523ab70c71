"""Continuous batching: one thread that runs the model over all live requests, which join and leave between steps.

Each step either prefills what has come in or writes one token of every live row. A request whose reader is behind
waits, so that little is written beyond the place where a stream is closed. Tokens go to the
event loop in one call a step. Whatever goes wrong in the thread reaches every waiting request.
"""

from __future__ import annotations

import contextlib
import threading
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cort_data.engines.drawing import Draws, draw
from cort_data.engines.kvcache import BAND, PADDING
from cort_data.engines.model import LoadedModel
from cort_data.engines.requests import Emission, Request
from cort_data.engines.slots import SlotTable
from cort_data.errors import EngineError

AHEAD = 4  # tokens that a row may be ahead of its reader
PATIENCE = 6  # steps that a request waits for others to be prefilled with it
GATHERED = 16  # live rows for which one more request is waited for
PREFILL_TOKENS = 2048  # padded tokens of one prefill pass
WORTH = 64  # tokens that one row must be longer than another before they change places
Ints = NDArray[np.int64]
Placed = tuple[Request, int]  # a request that has its slot, and how many of its tokens are cached there


class Batcher:
    """Runs a model for the requests that `submit` hands over, until `close`.

    `fail` is called on the loop, once, if the thread dies.
    """

    def __init__(
        self, model: LoadedModel, slots: int, loop: AbstractEventLoop, fail: Callable[[Exception], None]
    ) -> None:
        self._model, self._loop, self._fail = model, loop, fail
        self._table = SlotTable(slots, model.context)
        self._cache = model.new_cache(slots)
        self._rows = _Rows(slots)
        self._end = np.array(sorted(model.eos), dtype=np.int64)
        self._incoming: deque[Request] = deque()
        self._live: list[Request] = []
        self._waited = 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="cort-engine", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Queue a request."""
        self._incoming.append(request)
        self._wake.set()

    def read(self, request: Request) -> None:
        """The reader took a token; wake the thread if it waits for that."""
        if request.produced - request.consumed == AHEAD - 1:
            self._wake.set()

    def release(self, request: Request) -> None:
        """Nobody reads any more: the slot is free before the next step."""
        request.closed = True
        self._wake.set()

    def close(self) -> None:
        """Stop after the current step and wait for it."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            torch.set_num_threads(self._model.threads)
            with torch.inference_mode():
                while not self._stopping:
                    if not self._step():
                        self._wake.wait()
                        self._wake.clear()
        except Exception as error:  # noqa: BLE001 - the thread's edge: readers would wait forever
            self._post(self._fail, error)

    def _step(self) -> bool:
        """Do what there is to do; False if everything waits for the loop."""
        self._retire()
        ready = [r for r in self._live if r.produced - r.consumed < AHEAD]
        if self._incoming and (not ready or self._gathered()) and self._admit():
            return True
        if ready:
            self._decode(ready)
        return bool(ready)

    def _retire(self) -> None:
        if any(r.closed for r in self._live):
            for request in self._live:
                if request.closed:
                    self._table.release(request.slot, finished=False)
            self._live = [r for r in self._live if not r.closed]

    def _gathered(self) -> bool:
        """Whether enough requests have come, or have waited long enough, to be worth a pass of their own."""
        self._waited += 1
        return self._waited >= PATIENCE or len(self._incoming) * GATHERED >= len(self._live)

    def _admit(self) -> bool:
        placed = list(self._place())
        self._waited = 0
        for batch in batches(placed):
            self._prefill(batch)
        return bool(placed)

    def _place(self) -> Iterator[Placed]:
        while self._incoming:
            request = self._incoming[0]
            place = None if request.closed else self._table.acquire(request.ids)
            if place is None and not request.closed:
                return
            self._incoming.popleft()
            if place is None:
                continue
            if place.donor is not None:
                self._cache.copy(place.donor, place.slot, place.reused)
            request.slot = place.slot
            self._rows.set(request)
            self._live.append(request)
            yield request, place.reused

    def _prefill(self, batch: list[Placed]) -> None:
        """Run what is not cached of each prefix, padded on the left, and draw the first tokens."""
        slots = np.array([request.slot for request, _ in batch])
        width = max(len(request.ids) - reused for request, reused in batch)
        ids = np.zeros((len(batch), width), dtype=np.int64)
        columns = np.full_like(ids, PADDING)
        for i, (request, reused) in enumerate(batch):
            start = width - (len(request.ids) - reused)
            ids[i, start:] = request.ids[reused:]
            columns[i, start:] = np.arange(reused, len(request.ids))
        for start in range(0, width, PREFILL_TOKENS):
            part = slice(start, start + PREFILL_TOKENS)
            logits = self._model.forward(self._cache, slots, ids[:, part], columns[:, part], leading=False)
        self._table.lengths[slots] = [len(request.ids) for request, _ in batch]
        self._emit([request for request, _ in batch], slots, logits)

    def _decode(self, ready: list[Request]) -> None:
        """One token of every ready row. Rows run up to the last busy slot; those in between run in vain."""
        self._arrange()
        slots = np.array([r.slot for r in ready])
        top = int(slots.max()) + 1
        columns = np.full((top, 1), PADDING, dtype=np.int64)
        columns[slots, 0] = self._table.lengths[slots]
        logits = self._model.forward(self._cache, np.arange(top), self._rows.last[:top, None], columns, leading=True)
        self._table.append(slots, self._rows.last[slots])
        self._emit(ready, slots, logits[torch.from_numpy(slots)])

    def _emit(self, requests: list[Request], slots: Ints, logits: Tensor) -> None:
        """Draw from logits (B, V), end what is finished, and send the tokens to the loop."""
        drawn, logprobs = draw(logits, self._rows.draws(slots, self._table.lengths[slots]))
        if bool(torch.isnan(logprobs).any()):
            raise EngineError("the model computes values that are no numbers; set engine.dtype: float32")
        tokens = drawn.numpy()
        finishes = self._finishes(slots, tokens)
        for request in requests:
            request.produced += 1
        emission = Emission(requests, tokens.tolist(), logprobs.tolist(), finishes)
        self._end_finished(requests, finishes)
        self._post(emission.deliver)

    def _finishes(self, slots: Ints, tokens: Ints) -> list[str | None]:
        ended = np.isin(tokens, self._end)
        out = self._rows.advance(slots, tokens)
        return ["stop" if e else "length" if o else None for e, o in zip(ended, out, strict=True)]

    def _end_finished(self, requests: list[Request], finishes: list[str | None]) -> None:
        if any(finishes):
            for request, finish in zip(requests, finishes, strict=True):
                if finish:
                    self._table.release(request.slot, finished=True)
            ended = {id(r) for r, finish in zip(requests, finishes, strict=True) if finish}
            self._live = [r for r in self._live if id(r) not in ended]

    def _arrange(self) -> None:
        """Keep long rows before short ones and free slots last, band by band, so that a step reads few columns.

        Live rows grow alike, so that order lasts; one exchange a step mends what joins and leaves undo.
        """
        pair = misplaced(np.where(self._table.busy, self._table.lengths, 0))
        if pair is None:
            return
        self._cache.swap(*pair, int(self._table.lengths[list(pair)].max()))
        self._table.swap(*pair)
        self._rows.swap(*pair)
        new = dict(zip(pair, reversed(pair), strict=True))
        for request in self._live:
            request.slot = new.get(request.slot, request.slot)

    def _post(self, call: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody is left to tell
            self._loop.call_soon_threadsafe(call, *args)


class _Rows:
    """What each slot's stream needs at every step; arrays are (slots,)."""

    def __init__(self, slots: int) -> None:
        self.last = np.zeros(slots, dtype=np.int64)  # newest token, not yet in the cache
        self._left = np.zeros(slots, dtype=np.int64)  # tokens that may still be written
        self._temperature = np.zeros(slots, dtype=np.float32)
        self._top_p = np.ones(slots, dtype=np.float32)
        self._seed = np.zeros(slots, dtype=np.uint64)

    def set(self, request: Request) -> None:
        slot, sampling = request.slot, request.sampling
        self._left[slot] = request.limit
        self._temperature[slot] = sampling.temperature
        self._top_p[slot] = sampling.top_p
        self._seed[slot] = sampling.seed % 2**64

    def draws(self, slots: Ints, index: Ints) -> Draws:
        return Draws(self._temperature[slots], self._top_p[slots], self._seed[slots], index)

    def advance(self, slots: Ints, tokens: Ints) -> NDArray[np.bool_]:
        """Note the newest tokens; True where no more may be written."""
        self.last[slots] = tokens
        self._left[slots] -= 1
        ended: NDArray[np.bool_] = self._left[slots] <= 0
        return ended

    def swap(self, a: int, b: int) -> None:
        for array in (self.last, self._left, self._temperature, self._top_p, self._seed):
            array[[a, b]] = array[[b, a]]


def misplaced(lengths: Ints) -> tuple[int, int] | None:
    """The short row of an earlier band and the long row of a later one that differ most, if that is worth it."""
    best, pair = WORTH, None
    for edge in range(BAND, len(lengths), BAND):
        short, long = edge - BAND + int(lengths[edge - BAND : edge].argmin()), edge + int(lengths[edge:].argmax())
        if lengths[long] - lengths[short] > best:
            best, pair = int(lengths[long] - lengths[short]), (short, long)
    return pair


def batches(placed: list[Placed]) -> Iterator[list[Placed]]:
    """Group by what is left to run, so that padding at most doubles a pass and none has too many tokens."""

    def width(item: Placed) -> int:
        return len(item[0].ids) - item[1]

    batch: list[Placed] = []
    for item in sorted(placed, key=width):
        wide = batch and (width(item) * (len(batch) + 1) > PREFILL_TOKENS or width(item) > 2 * width(batch[0]) + 16)
        if wide:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
