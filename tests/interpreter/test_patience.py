"""Who waits is answered, or told after a while that nothing came."""

import asyncio

from cort_data.interpreter.local.patience import TICK_S, Patience


def test_some_are_answered_and_some_wait_in_vain() -> None:
    async def use() -> tuple[list[bool], float]:
        loop = asyncio.get_running_loop()
        patience, started = Patience(), loop.time()
        waiters = [loop.create_future() for _ in range(3)]
        loop.call_soon(waiters[1].set_result, True)
        answers = await asyncio.gather(*(patience.wait(waiter, 0.05) for waiter in waiters))
        return answers, loop.time() - started

    answers, taken = asyncio.run(use())
    assert answers == [False, True, False]
    assert taken >= 0.05


def test_the_timer_rests_when_nobody_waits() -> None:
    async def use() -> list[bool]:
        patience = Patience()
        answers = []
        for _ in range(2):
            answers.append(await patience.wait(asyncio.get_running_loop().create_future(), 0.01))
            await asyncio.sleep(3 * TICK_S)
            assert patience._timer is None
        return answers

    assert asyncio.run(use()) == [False, False]
