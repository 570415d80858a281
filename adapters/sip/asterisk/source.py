"""The events of an Asterisk, and what is done about them: who rings, who is connected with whom.

Nothing is remembered of our own legs but their ids (:mod:`adapters.sip.asterisk.legs`), so that any node may order one,
and whoever reads next goes on. Each order may come twice, and may come for a leg that has just hung up: both is normal.
"""

import asyncio
from collections.abc import Awaitable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol, TypeVar

import aiohttp
import msgspec
from aiohttp import web

from adapters.contract import Context, Finding
from adapters.errors import NotReachable, Refused, SendError
from adapters.sip.asterisk import legs
from adapters.sip.asterisk.client import quoted
from adapters.sip.asterisk.legs import Agent, Customer, Leg, Ring, bridge_of
from adapters.sip.asterisk.mapping import (
    NORMAL,
    ended,
    has_left,
    in_our_hands,
    incoming,
    outgoing,
    refusal,
    said,
    target,
    transferred_to,
)
from adapters.sip.asterisk.recordings import fetch_recording
from adapters.sip.asterisk.switchboard import Switchboard
from adapters.sip.asterisk.wire import (
    APPLICATIONS,
    BRIDGES,
    CHANNELS,
    EVENT,
    RINGING,
    SUCCESS,
    UP,
    AriEvent,
    Channel,
    Recording,
)
from adapters.sip.call import LISTED, TALKING, Event, Kind, Place, left
from adapters.sip.inbox import Inbox
from adapters.sip.ledger import Ledger, hold_on
from adapters.sip.settings import SipSettings
from adapters.sip.source import look_at_clock

T = TypeVar("T")

LOOK_EVERY = 30.0
WAIT_EVERY = 1.0


class Handler(Protocol):
    """What is done about an event of one type."""

    def __call__(self, event: AriEvent, channel: Channel) -> Awaitable[None]:
        """Do it."""
        ...


