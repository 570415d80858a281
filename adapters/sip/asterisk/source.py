"""An Asterisk: its feed of events, read and compared with the calls that live, and the orders that it takes.

What is done about an event stands in :mod:`adapters.sip.asterisk.control`.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial

import aiohttp
import msgspec
from aiohttp import web

from adapters.contract import Context, Finding
from adapters.errors import NotReachable, SendError
from adapters.sip.asterisk import legs
from adapters.sip.asterisk.client import quoted
from adapters.sip.asterisk.control import CallControl
from adapters.sip.asterisk.legs import Agent, Customer, Ring
from adapters.sip.asterisk.mapping import has_left, in_our_hands, incoming
from adapters.sip.asterisk.switchboard import Switchboard
from adapters.sip.asterisk.wire import APPLICATIONS, BRIDGES, CHANNELS, EVENT, UP, AriEvent, Channel
from adapters.sip.call import LISTED, TALKING, Event, Place, left
from adapters.sip.inbox import Inbox
from adapters.sip.ledger import Ledger, hold_on
from adapters.sip.settings import SipSettings
from adapters.sip.source import look_at_clock

LOOK_EVERY = 30.0
WAIT_EVERY = 1.0


class Asterisk:
    """An Asterisk whose dialplan gives calls to the Stasis application ``app``."""

    def __init__(self, settings: SipSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._board = Switchboard(settings, context)
        self._ledger = Ledger(context, Place(context.channel, settings.country))
        self._control = CallControl(settings, context, self._board, self._ledger)
        self._inbox = Inbox(self._work)

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
                await self._control.heed(event)

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
        if channel.id in connected and channel.state == UP and not self._control.talks(channel.id):
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
            if (call := leg.call) in self._ledger.calls and not self._control.talks(call):
                await self._control.heed(AriEvent(type="StasisStart", channel=channel))

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
            reason = "Nobody took the call in time."
            await self._ledger.take([Event(call=call, kind="failed", at=now, seq="given-back", reason=reason)])

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
