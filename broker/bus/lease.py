"""Leases: who may do what only one may do."""

import asyncio
from collections.abc import Callable

from broker.bus.connection import BusSettings
from broker.bus.kv import Bucket

TTL = 6.0
RENEW_EVERY = 1.5


class Lease:
    """A lease on a key; an observer takes it over when it has not moved for `ttl` by the observer's own clock."""

    lost: asyncio.Event

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        owner: str,
        *,
        ttl: float = TTL,
        renew_every: float = RENEW_EVERY,
        clock: Callable[[], float] = ...,
    ) -> None: ...

    @property
    def held(self) -> bool:
        """Whether it is ours and was renewed less than `ttl` ago by our clock."""
        raise NotImplementedError

    async def acquire(self) -> None:
        """Wait until the lease is ours, then renew it in a task until `release` or loss."""
        raise NotImplementedError

    async def release(self) -> None:
        """Stop renewing and delete it if it is still ours; bounded."""
        raise NotImplementedError


class LeaseThread:
    """A lease renewed by a thread of its own, which gives it back when the caller's loop is stuck."""

    lost: asyncio.Event

    def __init__(
        self,
        settings: BusSettings,
        bucket: str,
        key: str,
        owner: str,
        *,
        ttl: float = TTL,
        renew_every: float = RENEW_EVERY,
        stuck_after: float = 2.0,
    ) -> None: ...

    @property
    def held(self) -> bool:
        """Whether it is ours."""
        raise NotImplementedError

    async def acquire(self) -> None:
        """Start the thread and wait until the lease is ours."""
        raise NotImplementedError

    async def release(self) -> None:
        """Give it back and end the thread; bounded."""
        raise NotImplementedError
