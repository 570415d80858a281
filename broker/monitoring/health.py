"""Whether this process is alive, and whether the workspace can take a message now."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from msgspec import Struct

from broker.bus.connection import Bus
from broker.bus.errors import BusError
from broker.bus.streams import Workspace
from broker.monitoring.metrics import Folding
from router.inputs import TICK_SOURCE, Tick, encode_input
from router.record import Record

PROBE_EVERY = 2.0
"""Seconds for which an answer stands: a probe is a write, and probes come from everywhere."""

PROBE_TIMEOUT = 2.0
LATE_AFTER = 15.0
"""A router writes at least every 5 s, so a log that is silent for longer has nobody who decides."""


class Readiness(Struct, frozen=True):
    """What was looked at, and what is wrong with it; empty text means nothing."""

    bus: str
    store: str
    router: str

    @property
    def ok(self) -> bool:
        """Whether a message would be taken and decided."""
        return not (self.bus or self.store or self.router)


class Probing(ABC):
    """Proves writability by a record of no effect: a connection alone proves nothing."""

    def __init__(self, bus: Bus, workspace: Workspace, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._subject = workspace.in_subject(TICK_SOURCE)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._last: Readiness | None = None
        self._until = 0.0

    async def readiness(self) -> Readiness:
        """Look, at most once in `PROBE_EVERY` seconds however many ask."""
        async with self._lock:
            if self._last is None or self._clock() >= self._until:
                self._last = await self._look()
                self._until = self._clock() + PROBE_EVERY
            return self._last

    async def _look(self) -> Readiness:
        return Readiness(
            bus="" if self._bus.connected else "no NATS server is connected",
            store=await self._probe(),
            router=self._decided(),
        )

    async def _probe(self) -> str:
        try:
            await self._bus.publish(self._subject, encode_input(Tick()), timeout=PROBE_TIMEOUT)
        except BusError as exc:
            return f"a probe could not be stored: {exc}"
        return ""

    @abstractmethod
    def _decided(self) -> str:
        """Say why a message would not be decided; nothing where it would be."""


class Health(Probing):
    """The health of a process that follows the log."""

    def __init__(
        self, bus: Bus, workspace: Workspace, following: Folding, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(bus, workspace, clock=clock)
        self._following = following
        self._heard = clock()

    def record(self, _seq: int, _subject: str, _record: Record) -> None:
        """Note that a router has written; subscribe this to a follower."""
        self._heard = self._clock()

    def _decided(self) -> str:
        if self._following.lag > LATE_AFTER:
            return f"this process is {self._following.lag:.0f} s behind the log"
        silence = self._clock() - self._heard
        if silence > LATE_AFTER:
            return f"no router has written for {silence:.0f} s"
        return ""


class RouterHealth(Probing):
    """The health of a process that routes, or stands by: some router answers. ``silence`` gives since when none does.

    In seconds.
    """

    def __init__(self, bus: Bus, workspace: Workspace, silence: Callable[[], float]) -> None:
        super().__init__(bus, workspace)
        self._silence = silence

    def _decided(self) -> str:
        silence = self._silence()
        return f"no router has answered for {silence:.0f} s" if silence > LATE_AFTER else ""
