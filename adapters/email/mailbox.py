"""Which mails of a folder are to be looked at, in what order, and how far we are: nothing twice, nothing lost.

The position is a UID together with the folder's UIDVALIDITY. A push only says that something has changed; after each
one, and at every start, all UIDs above the position are looked at. When the server numbers the folder anew, mail that
arrived since shortly before the last look is gone through once more, and what was taken before is recognised by its
content. Mail that lay there before the very first start is none of ours, but for unread mail if that is wished.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from adapters.contract import Memory, NoteChanged
from adapters.email.imap import CommandRefused, Connection, Folder, Item
from adapters.email.imap_words import MONTHS
from adapters.email.settings import AfterSettings
from adapters.errors import NotReachable
from adapters.pace import HOUR, MINUTE

BATCH_MAILS, BATCH_BYTES = 50, 8_000_000
"""Mails fetched together; a larger one is fetched alone."""

SMALL = 64 * 1024
"""Bytes; mails below come with their description, which spares the server and us a second look at nearly all."""

DAY = 24 * HOUR
OVERLAP = 3 * DAY
"""Time zones, and servers that note the time of delivery late."""

SKEW = HOUR
"""Clocks differ, and the server's is in seconds."""

LOOKED_EVERY = HOUR
"""How often the position is saved while nothing comes."""


NOT_FETCHED = "not_fetched"
PATIENCE = 10 * MINUTE
"""For a server that gives no mail at all; one that gives others has lost the one."""


