"""Who has a desk open on this node: heartbeats are timed here, IN hears of changes only, and of the node every 5 s.

What should be true (the open screens) and what IN has been told are compared again and again, so that a store that
was away, or a router that has given this node up, is told anew.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from desk.ports import DeskInput, Door, NotStored
from router.facts import NodeLost
from router.inputs import DeskAlive, OperatorIdle, OperatorLost, OperatorUp
from router.record import Record

ALIVE_EVERY: Final = 5.0
TELL_WITHIN: Final = 4.0
RETRY_AFTER: Final = 1.0
_log = structlog.stdlib.get_logger(__name__)


class Presence:
    """The operators of one node. ``linger`` (seconds) lets a page be loaded again without a loss.

    Who has not touched a screen for ``idle_after`` (seconds; 0: for ever) is told to be idle.
    """

    def __init__(
        self, door: Door, node: str, clock: Callable[[], float], *, linger: float, idle_after: float = 0.0
    ) -> None:
        self._door = door
        self._node = node
        self._clock = clock
        self._linger = linger
        self._idle_after = idle_after
        self._open: dict[str, int] = {}
        self._left: dict[str, float] = {}  # when the last screen of an operator went
        self._told: set[str] = set()
        self._active: dict[str, float] = {}  # when an operator was last seen to do something
        self._told_idle: set[str] = set()
        self._changed = asyncio.Event()

    def opened(self, operator: str) -> None:
        """A screen of an operator is open."""
        self._open[operator] = self._open.get(operator, 0) + 1
        self._left.pop(operator, None)
        self._active[operator] = self._clock()
        self._changed.set()

    def active(self, operator: str) -> None:
        """An operator has done something."""
        self._active[operator] = self._clock()
        if operator in self._told_idle:
            self._changed.set()

    def closed(self, operator: str) -> None:
        """A screen of an operator is gone."""
        self._open[operator] -= 1
        if not self._open[operator]:
            del self._open[operator]
            del self._active[operator]
            self._left[operator] = self._clock() + self._linger
            self._changed.set()

    def has(self, operator: str) -> bool:
        """Whether an operator has a screen here."""
        return operator in self._open

    def take(self, record: Record) -> None:
        """Follow a record: when the router has given this node up, everything is said again."""
        if any(isinstance(fact, NodeLost) and fact.node == self._node for fact in record.facts):
            self._told.clear()
            self._told_idle.clear()
            self._changed.set()

    async def run(self) -> None:
        """Keep IN informed; until cancelled."""
        alive_at = self._clock()
        while True:
            self._changed.clear()
            now = self._clock()
            stored = True
            if now >= alive_at:
                stored = await self._tell(DeskAlive(node=self._node))
                alive_at = now + (ALIVE_EVERY if stored else RETRY_AFTER)
            stored = stored and await self._reconcile(now)
            wake_at = min([alive_at, *self._left.values()]) if stored else now + RETRY_AFTER
            await self._rest(wake_at - self._clock())

    async def leave(self) -> None:
        """Say that the operators here are gone; for a node that stops in order."""
        for operator in sorted(self._told):
            if not await self._tell(OperatorLost(operator=operator, node=self._node)):
                return
            self._told.discard(operator)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _reconcile(self, now: float) -> bool:
        """Tell IN who came and who went; False: it could not be stored, the rest is tried later too."""
        for operator in [each for each, at in self._left.items() if at <= now]:
            del self._left[operator]
        for operator in sorted(self._open.keys() - self._told):
            if not await self._tell(OperatorUp(operator=operator, node=self._node)):
                return False
            self._told.add(operator)
        for operator in sorted(self._told - self._open.keys() - self._left.keys()):
            if not await self._tell(OperatorLost(operator=operator, node=self._node)):
                return False
            self._told.discard(operator)
            self._told_idle.discard(operator)
        return await self._tell_idleness(now)

    async def _tell_idleness(self, now: float) -> bool:
        """Tell IN who has stopped to do anything here, and who has begun again."""
        idle = {each for each, at in self._active.items() if self._idle_after and now - at >= self._idle_after}
        for operator in sorted(self._told & self._active.keys() & (idle ^ self._told_idle)):
            if not await self._tell(OperatorIdle(operator=operator, node=self._node, idle=operator in idle)):
                return False
            self._told_idle ^= {operator}
        return True

    async def _tell(self, value: DeskInput) -> bool:
        try:
            async with asyncio.timeout(TELL_WITHIN):
                await self._door.submit(value)
        except (NotStored, TimeoutError) as exc:
            _log.warning("presence could not be stored; it is tried again", node=self._node, error=str(exc))
            return False
        return True