class Asterisk:
    """An Asterisk whose dialplan gives calls to the Stasis application ``app``."""

    def __init__(self, settings: SipSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._board = Switchboard(settings, context)
        self._ledger = Ledger(context, Place(context.channel, settings.country))
        self._inbox = Inbox(self._work)
        self._handlers: Mapping[str, Handler] = {
            "StasisStart": self._entered,
            "ChannelStateChange": self._changed,
            "ChannelDestroyed": self._destroyed,
            "ChannelHold": self._held,
            "ChannelUnhold": self._held,
            "BridgeBlindTransfer": self._transferred,
            "BridgeAttendedTransfer": self._transferred,
        }

    def secrets(self) -> Sequence[str]:
        """User and password as they travel in a header."""
        return (self._board.ari.secret,)

    def routes(self) -> Sequence[web.RouteDef]:
        """It posts nothing."""
        return ()

    async def check(self) -> Sequence[Finding]:
        """Look whether ARI answers and lets us in. The feed is left alone: one that is open would lose its events."""
        try:
            clock = await self._board.ari.clock()
            apps = await self._board.ask("/applications", APPLICATIONS)
        except SendError as exc:
            raise NotReachable(exc.code, f"{exc.message}: is `url` right, and does it run?") from exc
        known = any(app.name == self._settings.app for app in apps)
        return (
            Finding(what=f"Asterisk answers at {self._settings.url}", ok=True),
            Finding(
                what=f"application {self._settings.app}: {'it is read' if known else 'nobody reads it'} now", ok=True
            ),
            look_at_clock("Asterisk", clock or self._context.now(), self._context.now()),
        )

    # --- in ---

    async def run(self) -> None:
        """Read the feed until it ends. Raises NotReachable, BadCredentials."""
        feed = await self._board.ari.connect()
        self._inbox.clear()
        loaded = False
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._read(feed))
                async with self._inbox.paused():
                    await self._ledger.load()
                    loaded = True
                await self._look(first=True)
                self._context.log.info("sip.reading", source="asterisk", calls=len(self._ledger.calls))
                parts.create_task(self._inbox.run())
                parts.create_task(self._send_on())
                while True:
                    await asyncio.sleep(LOOK_EVERY)
                    await self._look(first=False)
        except ExceptionGroup as group:
            if loaded:  # before that, notes that are not known would be written over
                await self._inbox.work_off()
            raise group.exceptions[0] from group
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await feed.close()

    async def _read(self, feed: aiohttp.ClientWebSocketResponse) -> None:
        async for message in feed:
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._inbox.put(message.data.encode())
        await self._inbox.work_off()
        raise NotReachable("feed_lost", f"Asterisk at {self._settings.url} has closed the feed of events")

    async def _work(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            try:
                event = EVENT.decode(payload)
            except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
                await hold_on(self._context, partial(self._context.dead, "event_refused", payload, str(exc)))
            else:
                await self._heed(event)

    async def _heed(self, event: AriEvent) -> None:
        if event.type == "ApplicationReplaced":
            message = f"somebody else reads the events of the application {self._settings.app}: give each its own `app`"
            raise NotReachable("replaced", message)
        try:
            if event.type == "RecordingFinished" and event.recording is not None:
                await self._keep(event, event.recording)
            channel = event.channel or event.transferer_first_leg
            if channel is not None and (handler := self._handlers.get(event.type)) is not None:
                await handler(event, channel)
        except SendError as exc:
            self._context.count("not_done")
            self._context.log.warning("sip.not_done", kind=event.type, code=exc.code, reason=exc.message)

    async def _take(self, *events: Event) -> None:
        await self._ledger.take(events)

    def _talks(self, call: str) -> bool:
        known = self._ledger.calls.get(call)
        return known is not None and known.rank >= TALKING

    def _is_transferred(self, call: str) -> bool:
        """Whether it goes on without the phone that had it."""
        known = self._ledger.calls.get(call)
        return known is not None and known.transferred

    # --- a leg comes into our hands ---

    async def _entered(self, event: AriEvent, channel: Channel) -> None:
        match legs.read(channel.id):
            case None:
                await self._take(incoming(event, channel, now=self._context.now()))
                await self._board.attempt("POST", f"/channels/{quoted(channel.id)}/ring")
            case Ring() as leg:
                await self._connect_customer(event, leg, channel)
            case Agent() as leg:
                await self._call_customer(event, leg)
            case Customer() as leg:
                await self._connect_agent(event, leg)

    async def _connect_customer(self, event: AriEvent, leg: Ring, channel: Channel) -> None:
        """An operator has answered: connect the caller, unless somebody else was faster or the caller is gone."""
        if self._talks(leg.call) and channel.id in await self._board.members(leg.call):
            return  # a look was faster
        if self._talks(leg.call) or not (
            await self._board.attempt("POST", f"/channels/{quoted(leg.call)}/answer")
            and await self._board.connect(leg.call, leg.call, channel.id)
        ):
            await self._board.hang_up(channel.id)
            return
        phone = event.args[1] if len(event.args) > 1 else await self._board.phone(leg)
        await self._take(said(event, "answered", leg.call, to=phone, now=self._context.now()))

    async def _call_customer(self, event: AriEvent, leg: Agent) -> None:
        """The operator who wants to call has answered: call the customer."""
        number, phone = (*event.args, "", "")[1:3]
        customer = Customer(leg.wish)
        await self._take(outgoing(event, str(customer), number, phone, now=self._context.now()))
        try:
            await self._board.originate(
                customer, self._settings.dial.replace("{number}", number), phone, f"customer,{phone}", caller=""
            )
        except Refused as exc:
            await self._take(said(event, "failed", str(customer), reason=exc.message, now=self._context.now()))
            await self._board.hang_up(str(leg))
            return
        if not await self._board.attempt("GET", f"/channels/{quoted(str(leg))}"):
            await self._board.hang_up(str(customer))  # the operator has hung up meanwhile

    async def _connect_agent(self, event: AriEvent, leg: Customer) -> None:
        """The customer has answered: connect the operator, unless gone."""
        call = str(leg)
        if not await self._board.connect(call, str(Agent(leg.wish)), call):
            await self._board.hang_up(call)
            return
        await self._take(said(event, "answered", call, to=await self._board.phone(leg), now=self._context.now()))

    # --- a leg changes ---

    async def _changed(self, event: AriEvent, channel: Channel) -> None:
        leg = legs.read(channel.id)
        if channel.state == RINGING and isinstance(leg, Ring | Customer) and _call_of(leg) in self._ledger.calls:
            phone = await self._board.phone(leg)
            await self._take(said(event, "ringing", _call_of(leg), to=phone, now=self._context.now()))

    async def _held(self, event: AriEvent, channel: Channel) -> None:
        leg = legs.read(channel.id)
        call = channel.id if leg is None else _call_of(leg)
        if self._talks(call):
            kind: Kind = "held" if event.type == "ChannelHold" else "answered"
            await self._take(said(event, kind, call, now=self._context.now()))

    async def _transferred(self, event: AriEvent, channel: Channel) -> None:
        """A phone that had the call has given it to somebody else."""
        leg = legs.read(channel.id)
        call = channel.id if leg is None else _call_of(leg)
        if event.result == SUCCESS and self._talks(call):
            await self._take(said(event, "transferred", call, to=transferred_to(event), now=self._context.now()))

    async def _destroyed(self, event: AriEvent, channel: Channel) -> None:
        match legs.read(channel.id):
            case Ring() as leg:
                await self._phone_gone(event, leg)
            case Agent() as leg:
                await self._agent_gone(event, leg)
            case leg:
                await self._customer_gone(event, channel, leg)

    async def _phone_gone(self, event: AriEvent, leg: Ring) -> None:
        """An operator's phone has hung up, or has not taken the call, which then still waits."""
        bridge = await self._board.members(leg.call)
        if self._talks(leg.call):
            if leg.call in bridge and len(bridge) == 1 and not self._is_transferred(leg.call):
                await self._board.hang_up(leg.call)
        elif event.cause not in NORMAL:
            await self._context.report(refusal(leg.wish, event.cause, at=self._context.now()))

    async def _agent_gone(self, event: AriEvent, leg: Agent) -> None:
        customer = str(Customer(leg.wish))
        if customer not in self._ledger.calls and event.cause not in NORMAL:
            await self._context.report(refusal(leg.wish, event.cause, at=self._context.now()))
        if not self._is_transferred(customer):
            await self._board.hang_up(customer)

    async def _customer_gone(self, event: AriEvent, channel: Channel, leg: Leg | None) -> None:
        members = await self._board.members(channel.id)
        if channel.id in self._ledger.calls:
            await self._take(ended(event, channel.id, talking=self._talks(channel.id), now=self._context.now()))
        others = [str(Agent(leg.wish))] if isinstance(leg, Customer) else await self._board.ringing(channel.id)
        for other in {*members, *others} - {channel.id}:
            await self._board.hang_up(other)
        await self._board.attempt("DELETE", f"/bridges/{quoted(bridge_of(channel.id))}")

    async def _keep(self, event: AriEvent, recording: Recording) -> None:
        """Fetch a recording of a call that is known. That of a bridge is ready when the bridge is gone."""
        call = target(recording.target_uri)
        if not self._ledger.knows(call):
            return
        media, reason = await fetch_recording(self._board.ari, self._context, recording, call)
        await self._take(said(event, "recording", call, reason=reason, recording=media, now=self._context.now()))

    # --- looking ---

    async def _look(self, *, first: bool) -> None:
        """Ask which calls live. Those that were known before and are gone have ended without our seeing it."""
        known = frozenset(self._ledger.calls)
        try:
            channels = await self._board.ask("/channels", CHANNELS)
            bridges = await self._board.ask("/bridges", BRIDGES)
            await self._inbox.work_off()
            connected = {legs.call_of(bridge.id): bridge.channels for bridge in bridges if bridge.channels}
            live = {
                channel.id: await self._standing(channel, connected.get(channel.id, ()))
                for channel in channels
                if channel.id in known or in_our_hands(channel, self._settings.app)
            }
        except SendError as exc:
            raise NotReachable(exc.code, exc.message) from exc
        async with self._inbox.paused():
            gone = await self._ledger.settle(known, live)
            await self._connect_answered(channels, {name for bridge in bridges for name in bridge.channels})
        if gone:
            self._context.count("gap")
            self._context.log.warning("sip.calls_lost", count=gone)
        if first:
            await self._clear_away(channels, live)

    async def _standing(self, channel: Channel, connected: Collection[str]) -> list[Event]:
        """Give what a live call has come to; ``connected``: the legs that hear one another in it. Raises SendError."""
        now, call = self._context.now(), self._ledger.calls.get(channel.id)
        if call is not None and has_left(channel) and (call.direction == "in" or call.rank >= TALKING):
            return [left(call, now)]
        events = [] if call is not None else [incoming(None, channel, now=now)]
        if channel.id in connected and channel.state == UP and not self._talks(channel.id):
            ours = [leg for name in connected if isinstance(leg := legs.read(name), Ring | Agent)]
            phone = await self._board.phone(ours[0]) if ours else ""
            events.append(Event(call=channel.id, kind="answered", at=now, seq=LISTED, to=phone))
        return events

    async def _connect_answered(self, channels: Sequence[Channel], connected: Collection[str]) -> None:
        """Go on with legs that were answered and hear nobody: their reader has died, or Asterisk failed just then."""
        for channel in channels:
            leg = legs.read(channel.id)
            waits = channel.state == UP and channel.id not in connected and not has_left(channel)
            if not (waits and isinstance(leg, Ring | Customer)):
                continue
            if (call := _call_of(leg)) in self._ledger.calls and not self._talks(call):
                await self._heed(AriEvent(type="StasisStart", channel=channel))

    async def _clear_away(self, channels: Sequence[Channel], live: Collection[str]) -> None:
        """Hang up legs of ours that belong to nothing any more: what they were for ended while nobody read."""
        ids = {channel.id for channel in channels}
        for channel in channels:
            if self._is_left_over(channel, ids, live):
                await self._board.hang_up(channel.id)

    def _is_left_over(self, channel: Channel, ids: Collection[str], live: Collection[str]) -> bool:
        match legs.read(channel.id):
            case Ring(call=call):
                return call not in live and call not in self._ledger.calls
            case Agent(wish=wish):  # one that rings may have been ordered just now
                customer = str(Customer(wish))
                return channel.state == UP and customer not in ids and customer not in self._ledger.calls
            case Customer(wish=wish):  # one that was transferred is not ours any more
                return str(Agent(wish)) not in ids and not (channel.state == UP and has_left(channel))
            case _:
                return False

    async def _send_on(self) -> None:
        """Give callers who have waited too long back to the dialplan."""
        while True:
            await asyncio.sleep(WAIT_EVERY)
            late = self._context.now() - self._settings.wait
            for call in list(self._ledger.calls.values()):
                if call.direction == "in" and call.rank < TALKING and call.begun < late:
                    async with self._inbox.paused():
                        await self._give_back(call.id)

    async def _give_back(self, call: str) -> None:
        for leg in await self._board.ringing(call):
            await self._board.hang_up(leg)
        if await self._board.attempt("POST", f"/channels/{quoted(call)}/continue"):
            now = self._context.now()
            await self._take(
                Event(call=call, kind="failed", at=now, seq="given-back", reason="Nobody took the call in time.")
            )

    # --- orders ---

    async def ring(self, call: str, phone: str, wish: str) -> None:
        """Let a phone ring; those that ring for this call stop."""
        await self._board.ring(call, phone, wish)

    async def hang_up(self, call: str, wish: str) -> None:
        """End a call; its other legs follow when that is heard."""
        del wish
        await self._board.hang_up(call)

    async def dial(self, number: str, phone: str, wish: str) -> None:
        """Let the operator's phone ring; the customer is called when it is answered."""
        await self._board.dial(number, phone, wish)


def _call_of(leg: Leg) -> str:
    return leg.call if isinstance(leg, Ring) else str(Customer(leg.wish))
