"""The clock's ticks as inputs, and the watch over our own clock.

Every router ticks, active or not: doubles do no harm.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from broker.bus.connection import Bus
from broker.bus.errors import BusError
from broker.bus.reader import read_message
from broker.bus.streams import Workspace
from broker.routing.settings import RouterStats
from router.inputs import TICK_SOURCE, Tick, encode_input

LEAST_PAUSE = 0.05  # seconds between two ticks, however many timers are due
CHECK_EVERY = 30  # ticks between two looks at the clock
TICK_TIMEOUT = 2.0
SKEW_ALARM_MS = 2_000
NANOS = 1_000_000

log = structlog.get_logger(__name__)

NextDue = Callable[[], int | None]
"""When the next timer is due, in ms since the epoch; None when that is not known here."""


def skew_ms(stored_ms: float, before_ms: float, after_ms: float) -> float:
    """How far our clock is ahead of the bus's (behind: negative); a message was stored between two of our times."""
    if stored_ms < before_ms:
        return before_ms - stored_ms
    return min(0.0, after_ms - stored_ms)


class Ticker:
    """Publishes `tl.<w>.in._tick` once a second and when a timer is due."""

    def __init__(  # noqa: PLR0913  # all but three by name
        self,
        bus: Bus,
        workspace: Workspace,
        stats: RouterStats,
        *,
        every: float,
        next_due: NextDue,
        clock_ms: Callable[[], float] = lambda: time.time() * 1000,
    ) -> None:
        self._bus = bus
        self._workspace = workspace
        self._subject = workspace.in_subject(TICK_SOURCE)
        self._stats = stats
        self._every = every
        self._next_due = next_due
        self._clock_ms = clock_ms

    async def run(self) -> None:
        """Tick for ever. A tick that fails is one tick less; the next comes in a second."""
        count = 0
        while True:
            try:
                await self.tick(check=count % CHECK_EVERY == 0)
                count += 1
            except BusError as error:
                log.debug("router.tick_failed", error=str(error))
            await asyncio.sleep(self._pause())

    async def tick(self, *, check: bool = False) -> None:
        """Publish one tick; with `check` compare the clocks."""
        before = self._clock_ms()
        ack = await self._bus.publish(self._subject, encode_input(Tick()), timeout=TICK_TIMEOUT)
        after = self._clock_ms()
        if not check:
            return
        stored = await read_message(self._bus, self._workspace.in_stream, ack.seq)
        if stored is not None:
            self._compare(skew_ms(stored.time_ns / NANOS, before, after))

    def _compare(self, skew: float) -> None:
        self._stats.clock_skew_ms = skew
        if abs(skew) > SKEW_ALARM_MS:
            self._stats.alarms += 1
            log.error(
                "router.clock_is_wrong",
                ahead_ms=round(skew),
                mend="set this machine's clock (chrony, systemd-timesyncd); decisions use the bus's clock meanwhile",
                alarm=True,
            )

    def _pause(self) -> float:
        due = self._next_due()  # by the bus's clock
        if due is None:
            return self._every
        now = self._clock_ms() - self._stats.clock_skew_ms
        return min(self._every, max(LEAST_PAUSE, (due - now) / 1000))
