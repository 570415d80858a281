"""Which processes there are: each announces every few seconds what it serves and what it finds wrong.

Core NATS, nothing stored: who has not been heard for a while, by the listener's own clock, is gone.
"""

import asyncio
import os
import platform
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from broker.bus.connection import Bus, LiveMessage
from broker.bus.streams import Workspace
from broker.bus.subscription import Subscription
from broker.channels.tally import ChannelStatus
from desk.ports import Alarm

BEAT_EVERY = 5.0
GONE_AFTER = 20.0
ROLL_CALL = 1.5
"""Seconds that the command line waits for those who are there."""

ROUTER_ALONE = ("router",)
BEATS = "beats"
NODES = "nodes"


class Beat(Struct, frozen=True, kw_only=True):
    """What a process says of itself; ``version`` is the one that it works by, ``leaving`` its last word."""

    node: str
    host: str = platform.node()
    pid: int = os.getpid()
    parts: tuple[str, ...] = ()
    version: int = 0
    channels: dict[str, ChannelStatus] = {}
    alarms: tuple[Alarm, ...] = ()
    leaving: bool = False

    @property
    def follows(self) -> bool:
        """Whether it works by a version of the file; a router by itself does not, it decides by the log."""
        return self.parts != ROUTER_ALONE


class Nodes:
    """This process among the others. ``make`` gives what it has to say of itself at the moment."""

    def __init__(
        self, bus: Bus, workspace: Workspace, make: Callable[[], Beat], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._beats = workspace.ask_subject(BEATS)
        self._calls = workspace.ask_subject(NODES)
        self._make = make
        self._clock = clock
        self._heard: dict[str, tuple[float, Beat]] = {}
        self._subscriptions: list[Subscription] = []

    @property
    def alive(self) -> list[Beat]:
        """The latest announcement of every living process, this one included."""
        own, now = self._make(), self._clock()
        return [own, *(b for at, b in self._heard.values() if now - at < GONE_AFTER and b.node != own.node)]

    async def start(self) -> None:
        """Listen, and ask who is there."""
        self._subscriptions = [
            await self._bus.subscribe_live(self._beats, self._hear),
            await self._bus.subscribe_live(self._calls, self._answer),
        ]
        await self._bus.publish_live(self._calls, b"")

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self._say(self._make())
            await asyncio.sleep(BEAT_EVERY)

    async def close(self) -> None:
        """Announce that this process is leaving, and stop."""
        await self._say(msgspec.structs.replace(self._make(), leaving=True))
        for subscription in self._subscriptions:
            await subscription.unsubscribe()

    async def _answer(self, _call: LiveMessage) -> None:
        await self._say(self._make())

    async def _hear(self, message: LiveMessage) -> None:
        beat = msgspec.json.decode(message.payload, type=Beat)
        if beat.leaving:
            self._heard.pop(beat.node, None)
        else:
            self._heard[beat.node] = (self._clock(), beat)

    async def _say(self, beat: Beat) -> None:
        await self._bus.publish_live(self._beats, msgspec.json.encode(beat))


async def call_roll(bus: Bus, workspace: Workspace, within: float = ROLL_CALL) -> list[Beat]:
    """Ask all processes to announce themselves, and wait for the answers."""
    heard: dict[str, Beat] = {}

    async def hear(message: LiveMessage) -> None:
        beat = msgspec.json.decode(message.payload, type=Beat)
        heard[beat.node] = beat

    subscription = await bus.subscribe_live(workspace.ask_subject(BEATS), hear)
    try:
        await bus.publish_live(workspace.ask_subject(NODES), b"")
        await asyncio.sleep(within)
    finally:
        await subscription.unsubscribe()
    return sorted((beat for beat in heard.values() if not beat.leaving), key=lambda beat: (beat.host, beat.pid))
