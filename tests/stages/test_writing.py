"""How many rollouts run at once."""

import asyncio

import pytest

from cort_data.stages.writing import _Room


@pytest.mark.parametrize(("widths", "most"), [([1] * 9, 4), ([2] * 6, 4), ([3, 1, 3, 1, 2], 4), ([10, 1, 10], 4)])
def test_searches_take_as_many_places_as_they_have_rollouts(widths, most):
    taken, peak, done = 0, 0, 0

    async def work(room, width):
        nonlocal taken, peak, done
        async with room.of(width):
            taken += min(width, 4)
            peak = max(peak, taken)
            await asyncio.sleep(0.001)
            taken -= min(width, 4)
            done += 1

    async def run():
        room = _Room(4)
        await asyncio.gather(*(work(room, width) for width in widths))

    asyncio.run(run())
    assert peak == most
    assert done == len(widths)


def test_a_place_is_given_back_by_what_fails():
    async def run():
        room = _Room(2)
        with pytest.raises(ZeroDivisionError):
            async with room.of(2):
                raise ZeroDivisionError
        async with asyncio.timeout(1), room.of(2):
            return True

    assert asyncio.run(run())
