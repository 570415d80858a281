"""A task that is cancelled in the very moment an answer arrives ends."""

import asyncio
import contextlib

import pytest

from broker.bus.connection import Bus
from broker.bus.wire import Arrived, heeding_cancellation


async def test_a_cancellation_that_meets_an_answer_is_not_dropped(bus: Bus) -> None:
    async def echo(payload: bytes) -> bytes:
        return payload

    service = await bus.serve("test.echo", echo)
    task = asyncio.create_task(bus.request("test.echo", b"x"))
    while not (waiting := list(bus._questions._waiting.values())):  # noqa: ASYNC110  # only this test wants an event
        await asyncio.sleep(0)
    waiting[0].set_result(Arrived("", "", b"x"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await service.unsubscribe()


async def test_a_cancellation_that_was_dropped_is_repeated_until_the_work_ends() -> None:
    tries: list[int] = []

    async def go_on() -> None:
        while len(tries) < 3:  # as nats-py, which connects again where its server has just refused it
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            tries.append(len(tries))

    task = asyncio.create_task(heeding_cancellation(go_on()))
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert tries == [0, 1, 2]


async def test_a_task_that_was_cancelled_before_may_still_ask(bus: Bus) -> None:
    async def echo(payload: bytes) -> bytes:
        return payload

    service = await bus.serve("test.echo", echo)

    async def clean_up() -> bytes:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await bus.request("test.echo", b"bye")
        return b""

    task = asyncio.create_task(clean_up())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == b"bye"
    await service.unsubscribe()
