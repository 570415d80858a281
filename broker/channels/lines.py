"""The log as the customers of one channel may see it: :class:`adapters.contract.Lines` over a follower.

One follower serves all channels of a process. A customer sees what was said between one address and one channel, and
nothing of the same person's other addresses.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Literal, Protocol

import msgspec
from msgspec.structs import replace

from adapters.contract import Cursor, Duty, FellBehind, LineItem, Typing
from broker.bus.connection import Bus, LiveMessage
from broker.bus.errors import NoAnswer
from broker.bus.streams import Workspace
from broker.routing.people import PeopleBucket, Stamps
from normalizer.outbound import Author
from router.facts import AnyFact, Assigned, ConversationClosed, EntriesRead, MessageTaken, ReplySent
from router.hours import opens_at
from router.matching import ahead
from router.people import Conversation, Person
from router.policy import Policy
from router.record import Record
from router.state import State

QUEUE = 10_000
"""Items that wait for one reader; then it is told that it fell behind."""

RECENT = 2_000
"""New items that are kept for readers who come with a cursor that is a moment old."""

TYPINGS = 256
_ABSENT = ("offline", "not_responding", "draining")


Change = EntriesRead | Assigned | ConversationClosed
_KINDS: dict[type[Change], Literal["read", "joined", "closed"]] = {
    EntriesRead: "read",
    Assigned: "joined",
    ConversationClosed: "closed",
}


class Following(Protocol):
    """A follower, as far as lines are concerned; ``stream`` is when its log was created, in ns since the epoch.

    ``stamps`` say how new the values in the people bucket must be.
    """

    state: State
    position: int
    stream: int
    stamps: Stamps

    def subscribe(self, callback: Callable[[int, str, Record], None]) -> Callable[[], None]:
        """Call with each record right after it was folded."""
        ...

    async def history(self, conversation: str, person: str, *, after: int = 0) -> list[tuple[int, Record]]:
        """The records of a conversation behind a sequence of the log."""
        ...


class ChannelLines:
    """The lines of one channel."""

    def __init__(
        self,
        bus: Bus,
        workspace: Workspace,
        following: Following,
        channel: str,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._bus = bus
        self._workspace = workspace
        self._following = following
        self._channel = channel
        self._now = now
        self._people = PeopleBucket(bus, workspace, following.stamps)
        self._policy = Policy(following.state.rules)
        self._recent: deque[LineItem] = deque(maxlen=RECENT)
        self._kept_from = 0
        self._feeds: set[Feed] = set()
        self._detach: Callable[[], None] | None = None

    async def history(self, address: str, after: Cursor | None) -> tuple[list[LineItem], Cursor]:
        """Give what is on the line of ``address`` after the cursor; what is folded later comes by :meth:`follow`.

        A cursor of another log (it was restored or created anew) counts as none. Whoever comes back after a moment is
        served from memory, for after a restart all do so at once. Raises `NoAnswer`.
        """
        self.keep()
        end = self._following.position
        recent = self._since(after) if after is not None else None
        if recent is not None:
            return [item for item in recent if item.address == address], (self._following.stream, end)
        person = await self._person(address)
        since = after[1] if after is not None and after[0] == self._following.stream else None
        items = [
            item
            for conversation in _conversations(person, whole=since is not None)
            for item in await self._read(conversation, person, address, since or 0)
            if item.cursor[1] <= end
        ]
        return sorted(items, key=lambda item: item.cursor), (self._following.stream, end)

    def follow(self, after: Cursor | None = None) -> AsyncIterator[LineItem]:
        """Give everything on the lines of this channel after the cursor, or from now on."""
        self.keep()
        feed = Feed(self._since(after), self._feeds.discard)
        self._feeds.add(feed)
        return feed

    def close(self) -> None:
        """Let go of the follower."""
        if self._detach is not None:
            self._detach()
            self._detach = None

    async def conversation(self, address: str) -> str | None:
        """Name the open conversation of an address."""
        state = self._following.state
        person = _person_in(state, address)
        found = state.conversations.get(person.conversation or "") if person else None
        return found.id if found is not None and found.status != "closed" else None

    def duty(self) -> Duty:
        """Say who is there, and who waits before whom; mail and the like keeps nobody waiting."""
        state = self._following.state
        if self._policy.rules is not state.rules:
            self._policy = Policy(state.rules)
        conversations = state.conversations.values()
        waiting = (one for one in conversations if one.status == "waiting" and one.kind != "deferrable")
        staffed = any(operator.state not in _ABSENT for operator in state.operators.values())
        return Duty(staffed, ahead(state, self._policy, waiting), self._opens_at(state))

    def _opens_at(self, state: State) -> int:
        now = self._now()
        openings = [at for hours in state.rules.hours.values() if (at := opens_at(hours, now))]
        first = min(openings, default=now)
        return first if first > now else 0

    async def typing(self, typing: Typing) -> None:
        """Tell the operators that the customer is typing."""
        if typing.conversation in self._following.state.conversations:
            subject = self._workspace.live_subject(typing.conversation)
            await self._bus.publish_live(subject, msgspec.json.encode(typing))

    async def typings(self) -> AsyncIterator[Typing]:
        """Give the operators' typing in conversations of this channel; a slow reader loses the oldest."""
        waiting: asyncio.Queue[Typing] = asyncio.Queue(TYPINGS)

        async def hear(message: LiveMessage) -> None:
            typing = self._read_typing(message)
            if typing is not None:
                if waiting.full():
                    waiting.get_nowait()
                waiting.put_nowait(typing)

        subscription = await self._bus.subscribe_live(self._workspace.live_subject("*"), hear)
        try:
            while True:
                yield await waiting.get()
        finally:
            await subscription.unsubscribe()

    def _read_typing(self, message: LiveMessage) -> Typing | None:
        try:
            typing = msgspec.json.decode(message.payload, type=Typing)
        except msgspec.MsgspecError:
            return None  # other live messages are not for customers
        conversation = self._following.state.conversations.get(typing.conversation)
        addresses = self._addresses(conversation) if conversation is not None else []
        if typing.by != "operator" or conversation is None or not addresses:
            return None
        there = conversation.last_address
        return msgspec.structs.replace(typing, address=there if there in addresses else "")

    async def _person(self, address: str) -> Person | None:
        person = _person_in(self._following.state, address)
        if person is not None:
            return person
        least = self._following.stamps.address(address)
        record = await self._people.address(address)
        if (record.log if record else 0) < least:
            raise NoAnswer(f"the store of people is behind record {least} of the log")
        return record.person if record else None

    async def _read(self, conversation: str, person: Person | None, address: str, since: int) -> list[LineItem]:
        """Give what one conversation shows to an address; a person's other conversations are none of its business."""
        items = await self._shown(conversation, person, address, since)
        if not items or any(map(_was_said, items)):
            return items
        known = self._following.state.conversations.get(conversation)
        if known is not None:
            return items if address in self._addresses(known) else []
        whole = await self._shown(conversation, person, address, 0) if since else items
        return items if any(map(_was_said, whole)) else []

    async def _shown(self, conversation: str, person: Person | None, address: str, since: int) -> list[LineItem]:
        records = await self._following.history(conversation, person.id if person else "", after=since)
        return [
            item
            for seq, record in records
            for fact in record.facts
            for item in self._items(seq, record, fact, [address])
        ]

    def keep(self) -> None:
        """Begin to keep what is new, unless that has begun; channels that never ask for lines cost nothing."""
        if self._detach is None:
            self._kept_from = self._following.position
            self._detach = self._following.subscribe(self._take)

    def _take(self, seq: int, _subject: str, record: Record) -> None:
        for fact in record.facts:
            for item in self._items(seq, record, fact, None):
                if len(self._recent) == RECENT:
                    self._kept_from = self._recent[0].cursor[1]
                self._recent.append(item)
                for feed in tuple(self._feeds):
                    feed.put(item)

    def _since(self, after: Cursor | None) -> list[LineItem] | None:
        """Give what is new since a cursor, None when not everything of that is kept."""
        if after is None:
            return []
        if after[0] != self._following.stream or after[1] < self._kept_from:
            return None
        return [item for item in self._recent if item.cursor[1] > after[1]]

    def _items(self, seq: int, record: Record, fact: AnyFact, addresses: list[str] | None) -> Iterator[LineItem]:
        """Give what a fact shows to ``addresses``; None: to whom it concerns, as the state says."""
        cursor = (self._following.stream, seq)
        match fact:
            case MessageTaken(envelope=said) if said.channel == self._channel and _fits(said.address, addresses):
                yield LineItem(
                    kind="message",
                    cursor=cursor,
                    conversation=fact.conversation,
                    address=said.address,
                    at=said.at,
                    n=fact.n,
                    id=said.native_id,
                    content=said.content,
                )
            case ReplySent(outbound=sent) if sent.channel == self._channel and _fits(sent.address, addresses):
                yield LineItem(
                    kind="reply",
                    cursor=cursor,
                    conversation=fact.conversation,
                    address=sent.address,
                    at=sent.at,
                    n=fact.n,
                    id=sent.id,
                    content=sent.content,
                    author=sent.author,
                )
            case EntriesRead() | Assigned() | ConversationClosed():
                for address in self._concerned(fact.conversation) if addresses is None else addresses:
                    yield self._change(fact, cursor, address, record.now)
            case _:
                return

    def _change(self, fact: Change, cursor: Cursor, address: str, at: int) -> LineItem:
        item = LineItem(kind=_KINDS[type(fact)], cursor=cursor, conversation=fact.conversation, address=address, at=at)
        match fact:
            case EntriesRead():
                return replace(item, n=fact.upto)
            case Assigned():
                return replace(item, author=self._author(fact.operator))
            case ConversationClosed():
                return item

    def _author(self, operator: str) -> Author:
        rule = self._following.state.rules.operators.get(operator)
        return Author(id=operator, name=rule.name if rule else "", avatar=rule.avatar if rule else "")

    def _concerned(self, conversation: str) -> list[str]:
        found = self._following.state.conversations.get(conversation)
        return self._addresses(found) if found else []

    def _addresses(self, conversation: Conversation) -> list[str]:
        """Give the addresses of this channel that take part."""
        found = [address for address, sending in conversation.sendings.items() if sending.channel == self._channel]
        if conversation.channel == self._channel and conversation.address not in found:
            found.append(conversation.address)
        return found


