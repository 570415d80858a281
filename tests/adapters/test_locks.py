"""A lock for each key, for as long as somebody needs it."""

import asyncio

from adapters.locks import Locks


async def test_one_key_is_one_lock_and_another_key_another_one() -> None:
    locks: Locks[str] = Locks()
    async with locks.of("a"):
        assert locks.of("a").locked()
        assert not locks.of("b").locked()


async def test_those_who_wait_keep_the_lock_and_nobody_else_does() -> None:
    locks: Locks[str] = Locks()
    order: list[int] = []

    async def work(number: int) -> None:
        async with locks.of("a"):
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

    await asyncio.gather(*(work(number) for number in range(5)))
    assert order == [number for number in range(5) for _ in range(2)]
    assert len(locks) == 0
