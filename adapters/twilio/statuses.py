"""Asks Twilio what became of our messages when its status callbacks did not reach us.

A callback is made once. It names our own id of the message in its URL, which Twilio's list does not show: so the ids of
what was sent are noted, hour by hour, for as long as Twilio is asked about them.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct
from twilio.rest import Client

from adapters.contract import Context
from adapters.errors import NotAccepted
from adapters.twilio.mapping import to_receipt
from adapters.twilio.settings import TwilioSettings
from adapters.twilio.wire import Status

HOUR = 3_600_000
FURTHEST = 3 * 24 * HOUR
"""Milliseconds. What is older is hardly news to anybody."""

OVERLAP = 10 * 60_000
MOST_LISTED = 5_000
"""Messages that are looked at in one sweep, the newest first."""

MOST_NOTED = 5_000
"""In one hour. What is beyond is not caught up with, and counted."""

WRITE_AFTER = 1.0
"""Seconds for which notes are gathered before they are written."""

PAGES = 128
"""Hours that are kept, each in the place of the one so many hours before: whole days, back to `FURTHEST`."""

PAGE = 1_000


class SentPage(Struct, frozen=True):
    """What was sent in one hour since the epoch: Twilio's ids to ours."""

    hour: int
    sent: dict[str, str]


_PAGES = msgspec.json.Decoder(SentPage)


class SentNotes:
    """Twilio's ids of what was sent to ours. One node sends at a time, every one reads."""

    def __init__(self, context: Context, *, most: int = MOST_NOTED) -> None:
        self._context = context
        self._most = most
        self._page: dict[str, str] = {}
        self._hour = -1
        self._new: dict[str, str] = {}
        self._writing: asyncio.Task[None] | None = None

    def add(self, sid: str, outbound: str) -> None:
        """Note a message that was just sent; it is written within a moment."""
        self._new[sid] = outbound
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_soon())

    async def read(self, hour: int) -> dict[str, str]:
        """Give what was sent in an hour (since the epoch)."""
        found = await self._context.memory.load(_key(hour))
        page = _PAGES.decode(found) if found else SentPage(hour, {})
        return page.sent if page.hour == hour else {}

    async def close(self) -> None:
        """Write what is left."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._write()

    async def _write_soon(self) -> None:
        await asyncio.sleep(WRITE_AFTER)
        await self._write()

    async def _write(self) -> None:
        while self._new:
            try:
                await self._write_page()
            except NotAccepted as exc:  # they stay, and are written with the next ones
                self._context.log.warning("twilio.not_noted", reason=exc.message)
                return

    async def _write_page(self) -> None:
        hour = self._context.now() // HOUR
        if hour != self._hour:  # another node may have begun it
            self._page, self._hour = await self.read(hour), hour
        new = dict(self._new)
        room = max(self._most - len(self._page), 0)
        page = {**self._page, **dict(list(new.items())[:room])}
        await self._context.memory.save(_key(hour), msgspec.json.encode(SentPage(hour, page)))
        self._page = page
        for sid in new:
            del self._new[sid]
        for _ in range(len(new) - room):
            self._context.count("not_noted")


class Statuses:
    """What became of our messages. ``behind``: callbacks may have been missed since the last sweep."""

    def __init__(self, settings: TwilioSettings, context: Context, client: Client, notes: SentNotes) -> None:
        self._settings = settings
        self._context = context
        self._client = client
        self._notes = notes
        self.behind = True

    async def sweep(self, since: int) -> int:
        """Report what has changed since a time (ms), where callbacks may have been missed; gives how much.

        Raises:
            ApiError, SendError: Twilio does not answer as it should.
            NotAccepted: one could not be stored.
        """
        if not self.behind:
            return 0
        count = 0
        pages: dict[int, dict[str, str]] = {}
        async for message in self._changed(since - OVERLAP):
            outbound = await self.whose(message, pages)
            code = str(message.error_code or "")
            status = Status(outbound=outbound, sid=message.sid, status=str(message.status).lower(), code=code)
            receipt = to_receipt(status, now=self._context.now()) if outbound else None
            if receipt is not None:
                await self._context.report(receipt, stored=True)
                self._context.count("status_caught_up")
                count += 1
        self.behind = False
        return count

    async def whose(self, message: Any, pages: dict[int, dict[str, str]]) -> str:  # noqa: ANN401 - the library has no types
        """Give our id of a message, empty where it is none of ours: another program may use the same number.

        ``pages`` keeps what was read for the next one. Raises NotAccepted: it could not be read in time.
        """
        hour = _milliseconds(message.date_created) // HOUR
        for near in (hour, hour + 1, hour - 1):  # clocks differ, and notes are written a little later
            if near not in pages:
                pages[near] = await self._notes.read(near)
            if message.sid in pages[near]:
                return pages[near][message.sid]
        return ""

    async def _changed(self, since: int) -> AsyncIterator[Any]:
        day = datetime.fromtimestamp((self._context.now() - FURTHEST) / 1_000, UTC)
        after = day.replace(hour=0, minute=0, second=0, microsecond=0)
        for number in self._settings.own or (None,):
            wanted = {"from_": number} if number else {}
            found = await self._client.messages.stream_async(
                **wanted, date_sent_after=after, limit=MOST_LISTED, page_size=PAGE
            )
            async for message in found:
                ours = str(message.direction).startswith("outbound")
                if ours and _milliseconds(message.date_updated or message.date_created) >= since:
                    yield message


def _milliseconds(at: datetime | None) -> int:
    return int(at.timestamp() * 1_000) if at else 0


def _key(hour: int) -> str:
    return f"sent in {hour % PAGES}"