class Feed(AsyncIterator[LineItem]):
    """One reader of the lines, with a queue of its own. ``past`` is what it gets first; None: too much is missing."""

    def __init__(self, past: Sequence[LineItem] | None, end: Callable[["Feed"], None]) -> None:
        self._queue: deque[LineItem] = deque(past or ())
        self._behind = past is None
        self._arrived = asyncio.Event()
        self._end = end

    async def __anext__(self) -> LineItem:
        """Give the next item. Raises FellBehind."""
        while not self._queue:
            if self._behind:
                raise FellBehind("read the history again from the cursor")
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    async def aclose(self) -> None:
        """Stop reading."""
        self._end(self)

    def put(self, item: LineItem) -> None:
        """Add an item; a reader with too many of them loses them all and is told so."""
        self._queue.append(item)
        if len(self._queue) > QUEUE:
            self._queue.clear()
            self._behind = True
            self._end(self)
        self._arrived.set()


def _person_in(state: State, address: str) -> Person | None:
    known = state.addresses.get(address)
    return state.people.get(known.person) if known is not None else None


def _conversations(person: Person | None, *, whole: bool) -> list[str]:
    """Name the person's conversations that are to be read, the newest last; not ``whole``: that one only."""
    if person is None:
        return []
    last = [person.conversation] if person.conversation else []
    return [*person.past, *last] if whole else last


def _was_said(item: LineItem) -> bool:
    return item.kind in ("message", "reply")


def _fits(address: str, addresses: list[str] | None) -> bool:
    return addresses is None or address in addresses
