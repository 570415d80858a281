"""Who is connected, and the two streams that feed them all: the lines of the channel, and the operators' typing.

One follower per process serves every socket; what comes is given to the sockets of its address. A visitor may have
several tabs, each with a cursor of its own.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from aiohttp import WSCloseCode

from adapters.contract import Cursor, Duty, FellBehind, LineItem, Lines, Typing
from adapters.webchat.wire import Items, Status, TypingThere
from web.sockets import Closing

NOBODY: Final = "visitor:nobody"
"""An address that no visitor has: reading its history tells where the log ends."""

MISSED: Final = Closing(WSCloseCode.TRY_AGAIN_LATER, "we fell behind, please reconnect")
STATUS_EVERY: Final = 2.0
_MAX_CONVERSATIONS: Final = 8

_encode: Final = msgspec.json.Encoder().encode


class Tab(Protocol):
    """One connected page of a visitor."""

    def show(self, cursor: Cursor, frame: bytes) -> None:
        """Show what happened at ``cursor``, unless that is already known."""
        ...

    def show_typing(self, frame: bytes) -> None:
        """Show that an operator types."""
        ...

    def show_status(self, status: Status) -> None:
        """Show how the visitor stands, if that is news."""
        ...

    def close(self, closing: Closing) -> None:
        """End the connection."""
        ...


class Visitor:
    """One visitor with at least one connected tab; ``conversations`` are the latest ones they took part in.

    ``writing`` are messages that this node has read and not yet seen on the line.
    """

    __slots__ = ("address", "conversations", "id", "open", "tabs", "writing")

    def __init__(self, id: str, address: str) -> None:  # noqa: A002 - the word of the protocol
        self.id = id
        self.address = address
        self.tabs: list[Tab] = []
        self.open: str | None = None
        self.conversations: tuple[str, ...] = ()
        self.writing: set[str] = set()

    def took_part(self, item: LineItem) -> None:
        """Note from an item of their line which conversation is theirs, and which one is open."""
        self.writing.discard(item.id)
        self.open = None if item.kind == "closed" else item.conversation
        if item.conversation not in self.conversations:
            self.conversations = (*self.conversations, item.conversation)[-_MAX_CONVERSATIONS:]


class Hub:
    """The connected visitors of one channel in this process.

    ``frame`` makes the frame of an item for a visitor, with a cursor that is safe to resume from.
    """

    def __init__(self, lines: Lines, frame: Callable[[Visitor, LineItem, Cursor], Items]) -> None:
        self._lines = lines
        self._frame = frame
        self._visitors: dict[str, Visitor] = {}
        self._open: dict[str, Visitor] = {}
        self._before: Cursor | None = None  # behind everything older than the record that is being shown
        self._latest: Cursor | None = None
        self._duty: Duty | None = None
        self._begun = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    async def run(self) -> None:
        """Feed the tabs until cancelled.

        When it is run again after a failure it goes on before the last record, of which some items may have been
        shown: pages know what they have. When too much was missed, all tabs connect again and resume by themselves.
        """
        while True:
            try:
                await self._feed()
            except* FellBehind:
                self._before = self._latest = None
                self._begun.clear()
                self._close_tabs(MISSED)

    async def _feed(self) -> None:
        if self._before is None:
            _, self._before = await self._lines.history(NOBODY, None)
        self._begun.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_lines(self._before), name="webchat lines")
            tasks.create_task(self._follow_typing(), name="webchat typing")
            tasks.create_task(self._tell_status(), name="webchat status")

    async def begun(self) -> None:
        """Wait until everything behind the history that is read from now on will be shown live."""
        await self._begun.wait()

    def join(self, id: str, address: str, tab: Tab) -> Visitor:  # noqa: A002 - the word of the protocol
        """Add a tab; what happens from now on is shown to it."""
        visitor = self._visitors.setdefault(address, Visitor(id, address))
        visitor.tabs.append(tab)
        self._empty.clear()
        return visitor

    def leave(self, visitor: Visitor, tab: Tab) -> None:
        """Take a tab away; with the last one the visitor is forgotten."""
        visitor.tabs.remove(tab)
        if not visitor.tabs:
            del self._visitors[visitor.address]
            self._open.pop(visitor.open or "", None)
        if not self._visitors:
            self._empty.set()

    def tabs(self, address: str) -> int:
        """Count the connected tabs of an address."""
        visitor = self._visitors.get(address)
        return len(visitor.tabs) if visitor else 0

    def writes(self, address: str) -> bool:
        """Tell whether a message of an address is on its way, of which the log does not know yet."""
        visitor = self._visitors.get(address)
        return visitor is not None and bool(visitor.writing)

    def note(self, visitor: Visitor, item: LineItem) -> None:
        """Learn from an item which conversation of a visitor is open, for typing both ways."""
        self._open.pop(visitor.open or "", None)
        visitor.took_part(item)
        if visitor.open is not None:
            self._open[visitor.open] = visitor

    def opened(self, visitor: Visitor, conversation: str) -> None:
        """Learn of a visitor's open conversation where no item told."""
        visitor.open = conversation
        if conversation not in visitor.conversations:
            visitor.conversations = (*visitor.conversations, conversation)
        self._open[conversation] = visitor

    def status(self, visitor: Visitor) -> Status:
        """Say whether somebody is on duty, and how many wait before this visitor."""
        duty = self.duty()
        return Status(duty.staffed, duty.ahead.get(visitor.open or ""), duty.opens_at)

    def duty(self) -> Duty:
        """Say who is on duty and who waits, as of two seconds ago at most: it takes a queue, and strangers ask."""
        self._duty = self._duty or self._lines.duty()
        return self._duty

    async def close(self, closing: Closing) -> None:
        """Close every tab and wait until all are gone; to be bounded by the caller."""
        self._close_tabs(closing)
        await self._empty.wait()

    async def _tell_status(self) -> None:
        """Tell the pages, every two seconds at most, what has changed; a queue moves many at once."""
        while True:
            await asyncio.sleep(STATUS_EVERY)
            self._duty = self._lines.duty() if self._visitors else None
            for visitor in self._visitors.values():
                status = self.status(visitor)
                for tab in visitor.tabs:
                    tab.show_status(status)

    def _close_tabs(self, closing: Closing) -> None:
        for visitor in self._visitors.values():
            for tab in visitor.tabs:
                tab.close(closing)

    async def _follow_lines(self, after: Cursor) -> None:
        before = after
        async for item in self._lines.follow(after):
            if self._latest is not None and item.cursor > self._latest:
                before = self._before = self._latest
            self._latest = item.cursor
            visitor = self._visitors.get(item.address)
            if visitor is not None:
                self.note(visitor, item)
                frame = _encode(self._frame(visitor, item, before))
                for tab in visitor.tabs:
                    tab.show(item.cursor, frame)

    async def _follow_typing(self) -> None:
        async for typing in self._lines.typings():
            if typing.by == "operator" and (visitor := self._open.get(typing.conversation)):
                frame = _encode(_typing(typing))
                for tab in visitor.tabs:
                    tab.show_typing(frame)


def _typing(typing: Typing) -> TypingThere:
    """Show who types; what they type stays in the desk."""
    return TypingThere(typing.on, typing.name)
