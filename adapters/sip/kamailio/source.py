"""The connections to a Kamailio."""

import asyncio
import socket
import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus

import aiohttp
import msgspec
from aiohttp import hdrs, web

from adapters.contract import Context, Finding
from adapters.errors import (
    BadCredentials,
    BadSettings,
    ChannelError,
    NotReachable,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SendError,
    TryLater,
)
from adapters.sip import netstring
from adapters.sip.call import Event, Place
from adapters.sip.inbox import Inbox
from adapters.sip.kamailio.mapping import (
    GREETING,
    REFUSED,
    BadWord,
    Dialog,
    decode,
    greeting_of,
    read_clock,
    read_list,
    to_event,
    to_events,
    to_refusal,
)
from adapters.sip.ledger import Ledger, hold_on
from adapters.sip.settings import SipSettings
from adapters.sip.source import asked_to_wait, look_at_clock

CONNECT_TIMEOUT = 5.0
ORDER_TIMEOUT = 5.0
GREETING_TIMEOUT = 10.0
GREET_AGAIN = 0.1
TAKEN_AT_ONCE = 8
"""Calls that Kamailio is told of at the same time: a crowd of requests would hold up what comes meanwhile."""

KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds, and tries: a night without calls lets firewalls forget a connection, and of that neither end is told."""

LOOK_EVERY = 30.0
"""Seconds between two looks at the calls that live: an event that was lost is missed no longer than this."""

GONE, NOT_REACHABLE = "call_over", "not_reachable"
OVER = "The call is over, or somebody has answered it."


class Kamailio:
    """Kamailio with our routes in it. It forgets what nobody read, so the reader looks which calls there are."""

    def __init__(self, settings: SipSettings, context: Context) -> None:
        if settings.address is None:
            raise BadSettings("no_address", "is needed with source: kamailio", key="address")
        self._address = settings.address
        self._url = settings.control_url()
        self._token = settings.password.reveal()
        self._dial = settings.dial
        self._context = context
        self._ledger = Ledger(context, Place(context.channel, settings.country))
        self._inbox = Inbox(self._take)
        self._stored: asyncio.Queue[str] = asyncio.Queue()
        self._name = uuid.uuid4().hex
        self._greeted = asyncio.Event()

    def secrets(self) -> Sequence[str]:
        """There are none beside those in the settings."""
        return ()

    def routes(self) -> Sequence[web.RouteDef]:
        """It posts nothing."""
        return ()

    async def check(self) -> Sequence[Finding]:
        """Look whether the feed and the control address answer, and whether the token is right."""
        _, writer = await self._connect()
        writer.close()
        calls = await self._list()
        said = await self._asked("hello")
        return (
            Finding(what=f"Kamailio's events can be read at {self._address}", ok=True),
            Finding(what=f"wishes are taken at {self._url}; {len(calls)} calls live", ok=True),
            self._look_at_clock(said),
        )

    def _look_at_clock(self, said: bytes) -> Finding:
        now = self._context.now()
        try:
            return look_at_clock("Kamailio", read_clock(said, now=now), now)
        except BadWord as exc:
            remedy = "take the trunkline.cfg of this release (deploy/kamailio) into Kamailio's configuration"
            return Finding(what=f"Kamailio does not say what time it is: {exc}", ok=False, remedy=remedy)

    # --- in ---

    async def run(self) -> None:
        """Read the feed until it ends. Raises NotReachable, BadCredentials."""
        reader, writer = await self._connect()
        self._inbox.clear()
        self._greeted.clear()
        loaded = False
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._read(reader))
                await self._greet()
                async with self._inbox.paused():
                    await self._ledger.load()
                    loaded = True
                parts.create_task(self._say_taken())
                await self._look()
                self._context.log.info("sip.reading", source="kamailio", calls=len(self._ledger.calls))
                parts.create_task(self._inbox.run())
                while True:
                    await asyncio.sleep(LOOK_EVERY)
                    await self._look()
        except ExceptionGroup as group:
            if loaded:  # before that, notes that are not known would be written over
                await self._inbox.work_off()
            raise group.exceptions[0] from group
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                reader, writer = await asyncio.open_connection(self._address.host, self._address.port)
        except (OSError, TimeoutError) as exc:
            message = (
                f"no connection to Kamailio's events at {self._address} ({type(exc).__name__}): does it run, "
                "and is TRUNKLINE_EVENTS that address?"
            )
            raise NotReachable("not_reachable", message) from exc
        _keep_alive(writer.get_extra_info("socket"))
        return reader, writer

    async def _greet(self) -> None:
        """Let Kamailio tell us something over the feed. Raises NotReachable, BadCredentials.

        A connection is there before Kamailio counts it. A call that begins in between is told to nobody; so no call is
        looked for, and nobody is told that we read, before this is over.
        """
        try:
            async with asyncio.timeout(GREETING_TIMEOUT):
                while not self._greeted.is_set():
                    await self._asked("hello", wish=self._name)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._greeted.wait(), GREET_AGAIN)
        except TimeoutError as exc:
            message = (
                f"the events of Kamailio at {self._address} do not answer a greeting at {self._url}: are both of the "
                "same Kamailio, and is its trunkline.cfg the one of this release (deploy/kamailio)?"
            )
            raise NotReachable("feed_silent", message) from exc

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Read on until the connection ends. What came before its end is stored: nobody says it again."""
        failure: Exception | None = None
        try:
            while (payload := await netstring.read(reader)) is not None:
                if payload.startswith(GREETING):
                    self._take_greeting(payload)
                else:
                    await self._inbox.put(payload)
        except (netstring.Malformed, OSError) as exc:
            failure = exc
        await self._inbox.work_off()
        reason = "the connection was closed" if failure is None else str(failure)
        message = f"the events of Kamailio at {self._address} broke off: {reason}"
        raise NotReachable("feed_lost", message) from failure

    def _take_greeting(self, payload: bytes) -> None:
        if payload == greeting_of(self._name):
            self._greeted.set()

    async def _take(self, payloads: Sequence[bytes]) -> None:
        events = [event for payload in payloads if (event := await self._translate(payload)) is not None]
        await self._ledger.take(events)
        for event in events:
            if event.kind == "initiated" and event.direction == "in":
                self._stored.put_nowait(event.call)

    async def _look(self) -> None:
        """Ask which calls live. Those that were known before and are gone have ended without our seeing it."""
        known = frozenset(self._ledger.calls)
        dialogs = await self._list()
        await self._inbox.work_off()
        async with self._inbox.paused():
            gone = await self._ledger.settle(known, to_events(dialogs, now=self._context.now()))
        if gone:
            self._context.count("gap")
            self._context.log.warning("sip.calls_lost", count=gone)
        for dialog in dialogs:
            if dialog.waits:
                self._stored.put_nowait(dialog.call)

    async def _translate(self, payload: bytes) -> Event | None:
        now = self._context.now()
        try:
            said = decode(payload)
            if said.event != REFUSED:
                return to_event(said, now=now)
        except BadWord as exc:
            await hold_on(self._context, partial(self._context.dead, "event_refused", payload, str(exc)))
            return None
        if (receipt := to_refusal(said, now=now)) is not None:
            await self._context.report(receipt)
        return None

    async def _say_taken(self) -> None:
        """Tell Kamailio which calls are stored, so that they may wait. What else is stored does not wait for that.

        Of one call never twice at the same time: both the feed and the list may have told of it.
        """
        while True:
            calls = {await self._stored.get()}
            while not self._stored.empty() and len(calls) < TAKEN_AT_ONCE:
                calls.add(self._stored.get_nowait())
            await asyncio.gather(*map(self._say_one_taken, calls))

    async def _say_one_taken(self, call: str) -> None:
        try:
            await self._order("taken", call=call)
        except ChannelError as exc:  # one that went on is not ours
            self._context.log.debug("sip.call_went_on", reason=exc.message)

    # --- out ---

    async def ring(self, call: str, phone: str, wish: str) -> None:
        """Let a phone ring. The same wish twice is one."""
        await self._order("ring", call=call, to=phone, wish=wish)

    async def hang_up(self, call: str, wish: str) -> None:
        """End a call."""
        del wish
        try:
            await self._order("end", call=call)
        except Refused as exc:
            if exc.code != GONE:
                raise

    async def dial(self, number: str, phone: str, wish: str) -> None:
        """Let the phone ring, and refer it to the customer. Nothing tells a repetition from a second call."""
        del wish
        if not self._dial:
            raise Refused("no_dial", "Nobody can be called from here: the channel has no `dial`.")
        try:
            await self._order("dial", to=phone, customer=self._dial.replace("{number}", number))
        except TryLater as exc:
            if exc.code == NOT_REACHABLE or isinstance(exc, RateLimited):
                raise
            raise OutcomeUnknown(exc.code, "Kamailio did not say whether it lets the phone ring.") from exc

    async def _list(self) -> Sequence[Dialog]:
        try:
            return read_list(await self._asked("list", jsonrpc="2.0", method="dlg.list", id=1))
        except BadWord as exc:
            raise NotReachable("no_list", f"{self._url} does not give the calls that live: {exc}") from exc

    async def _asked(self, what: str, **words: object) -> bytes:
        """Ask for something that every Kamailio with our routes can tell. Raises NotReachable, BadCredentials."""
        try:
            return await self._order(what, **words)
        except SendError as exc:
            raise NotReachable(
                "no_control", f"{exc.message}: is `control` right, and is TRUNKLINE_HTTP called?"
            ) from exc

    async def _order(self, do: str, **words: object) -> bytes:
        """Post a wish. Raises SendError, BadCredentials."""
        headers = {hdrs.CONNECTION: "close", **({hdrs.AUTHORIZATION: f"Bearer {self._token}"} if self._token else {})}
        body = msgspec.json.encode({"do": do, **words})
        try:
            async with (
                asyncio.timeout(ORDER_TIMEOUT),
                self._context.http.post(self._url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                answer = await response.read()
        except aiohttp.ClientConnectorError as exc:
            raise TryLater(NOT_REACHABLE, f"{self._url} does not answer") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise TryLater("no_answer", f"{self._url} gave no answer to {do} ({type(exc).__name__})") from exc
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise asked_to_wait("Kamailio", response.headers.get(hdrs.RETRY_AFTER), self._context.now())
        return _judge(response.status, answer)


def _keep_alive(connection: socket.socket) -> None:
    """Let the system notice that the other end is gone, where nothing is to be sent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):  # not on every system
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _judge(status: int, answer: bytes) -> bytes:
    match status:
        case HTTPStatus.OK:
            return answer
        case HTTPStatus.GONE:
            raise Refused(GONE, OVER)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise BadCredentials(
                "bad_token", "Kamailio refuses the `password`: is it TRUNKLINE_TOKEN of trunkline.cfg?"
            )
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TryLater(f"http_{status}", f"Kamailio failed with HTTP status {status}.")
        case _:
            raise Refused(f"http_{status}", f"Kamailio refused the wish with HTTP status {status}.")