class Stall:
    """Since when a server gives no mail; outlives its connections. ``now`` gives the time in ms since the epoch."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._since: int | None = None

    def is_long(self) -> bool:
        """Whether it has lasted as long as we wait; it begins with the first question."""
        if self._since is None:
            self._since = self._now()
        return self._now() - self._since >= PATIENCE

    def end(self) -> None:
        """It is over."""
        self._since = None


class Reach(Struct, frozen=True, kw_only=True):
    """Older mail to go through first: up to a UID, arrived at ``after`` (ms) or later, all of it or the unread."""

    until: int
    after: int
    unread: bool = False


class Position(Struct, frozen=True, kw_only=True):
    """How far we are: everything up to ``uid`` has been looked at.

    ``begun`` is when the folder was first read, ``looked`` when there was nothing left to look at; ms since the epoch.
    """

    validity: int
    uid: int
    begun: int
    looked: int
    older: Reach | None = None


class Lost(Struct, frozen=True):
    """A mail that cannot be had, and why (a stable word)."""

    item: Item
    header: bytes
    reason: str


class Batch(Struct, frozen=True, kw_only=True):
    """Mails that are taken together, by UID, of ``size`` bytes; then everything up to ``until`` has been looked at."""

    mails: dict[int, bytes]
    lost: list[Lost]
    until: int
    size: int


class Done(Struct, frozen=True):
    """The UIDs of a batch that were taken, and up to which one everything has been looked at."""

    taken: tuple[int, ...]
    until: int


class Taker(Protocol):
    """Who takes the mails."""

    async def take(self, mails: Sequence[bytes]) -> list[bool]:
        """Take mails; when this returns they cannot be lost. False: one is not for us, leave it as it is."""
        ...

    async def give_up(self, header: bytes, item: Item, reason: str) -> None:
        """Put a mail that cannot be had with the dead letters. ``reason`` is a stable word."""
        ...


class Mailbox:
    """One folder on one connection. ``account`` tells it from another mailbox that the channel once read.

    ``first_start`` and what ``now`` gives are in ms, ``largest`` in bytes.
    """

    def __init__(  # noqa: PLR0913  # what it is wired to, by name
        self,
        server: Connection,
        taker: Taker,
        memory: Memory,
        *,
        account: str,
        folder: str,
        after: AfterSettings,
        first_start: int,
        largest: int,
        stall: Stall,
        now: Callable[[], int],
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self._server = server
        self._taker = taker
        self._memory = memory
        self._account = account
        self._folder = folder
        self._after = after
        self._first_start = first_start
        self._largest = largest
        self._stall = stall
        self._now = now
        self._log = log
        self._position: Position
        self._revision = 0

    async def open(self) -> None:
        """Select the folder and find the place to go on from. Raises CommandRefused, NotReachable, NotAccepted."""
        folder = await self._server.select(self._folder)
        found, self._revision = await self._memory.read(self._key)
        known = msgspec.json.decode(found, type=Position) if found else None
        position = place(known, folder, now=self._now(), first_start=self._first_start)
        if known is not None and known.validity != position.validity:
            self._log.warning("email.renumbered", folder=self._folder, validity=folder.validity)
        await self._save(position)

    async def catch_up(self) -> None:
        """Look at everything that is new.

        Raises:
            NotReachable: the connection is lost, or somebody else reads the folder now.
            NotAccepted: the store does not take a mail now; it is looked at again at the next start.
        """
        if (older := self._position.older) is not None:
            await self._go_through(await self._server.search(criteria(self._position, older)), older)
            await self._save(replace(self._position, uid=max(self._position.uid, older.until), older=None))
        await self._go_through(await self._server.search(criteria(self._position, None)), None)
        now = self._now()
        if now > self._position.looked + LOOKED_EVERY:
            await self._save(replace(self._position, looked=now))

    # --- looking ---

    async def _go_through(self, uids: Sequence[int], older: Reach | None) -> None:
        """Look at these; ``UID n:*`` names the last mail even where that is below n (RFC 9051 section 9)."""
        wanted = [uid for uid in uids if uid > self._position.uid and (older is None or uid <= older.until)]
        async with aclosing(self._fetched(wanted, older)) as coming:
            done, batch = None, await anext(coming, None)
            while batch is not None:
                done, batch = await self._look_at(batch, done, coming)
            if done is not None:
                await self._finish(done)

    async def _look_at(
        self, batch: Batch, before: Done | None, coming: AsyncIterator[Batch]
    ) -> tuple[Done, Batch | None]:
        """Take a batch; meanwhile the one before it is marked and the next one comes. Gives both.

        It is marked only when it is taken. When that fails it is looked at again, and what was taken is known. A large
        mail is taken before the next ones come, so that they do not fill the memory together.
        """
        if batch.size > BATCH_BYTES:
            return await self._take(batch), await self._go_on(before, coming)
        taken, following = await asyncio.gather(
            self._take(batch), self._go_on(before, coming), return_exceptions=True
        )  # a command of which nobody awaits the answer would be the end of the connection
        if isinstance(taken, BaseException):
            raise taken
        if isinstance(following, CommandRefused):
            await self._finish(taken)
        if isinstance(following, BaseException):
            raise following
        return taken, following

    async def _take(self, batch: Batch) -> Done:
        for lost in batch.lost:
            await self._taker.give_up(lost.header, lost.item, lost.reason)
        uids = sorted(batch.mails)
        taken = await self._taker.take([batch.mails.pop(uid) for uid in uids])
        return Done(tuple(uid for uid, was_taken in zip(uids, taken, strict=True) if was_taken), batch.until)

    async def _go_on(self, done: Done | None, coming: AsyncIterator[Batch]) -> Batch | None:
        if done is not None:
            await self._finish(done)
        return await anext(coming, None)

    async def _finish(self, done: Done) -> None:
        await self._mark(done.taken)
        await self._save(replace(self._position, uid=done.until))

    # --- fetching ---

    async def _fetched(self, wanted: Sequence[int], older: Reach | None) -> AsyncGenerator[Batch, None]:
        """Give batch after batch, in order; the last one of each portion also stands for what is gone or too old."""
        for start in range(0, len(wanted), BATCH_MAILS):
            portion = wanted[start : start + BATCH_MAILS]
            items = [item for item in await self._items(portion) if older is None or is_young(item, older)]
            *firsts, last = list(batches(items)) or [[]]
            for some in firsts:
                yield await self._fetch(some, some[-1].uid)
            yield await self._fetch(last, portion[-1])

    async def _items(self, uids: Sequence[int]) -> list[Item]:
        """Describe mails, also those that are there and of which the server does not say what they are."""
        items = await self._described(uids)
        known = {item.uid for item in items}
        there = await self._server.flags([uid for uid in uids if uid not in known])
        return sorted([*items, *(Item(uid=uid, size=0, arrived=0) for uid in there)], key=lambda item: item.uid)

    async def _described(self, uids: Sequence[int]) -> list[Item]:
        """Describe mails, the small ones whole.

        A server that refuses because of one of them is asked for descriptions alone, and then for each by itself.
        """
        for below in (SMALL, 0):
            try:
                return await self._server.items(uids, below=below)
            except CommandRefused as exc:
                self._log.info("email.not_fetched", count=len(uids), reason=str(exc))
        return [item for uid in uids for item in await self._described([uid])] if len(uids) > 1 else []

    async def _fetch(self, items: Sequence[Item], until: int) -> Batch:
        """Have what is not there yet."""
        mails = {item.uid: item.mail for item in items if item.mail is not None and item.size <= self._largest}
        missing = [item for item in items if item.uid not in mails]
        mails |= await self._bodies([item for item in missing if item.size <= self._largest])
        lost: list[Lost] = []
        for item in missing:
            if item.uid not in mails:
                mails |= await self._look_again(item, lost)
        self._judge(mails, lost)
        return Batch(mails=mails, lost=lost, until=until, size=sum(map(len, mails.values())))

    def _judge(self, mails: dict[int, bytes], lost: Sequence[Lost]) -> None:
        """Raise CommandRefused where the fault may be the server's: it gives no mail at all, and did so lately."""
        refused = [one.item.uid for one in lost if one.reason == NOT_FETCHED]
        if refused and not mails and not self._stall.is_long():
            raise CommandRefused(f"it does not give the mails with UID {', '.join(map(str, refused))}")
        if refused or mails:
            self._stall.end()

    async def _look_again(self, item: Item, lost: list[Lost]) -> dict[int, bytes]:
        """Give a mail that did not come with the others; one that cannot be had is ``lost``."""
        body = await self._bodies([item]) if item.size <= self._largest else {}
        if not body and await self._server.flags([item.uid]):  # else it was deleted meanwhile, and is nobody's any more
            reason = "too_large" if item.size > self._largest else NOT_FETCHED
            lost.append(Lost(item, await self._header(item), reason))
        return body

    async def _header(self, item: Item) -> bytes:
        try:
            return await self._server.header(item.uid)
        except CommandRefused:
            return b""

    async def _bodies(self, items: Sequence[Item]) -> dict[int, bytes]:
        """Fetch mails. A server that refuses because of one of them is asked for each by itself, by and by."""
        if not items:
            return {}
        try:
            return await self._server.bodies([item.uid for item in items])
        except CommandRefused as exc:
            self._log.info("email.not_fetched", count=len(items), reason=str(exc))
            return {}

    async def _mark(self, uids: Sequence[int]) -> None:
        """Do in the mailbox what is wished. They are taken already: what fails here is told, and no more."""
        flags = " ".join(
            ([r"\Seen"] if self._after.seen else []) + ([self._after.keyword] if self._after.keyword else [])
        )
        if flags and uids:
            await self._attempt("flag", self._server.flag(uids, flags))
        if self._after.move_to and uids:
            await self._attempt("move", self._server.move(uids, self._after.move_to))

    async def _attempt(self, what: str, work: Awaitable[None]) -> None:
        try:
            await work
        except CommandRefused as exc:
            self._log.warning("email.not_marked", what=what, reason=str(exc))

    @property
    def _key(self) -> str:
        return f"position.{self._account}.{self._folder}"

    async def _save(self, position: Position) -> None:
        """Save it over the one that is known: a reader that stood still and was replaced must not move it back."""
        try:
            self._revision = await self._memory.write(self._key, msgspec.json.encode(position), self._revision)
        except NoteChanged as exc:
            reason = f"another reader has moved the position in the folder {self._folder}: reading begins again there"
            raise NotReachable("read_elsewhere", reason) from exc
        self._position = position


