"""A bounded queue between the connection that delivers call events and their storing, in order, with one worker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

MOST = 4 * 1024 * 1024
"""Bytes that may wait: some ten thousand events."""

OVERHEAD = 100
"""Bytes that an event costs beside its own."""


class Inbox:
    """``work`` gets all that waits, in order. While too much waits no more is taken: the connection fills up."""

    def __init__(self, work: Callable[[Sequence[bytes]], Awaitable[None]], *, most: int = MOST) -> None:
        self._work = work
        self._most = most
        self._waiting: list[bytes] = []
        self._size = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._busy = asyncio.Lock()

    def clear(self) -> None:
        """Forget what an earlier connection has left."""
        self._empty()

    async def put(self, payload: bytes) -> None:
        """Put an event behind the others, as soon as there is room."""
        await self._room.wait()
        self._waiting.append(payload)
        self._size += len(payload) + OVERHEAD
        if self._size >= self._most:
            self._room.clear()
        self._arrived.set()

    def _empty(self) -> Sequence[bytes]:
        waiting, self._waiting, self._size = self._waiting, [], 0
        self._room.set()
        return waiting

    async def run(self) -> None:
        """Work off what comes, until cancelled."""
        while True:
            await self._arrived.wait()
            await self.work_off()

    async def work_off(self) -> None:
        """Work off what has come. What a failure interrupts waits again: to work off the same twice does no harm."""
        async with self._busy:
            self._arrived.clear()
            waiting = self._empty()
            try:
                await self._work(waiting)
            except BaseException:
                self._waiting = [*waiting, *self._waiting]
                raise

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Work off nothing meanwhile."""
        async with self._busy:
            yield
