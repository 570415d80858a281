"""The calls that live now, kept so that the end of none is missed.

No telephone system repeats its events. So each change is noted in the channel's memory before it is accepted: whoever
reads next accepts the latest one again (which is recognised), asks the telephone system which calls there are, and
closes those that are gone (promise P1).
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import zip_longest

import msgspec
from msgspec.structs import replace

from adapters.contract import Context
from adapters.errors import EnvelopeRefused, NotAccepted
from adapters.sip.call import LONGEST_ID, Event, LiveCall, Place, advance, begin, vanished
from normalizer.address import AddressError
from normalizer.envelope import Envelope

PAGES = 16
"""The notes are cut into so many, so that a change of one call does not write all of them."""

REPEAT_WITHIN = 24 * 3_600_000
"""Milliseconds for which what is accepted again is surely recognised as a repetition (promise P2)."""

MOST_OVER = 1_000
"""Calls that are over and still known, for what comes behind their end: a recording, or news that is late."""

RETRY_AFTER = 1.0
"""Seconds between two tries to store an event; each takes its own time."""

_PAGE = msgspec.json.Decoder(dict[str, LiveCall])


class Ledger:
    """The live calls of a channel. One reader at a time."""

    def __init__(self, context: Context, place: Place) -> None:
        self._context = context
        self._place = place
        self._calls: dict[str, LiveCall] = {}
        self._struck_out: set[str] = set()
        """Calls that have ended since the last :meth:`settle`: what it is told may be older than that."""
        self._over: dict[str, LiveCall] = {}

    @property
    def calls(self) -> Mapping[str, LiveCall]:
        """The calls that are not over."""
        return self._calls

    def knows(self, call: str) -> bool:
        """Whether a call lives, or has ended not long ago."""
        return call in self._calls or call in self._over

    async def load(self) -> None:
        """Read the notes, and accept again what may not have been stored."""
        pages = await asyncio.gather(*(self._context.memory.load(_page(number)) for number in range(PAGES)))
        found = [call for page in pages if page for call in _PAGE.decode(page).values()]
        await self._accept(call.last for call in found if call.last is not None and self._is_fresh(call))
        self._calls = {call.id: call for call in found}
        await self._strike_out()

    async def take(self, events: Iterable[Event]) -> None:
        """Store the news among some events, in order for each customer; different ones do not wait for each other.

        Of a call one by one, as the notes hold its latest envelope alone.
        """
        ahead: dict[str, LiveCall] = {}
        lines: dict[str, list[LiveCall]] = {}
        for event in events:
            if (call := await self._advance(event, ahead)) is not None:
                ahead[call.id] = call
                lines.setdefault(call.address, []).append(call)
        for news in zip_longest(*lines.values()):
            await self._store(list(filter(None, news)))
        await self._strike_out()

    async def settle(self, known: Collection[str], live: Mapping[str, Sequence[Event]]) -> int:
        """Take what the telephone system says of the calls that live, and close those of ``known`` that are gone.

        Gives how many were gone.
        """
        gone = [self._calls[name] for name in known if name in self._calls and name not in live]
        found = {name: events for name, events in live.items() if name not in self._struck_out}
        self._struck_out.clear()
        await self.take(event for events in found.values() for event in events)
        await self.take(vanished(call, self._context.now()) for call in gone)
        return len(gone)

    async def _store(self, news: Sequence[LiveCall]) -> None:
        self._calls.update({call.id: call for call in news})
        await self._note(call.id for call in news)
        await self._accept(call.last for call in news if call.last is not None)

    async def _strike_out(self) -> None:
        over = [name for name, call in self._calls.items() if call.over]
        for name in over:
            self._over[name] = replace(self._calls.pop(name), last=None)
        for name in list(self._over)[:-MOST_OVER]:
            del self._over[name]
        self._struck_out.update(over)
        await self._note(over)

    def _is_fresh(self, call: LiveCall) -> bool:
        """By our own clock: that of a telephone system may be years off."""
        return self._context.now() - (call.told or call.begun) < REPEAT_WITHIN

    async def _advance(self, event: Event, ahead: Mapping[str, LiveCall]) -> LiveCall | None:
        """Give the call after an event, if that is news; ``ahead`` is what calls have come to and is not stored yet."""
        if not 0 < len(event.call) <= LONGEST_ID:
            await self._give_up(event, f"the id of a call must have 1 to {LONGEST_ID} characters")
            return None
        try:
            known = ahead.get(event.call) or self._calls.get(event.call) or self._ended(event)
            now = self._context.now()
            call = known or begin(event, self._place, now=now)
            return advance(replace(call, told=now), event, self._place, new_id=self._context.new_id())
        except AddressError as exc:
            await self._give_up(event, str(exc))
            return None

    def _ended(self, event: Event) -> LiveCall | None:
        """Give a call that is over, which late news must not begin anew."""
        return self._over.get(event.call) if event.kind != "initiated" else None

    async def _give_up(self, event: Event, reason: str) -> None:
        await hold_on(self._context, lambda: self._context.dead("event_refused", msgspec.json.encode(event), reason))

    async def _note(self, changed: Iterable[str]) -> None:
        pages: dict[str, dict[str, LiveCall]] = {_page_of(name): {} for name in changed}
        for call in self._calls.values():
            if (page := pages.get(_page_of(call.id))) is not None:
                page[call.id] = call
        await asyncio.gather(*(self._save(name, msgspec.json.encode(page)) for name, page in pages.items()))

    async def _save(self, name: str, page: bytes) -> None:
        await hold_on(self._context, lambda: self._context.memory.save(name, page))

    async def _accept(self, envelopes: Iterable[Envelope]) -> None:
        results = await asyncio.gather(*map(self._accept_one, envelopes), return_exceptions=True)
        for failure in filter(None, results):
            raise failure

    async def _accept_one(self, envelope: Envelope) -> None:
        try:
            await hold_on(self._context, lambda: self._context.accept(envelope))
        except EnvelopeRefused as exc:
            self._context.log.warning("sip.event_refused", kind=envelope.native_id, reason=exc.message)


async def hold_on(context: Context, store: Callable[[], Awaitable[None]]) -> None:
    """Try until something is stored: nobody says it again. What comes meanwhile waits in the inbox, or outside."""
    while True:
        try:
            return await store()
        except NotAccepted as exc:
            context.log.warning("sip.not_stored", reason=exc.message)
        await asyncio.sleep(RETRY_AFTER)


def _page_of(call: str) -> str:
    return _page(zlib.crc32(call.encode()) % PAGES)


def _page(number: int) -> str:
    return f"calls-{number}"
