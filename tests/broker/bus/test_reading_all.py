"""Reading to the end on a machine that is busy: answers and messages come in any order."""

import asyncio

from broker.bus.connection import Bus
from broker.bus.reader import Reader, Stored, delete_message
from broker.bus.streams import ensure_streams
from tests.fixtures.nats import own_workspace


class Late(Reader):
    """Its first wait is over just before the messages arrive."""

    waited = False

    async def _next_batch(self, seconds: float) -> list[Stored]:
        if self.waited:
            return await super()._next_batch(seconds)
        self.waited = True
        await self._open()
        return []

    async def _last_matching(self) -> int:
        if self.waited:
            await self._arrived.wait()
        return await super()._last_matching()


class Behind(Reader):
    """Asks a leader that was suspended first: it knows nothing of the last message."""

    asked = 0

    async def _last_matching(self) -> int:
        self.asked += 1
        last = await super()._last_matching()
        return last if self.asked > 2 else last - 1


async def test_a_leader_that_is_behind_what_is_known_is_asked_again(bus: Bus) -> None:
    workspace = own_workspace()
    await ensure_streams(bus, workspace)
    for number in range(3):
        await bus.publish(workspace.log_subject("c1"), str(number).encode())
    async with asyncio.timeout(30), Behind(bus, workspace.log_stream) as reader:
        found = [stored.payload async for batch in reader.read_all(through=3) for stored in batch]
    assert found == [b"0", b"1", b"2"]


async def test_a_message_that_is_gone_by_now_is_not_waited_for_for_ever(bus: Bus) -> None:
    workspace = own_workspace()
    await ensure_streams(bus, workspace)
    for number in range(3):
        await bus.publish(workspace.log_subject("c1"), str(number).encode())
    await delete_message(bus, workspace.log_stream, 3)
    async with (
        asyncio.timeout(30),
        Reader(bus, workspace.log_stream, subjects=[f"tl.{workspace.name}.log.>"]) as reader,
    ):
        found = [stored.payload async for batch in reader.read_all(through=3) for stored in batch]
    assert found == [b"0", b"1"]


async def test_messages_that_arrive_while_the_end_is_asked_for_are_given(bus: Bus) -> None:
    workspace = own_workspace()
    await ensure_streams(bus, workspace)
    for number in range(3):
        await bus.publish(workspace.log_subject("c1"), str(number).encode())
    async with asyncio.timeout(30), Late(bus, workspace.log_stream) as reader:
        found = [stored.payload async for batch in reader.read_all() for stored in batch]
    assert found == [b"0", b"1", b"2"]
