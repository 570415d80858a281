"""Subscriptions that outlive nats-py's client, and the tasks that serve them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import nats.errors
from nats.aio.subscription import Subscription as NatsSubscription

from broker.bus.wire import Arrived, Sink, Wire

CLOSE_TIMEOUT = 2.0  # seconds


class Interest:
    """A subscription that outlives nats-py's client: what to subscribe to again, and the present handle."""

    def __init__(self, subject: str, queue: str, receive: Callable[[Arrived], None]) -> None:
        self.subject = subject
        self._queue = queue
        self._receive = receive
        self._handle: NatsSubscription | None = None
        self._client: Wire | None = None

    def open_on(self, client: Wire) -> bool:
        """Whether `client` has it."""
        return self._client is client

    async def open(self, client: Wire) -> None:
        """Subscribe on `client`, which must not have it: it would hear everything twice."""
        self._handle = await client.subscribe(self.subject, queue=self._queue, future=Sink(self._receive))
        self._client = client

    async def close(self) -> None:
        """Unsubscribe; a connection that is gone has no subscriptions."""
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            if self._handle is not None:
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await self._handle.unsubscribe()


class Subscription:
    """Interest in a subject and the tasks that serve it; ends with `unsubscribe`."""

    def __init__(self, end: Callable[[], Awaitable[None]], tasks: set[asyncio.Task[None]]) -> None:
        self._end = end
        self._tasks = tasks

    async def unsubscribe(self) -> None:
        """Stop; bounded, never raises because the connection is gone."""
        await self._end()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT)
