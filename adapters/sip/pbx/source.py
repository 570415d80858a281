"""Any other telephone system: it posts signed events, and is posted signed wishes; docs/phone.md has the protocol."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Meta, Struct
from msgspec.structs import replace
from yarl import URL

from adapters.contract import Context, Finding
from adapters.errors import NotReachable, Refused
from adapters.http_errors import to_client_error
from adapters.locks import Locks
from adapters.rejection import Fault, Rejection, decode
from adapters.signed_requests import Signed
from adapters.sip.call import LONGEST_ID, Event, Kind, LiveCall, Place, advance, begin
from adapters.sip.causes import Cause
from adapters.sip.pbx.notes import Notes
from adapters.sip.pbx.recordings import Recordings
from adapters.sip.settings import SipSettings
from normalizer.address import AddressError
from normalizer.content import Count, ShortText

EVENTS = "/events"
TIMEOUT = 10.0
TOLERANCE = 300.0


class IncomingEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event of a call. Each says whose call it is, so that they may come to any of our nodes."""

    id: Annotated[str, Meta(min_length=1, max_length=40)]
    call: Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
    event: Kind
    customer: Annotated[str, Meta(max_length=255)]
    direction: Literal["in", "out"] = "in"
    at: Count | None = None
    name: Annotated[str, Meta(max_length=255)] = ""
    called: Annotated[str, Meta(max_length=255)] = ""
    to: ShortText = ""
    sip: Annotated[int, Meta(ge=0, le=699)] = 0
    q850: Annotated[int, Meta(ge=0, le=127)] = 0
    reason: ShortText = ""
    duration: Count | None = None
    recording: Annotated[str, Meta(max_length=2_000)] = ""

    def __post_init__(self) -> None:
        if self.recording and self.event != "recording":
            raise ValueError("`recording` is for the event of that name")


class Wish(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the telephone system is asked to do; ``id`` is the same in every attempt."""

    id: str
    do: Literal["ring", "hang_up", "dial"]
    call: str = ""
    phone: str = ""
    number: str = ""


def to_event(found: IncomingEvent, *, now: int) -> Event:
    """Give the event in our own words."""
    return Event(
        call=found.call,
        kind=found.event,
        at=now if found.at is None else found.at,
        seq=found.id,
        named=True,
        direction=found.direction,
        customer=found.customer,
        name=found.name,
        called=found.called,
        to=found.to,
        cause=Cause(sip=found.sip, q850=found.q850),
        reason=found.reason,
        duration=found.duration,
    )


class AnyPbx:
    """A telephone system that speaks our protocol. Every node takes its events."""

    def __init__(self, settings: SipSettings, context: Context) -> None:
        self._url = settings.url
        self._context = context
        self._place = Place(context.channel, settings.country)
        self._signed = Signed(context, settings.secrets, timeout=TIMEOUT, tolerance=TOLERANCE)
        self._notes = Notes(context.memory)
        self._recordings = Recordings(settings, context)
        self._turns: Locks[str] = Locks()

    async def check(self) -> Sequence[Finding]:
        """Look whether the receiver of wishes answers at all; any status will do."""
        if not self._url:
            return (Finding(what="no url: events are taken, and no phone can be let ring from here", ok=True),)
        try:
            async with self._signed.request("HEAD", URL(self._url)) as response:
                return (Finding(what=f"the telephone system answers with status {response.status}", ok=True),)
        except (aiohttp.ClientError, TimeoutError) as exc:
            message = f"the telephone system does not answer ({type(exc).__name__}): is `url` right, and does it run?"
            raise NotReachable("not_reachable", message) from exc

    async def run(self) -> None:
        """There is nothing to read: events are posted."""

    def secrets(self) -> Sequence[str]:
        """There are none beside those in the settings."""
        return ()

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the address that events are posted to."""
        return (web.post(EVENTS, self._events),)

    async def _events(self, request: web.Request) -> web.Response:
        try:
            found = decode(await self._signed.read(request, EVENTS), IncomingEvent)
            news = await self._signed.store(self._take(found))
        except Rejection as rejection:
            return self._signed.reject(rejection)
        self._context.count("taken" if news else "no_news")
        return web.json_response({"ok": True, "id": found.id, "news": news})

    async def _take(self, found: IncomingEvent) -> bool:
        """Store an event; False where it is no news. Raises Rejection, NotAccepted, EnvelopeRefused."""
        event = to_event(found, now=self._context.now())
        if found.recording:
            key = msgspec.json.encode([found.call, found.id]).decode()
            media, reason = await self._recordings.fetch(found.recording, key=key, duration=found.duration)
            event = replace(event, recording=media, reason=reason or event.reason)
        async with self._turns.of(event.call):
            call = await self._notes.find(event.call) or self._begin(event)
            after = advance(call, event, self._place, new_id=self._context.new_id())
            if after is None or after.last is None:
                return False
            await self._context.accept(after.last)
            await self._notes.keep(after)
        return True

    def _begin(self, event: Event) -> LiveCall:
        try:
            return begin(event, self._place, now=self._context.now())
        except AddressError as exc:
            raise Rejection(Fault.INVALID, str(exc), "$.customer") from exc

    # --- out ---

    async def ring(self, call: str, phone: str, wish: str) -> None:
        """Ask it to let a phone ring."""
        await self._post(Wish(id=wish, do="ring", call=call, phone=phone))

    async def hang_up(self, call: str, wish: str) -> None:
        """Ask it to end a call."""
        await self._post(Wish(id=wish, do="hang_up", call=call))

    async def dial(self, number: str, phone: str, wish: str) -> None:
        """Ask it to connect an operator's phone with a customer."""
        await self._post(Wish(id=wish, do="dial", phone=phone, number=number))

    async def _post(self, wish: Wish) -> None:
        if not self._url:
            raise Refused("receive_only", f"The channel {self._context.channel} has no `url`: it cannot steer calls.")
        try:
            async with self._signed.post(self._url, msgspec.json.encode(wish), wish.id) as response:
                if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
                    raise self._signed.error(response)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise to_client_error(exc) from exc
