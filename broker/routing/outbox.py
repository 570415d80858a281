"""Records that are decided and not yet acknowledged: published through the fence, and matched again after a doubt."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from broker.bus.errors import PublishUnknown
from broker.bus.fence import FencedLog
from broker.bus.reader import Stored
from broker.bus.streams import Workspace
from broker.routing.fencing import ForeignRecord
from broker.routing.settings import RouterStats
from broker.routing.term import decode_term

Effect = Callable[[int], None]
"""Called with the log sequence of the record once it is acknowledged; only then is it true."""


class Item(NamedTuple):
    """A record on its way."""

    subject: str
    payload: bytes
    effect: Effect | None


class Outbox:
    """One queue over all terms of a router: what was sent in a term that ended is sent again in the next.

    `position` is the last log sequence known to be ours or folded.
    """

    def __init__(self, workspace: Workspace, router: str, position: int, window: int, stats: RouterStats) -> None:
        self.position = position
        self._workspace = workspace
        self._router = router
        self._window = window
        self._stats = stats
        self._items: deque[Item] = deque()
        self._sent = 0  # so many of them, from the left, were appended in this term
        self._log: FencedLog | None = None

    def open(self, log: FencedLog) -> None:
        """Begin a term; nothing that is left counts as sent."""
        self._log = log
        self._sent = 0
        self.position = log.tail

    def put(self, subject: str, payload: bytes, effect: Effect | None = None) -> None:
        """Queue a record behind all others."""
        self._items.append(Item(subject, payload, effect))

    def send(self) -> bool:
        """Append what there is room for; False when something is left. Raises the term's error once it has ended."""
        log, items = self._term(), self._items
        while self._sent < len(items):
            if self._sent >= self._window:
                self.settle()
                if self._sent >= self._window:
                    return False
            subject, payload, effect = items[self._sent]
            acknowledged = log.append(subject, payload)
            self._sent += 1
            if effect is not None:
                acknowledged.add_done_callback(self._settle_later)
        return True

    async def send_waiting(self) -> None:
        """Append everything, waiting for room; raises the term's error once it has ended."""
        while not self.send():
            await self._term().wait_room()

    async def send_all(self) -> None:
        """Append everything and wait until it is acknowledged; raises the term's error once it has ended."""
        await self.send_waiting()
        await self._term().wait_drained()
        self.settle()

    def settle(self) -> None:
        """Let go of what is acknowledged, and carry out its effects."""
        log = self._log
        if log is None:
            return
        items, tail = self._items, log.tail
        while self.position < tail:
            self._sent -= 1
            self._acknowledge(items.popleft(), self.position + 1)
        self._stats.window = self._sent

    def end(self) -> None:
        """The term has ended."""
        self.settle()
        self._log = None

    def match(self, stored: Iterable[Stored]) -> None:
        """Compare what the log has after `position` with what was sent in the term that ended.

        What was stored is acknowledged by this; the rest will be sent again. Raises `ForeignRecord`.
        """
        for message in stored:
            if message.subject == self._workspace.term_subject:
                self._check_term(message)
            elif message.subject != self._workspace.skip_subject:
                self._check_record(message)
            self.position = message.seq

    def _term(self) -> FencedLog:
        if self._log is None:
            raise PublishUnknown("not sent: a barrier has to be raised first")
        return self._log

    def _check_term(self, message: Stored) -> None:
        router = decode_term(message.payload).router
        if router != self._router:
            raise ForeignRecord(f"router {router} began a term at {message.seq}")

    def _check_record(self, message: Stored) -> None:
        item = self._items[0] if self._sent else None
        if item is None or (item.subject, item.payload) != (message.subject, message.payload):
            raise ForeignRecord(f"record {message.seq} ({message.subject}) is not ours")
        self._sent -= 1
        self._acknowledge(self._items.popleft(), message.seq)

    def _acknowledge(self, item: Item, seq: int) -> None:
        self.position = seq
        if item.effect is not None:
            item.effect(seq)

    def _settle_later(self, _future: object) -> None:
        self.settle()