def place(known: Position | None, folder: Folder, *, now: int, first_start: int) -> Position:
    """Give the position to go on from, when a folder was just opened."""
    last = folder.next_uid - 1
    if known is None:
        if not first_start:
            return Position(validity=folder.validity, uid=last, begun=now, looked=now)
        reach = Reach(until=last, after=now - first_start, unread=True)
        return Position(validity=folder.validity, uid=0, begun=reach.after, looked=now, older=reach)
    if known.validity == folder.validity and known.uid <= last:
        return known
    # numbered anew; a server that restores a backup may do so without saying it
    unfinished = known.older or Reach(until=last, after=max(known.begun - SKEW, known.looked - OVERLAP))
    reach = replace(unfinished, until=last)
    return replace(known, validity=folder.validity, uid=0, older=reach)


def is_young(item: Item, older: Reach) -> bool:
    """Whether a mail of before arrived late enough; one of which nobody knows is."""
    return not item.arrived or item.arrived >= older.after


def criteria(position: Position, older: Reach | None) -> str:
    """Say to the server what to look for. Its SINCE knows days only, of an unknown time zone."""
    if older is None:
        return f"UID {position.uid + 1}:*"
    unread = " UNSEEN" if older.unread else ""
    return f"UID {position.uid + 1}:{max(older.until, position.uid + 1)} SINCE {day(older.after - DAY)}{unread}"


def day(at: int) -> str:
    """Write a day as SEARCH wants it: ``1-Feb-1994``."""
    date = datetime.fromtimestamp(max(at, 0) / 1_000, UTC)
    return f"{date.day}-{MONTHS[date.month - 1]}-{date.year}"


def batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Cut into batches that are fetched together."""
    batch: list[Item] = []
    for item in items:
        if len(batch) == BATCH_MAILS or (batch and sum(other.size for other in batch) + item.size > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
