"""Which mails of a folder are to be looked at, in what order, and how far we are: nothing twice, nothing lost.

The position is a UID together with the folder's UIDVALIDITY. A push only says that something has changed; after each
one, and at every start, all UIDs above the position are looked at. When the server numbers the folder anew, mail that
arrived since shortly before the last look is gone through once more, and what was taken before is recognised by its
content. Mail that lay there before the very first start is none of ours, but for unread mail if that is wished.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from adapters.contract import Memory
from adapters.email.imap import MOST_AT_ONCE, CommandRefused, Connection, Folder, Item
from adapters.email.settings import AfterSettings
from adapters.pace import HOUR

BATCH_MAILS, BATCH_BYTES = 50, 8_000_000
"""Mails fetched together; a larger one is fetched alone."""

DAY = 24 * HOUR
OVERLAP = 3 * DAY
"""Time zones, and servers that note the time of delivery late."""

SKEW = HOUR
"""Clocks differ, and the server's is in seconds."""

LOOKED_EVERY = HOUR
"""How often the position is saved while nothing comes."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
        self._now = now
        self._log = log
        self._position: Position

    async def open(self) -> None:
        """Select the folder and find the place to go on from. Raises CommandRefused, NotReachable."""
        folder = await self._server.select(self._folder)
        found = await self._memory.load(self._key)
        known = msgspec.json.decode(found, type=Position) if found else None
        position = place(known, folder, now=self._now(), first_start=self._first_start)
        if known is not None and known.validity != position.validity:
            self._log.warning("email.renumbered", folder=self._folder, validity=folder.validity)
        await self._save(position)

    async def catch_up(self) -> None:
        """Look at everything that is new.

        Raises:
            NotReachable: the connection is lost.
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
        for start in range(0, len(wanted), MOST_AT_ONCE):
            portion = wanted[start : start + MOST_AT_ONCE]
            items = await self._server.items(portion)
            for batch in batches([item for item in items if older is None or is_young(item, older)]):
                await self._look_at(batch)
            await self._save(replace(self._position, uid=portion[-1]))

    async def _look_at(self, batch: Sequence[Item]) -> None:
        """Take a batch, mark it, then go on. When that fails it is looked at again, and what was taken is known."""
        bodies = await self._bodies([item for item in batch if item.size <= self._largest])
        for item in batch:
            if item.uid not in bodies:
                bodies |= await self._look_again(item)
        uids = sorted(bodies)
        taken = await self._taker.take([bodies.pop(uid) for uid in uids])
        await self._mark([uid for uid, was_taken in zip(uids, taken, strict=True) if was_taken])
        await self._save(replace(self._position, uid=batch[-1].uid))

    async def _look_again(self, item: Item) -> dict[int, bytes]:
        """Give a mail that did not come with the others; one that cannot be had is given up."""
        body = await self._bodies([item]) if item.size <= self._largest else {}
        if not body and await self._server.items([item.uid]):  # else it was deleted meanwhile, and is nobody's any more
            reason = "too_large" if item.size > self._largest else "not_fetched"
            await self._taker.give_up(await self._server.header(item.uid), item, reason)
        return body

    async def _bodies(self, items: Sequence[Item]) -> dict[int, bytes]:
        """Fetch mails. A server that refuses because of one of them is asked for each by itself, by and by."""
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
        await self._memory.save(self._key, msgspec.json.encode(position))
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
