"""How many answers are written at once, and how many more may wait."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from cort_data.endpoint.refusals import RefusedError


class Places:
    """Places for answers; those that came first are written first."""

    def __init__(self, written: int, waiting: int) -> None:
        self.written, self.waiting = written, waiting
        self.taken = 0
        self.desks = asyncio.Semaphore(written)
        """Held while an answer is written."""

    def take(self, count: int) -> None:
        """Places for the answers of a request. Raises RefusedError if there are not as many."""
        if self.taken + count > self.written + self.waiting:
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{self.taken} answers are being written or waiting, and there is room for {self.written} and "
                f"{self.waiting}; try again later",
            )
        self.taken += count

    def give_back(self, count: int) -> None:
        """These answers are written, or nobody wants them any more."""
        self.taken -= count
