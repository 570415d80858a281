"""Asks Twilio for messages whose webhook did not reach us, and lets it be asked for statuses that did not.

Twilio calls a webhook once, and a second time only where the connection failed: what comes while we are down stands in
Twilio's list and nowhere else. https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from adapters.contract import Context
from adapters.errors import EnvelopeRefused, NotAccepted, SendError
from adapters.twilio.errors import ApiError
from adapters.twilio.media import NotFetched
from adapters.twilio.pool import read_pool
from adapters.twilio.settings import API, TwilioSettings
from adapters.twilio.statuses import Statuses
from adapters.twilio.wire import ATTRIBUTES, Incoming, MediaRef
from normalizer.address import AddressError

NOTE = "caught up"
MARGIN = 30_000
"""Milliseconds in which a message may still be on its way: the webhook and its fallback have 15 s each."""

OVERLAP = 10 * 60_000
FURTHEST = 3 * 86_400_000
PAGE = 1_000
PATIENCE = 6 * 3_600_000
"""Milliseconds after which a message is taken in without files that still cannot be fetched."""

REMEMBERED = 20_000

Take = Callable[[Incoming, bool], Awaitable[None]]
"""Takes a message in; with True also where its files cannot be fetched."""


class Taken:
    """The last messages that this process has taken in."""

    def __init__(self) -> None:
        self._sids: OrderedDict[str, None] = OrderedDict()

    def add(self, sid: str) -> None:
        """Note one."""
        self._sids[sid] = None
        if len(self._sids) > REMEMBERED:
            self._sids.popitem(last=False)

    def __contains__(self, sid: str) -> bool:
        return sid in self._sids


class CatchUp:
    """Sweeps the list of messages from where the last sweep ended; what is found twice is recognised later."""

    def __init__(  # noqa: PLR0913, PLR0917  # what it is wired to
        self,
        settings: TwilioSettings,
        context: Context,
        client: Client,
        taken: Taken,
        take: Take,
        statuses: Statuses,
    ) -> None:
        self._settings = settings
        self._context = context
        self._client = client
        self._taken = taken
        self._take = take
        self._statuses = statuses

    async def run(self) -> None:
        """Sweep again and again until cancelled; at first at once."""
        while True:
            try:
                await self.sweep()
            except (ApiError, SendError, TwilioException, NotAccepted, NotFetched) as exc:
                self._statuses.behind = True
                self._context.log.warning("twilio.not_caught_up", reason=str(exc))
            await asyncio.sleep(self._settings.catch_up.seconds)

    async def sweep(self) -> int:
        """Take in what was missed, oldest first; gives how many.

        Raises:
            ApiError, SendError: Twilio does not answer as it should.
            NotAccepted: one could not be taken in; the next sweep begins there again.
            NotFetched: so it is for the files of one; all but what the same customer wrote later was taken in.
        """
        now = self._context.now()
        position = await self._position(now)
        since = max(position - OVERLAP, now - FURTHEST)
        missed = [message async for message in self._listed(since, now - MARGIN)]
        missed.sort(key=lambda message: message.at or 0)
        late: dict[str, NotFetched] = {}
        for message in missed:
            try:
                if message.sender not in late:
                    await self._take_one(message, now)
            except NotFetched as exc:
                late[message.sender] = exc
        await self._statuses.sweep(position)
        if late:
            raise next(iter(late.values()))
        await self._context.memory.save(NOTE, str(now - MARGIN).encode())
        return len(missed)

    async def _position(self, now: int) -> int:
        note = await self._context.memory.load(NOTE)
        return int(note) if note else now

    async def _take_one(self, message: Incoming, now: int) -> None:
        try:
            await self._take(message, now - (message.at or 0) > PATIENCE)
        except EnvelopeRefused as exc:
            self._context.log.warning("twilio.refused", sid=message.sid, reason=exc.message)
        except AddressError as exc:
            await self._context.dead("unreadable", message.sid.encode(), str(exc))
            self._taken.add(message.sid)
        self._context.count("caught_up")

    async def _listed(self, since: int, until: int) -> AsyncIterator[Incoming]:
        own, service = self._settings.own, self._settings.messaging_service_sid
        pool = frozenset() if own else await read_pool(self._client, service)
        for number in own or (None,):
            wanted = {"to": number} if number else {}
            after = datetime.fromtimestamp(since / 1_000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            found = await self._client.messages.stream_async(**wanted, date_sent_after=after, page_size=PAGE)
            async for message in found:
                at = _milliseconds(message)
                if self._is_ours(message, pool) and message.sid not in self._taken and since <= at <= until:
                    yield await self._read(message, at)

    def _is_ours(self, message: Any, pool: frozenset[str]) -> bool:  # noqa: ANN401 - the library ships no type information
        """Where no number is named all messages of the account are listed: those of other programs' numbers too."""
        service = self._settings.messaging_service_sid
        ours = bool(self._settings.own) or message.messaging_service_sid == service or message.to in pool
        return message.direction == "inbound" and ours

    async def _read(self, message: Any, at: int) -> Incoming:  # noqa: ANN401 - the library ships no type information
        files: tuple[MediaRef, ...] = ()
        if int(message.num_media or 0):
            listed = await self._client.messages(message.sid).media.list_async()
            files = tuple(MediaRef(self._place(file.uri), (file.content_type or "").lower()) for file in listed)
        return Incoming(
            sid=message.sid,
            sender=message.from_,
            own=message.to,
            body=message.body or "",
            media=files,
            attributes={ATTRIBUTES["To"]: message.to, "caught_up": "true"},
            at=at,
        )

    def _place(self, uri: str) -> str:
        api = API
        if self._settings.api != API:
            api = self._settings.api.rstrip("/")
        return api + uri.removesuffix(".json")


def _milliseconds(message: Any) -> int:  # noqa: ANN401 - the library ships no type information
    at: datetime | None = message.date_sent or message.date_created
    return int(at.timestamp() * 1_000) if at else 0
