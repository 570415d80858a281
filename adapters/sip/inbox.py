"""Events between the connection that brings them and their storing: worked off in order, one worker at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager


class Inbox:
    """``work`` gets all that waits, in order. What waits is bounded by how long storing may take before it fails."""

    def __init__(self, work: Callable[[Sequence[bytes]], Awaitable[None]]) -> None:
        self._work = work
        self._waiting: list[bytes] = []
        self._arrived = asyncio.Event()
        self._busy = asyncio.Lock()

    def clear(self) -> None:
        """Forget what an earlier connection has left."""
        self._waiting.clear()

    def add(self, payload: bytes) -> None:
        """Put an event behind the others."""
        self._waiting.append(payload)
        self._arrived.set()

    async def run(self) -> None:
        """Work off what comes, until cancelled."""
        while True:
            await self._arrived.wait()
            await self.work_off()

    async def work_off(self) -> None:
        """Work off what has come."""
        async with self._busy:
            self._arrived.clear()
            waiting, self._waiting = self._waiting, []
            await self._work(waiting)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Work off nothing meanwhile."""
        async with self._busy:
            yield
