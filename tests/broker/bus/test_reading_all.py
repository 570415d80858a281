"""Reading to the end on a machine that is busy: answers and messages come in any order."""

import asyncio

from broker.bus.connection import Bus
from broker.bus.reader import Reader, Stored
from broker.bus.streams import Workspace, ensure_streams


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


async def test_messages_that_arrive_while_the_end_is_asked_for_are_given(bus: Bus) -> None:
    workspace = Workspace("late")
    await ensure_streams(bus, workspace)
    for number in range(3):
        await bus.publish(workspace.log_subject("c1"), str(number).encode())
    async with asyncio.timeout(10), Late(bus, workspace.log_stream) as reader:
        found = [stored.payload async for batch in reader.read_all() for stored in batch]
    assert found == [b"0", b"1", b"2"]
