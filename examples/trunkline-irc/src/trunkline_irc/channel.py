"""The channel: private messages to one nickname, and the answers.

Only the process that is connected can send, so the channel must run in one process: ``trunkline up --only irc`` once.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import count

from adapters.contract import Adapter, Context, Finding, Sent
from adapters.errors import EnvelopeRefused, NotAccepted, OutcomeUnknown, TryLater
from adapters.pace import Pace, Rate
from normalizer.capabilities import Capabilities, Unit
from normalizer.outbound import Outbound

from trunkline_irc.connection import Connection, Lost
from trunkline_irc.mapping import TYPE, absence, recipient, refusal, to_envelope, to_text
from trunkline_irc.settings import IrcSettings
from trunkline_irc.wire import parse

LONGEST_TEXT = 350
"""Bytes: a line has 512, and the server puts our whole name in front of it."""

WAITING = 1_000
"""Messages that may wait for the store; then nothing more is read."""

PAUSE = 0.5
STORE_WITHIN = 3.0
"""Seconds that what was read has for being stored when the channel ends: the server will not repeat it."""


class IrcChannel(Adapter):
    """One nickname."""

    type = TYPE
    Settings = IrcSettings
    capabilities = Capabilities(text_limit=LONGEST_TEXT, unit=Unit.UTF8_BYTES)
    single_reader = True
    settings: IrcSettings

    def __init__(self, settings: IrcSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.pace = Pace(call_timeout=20_000, channel=Rate(per_second=settings.per_second, burst=2))
        self.connected = asyncio.Event()
        self._connection: Connection | None = None

    def secrets(self) -> Sequence[str]:
        """Name the password."""
        return [self.settings.password.reveal()] if self.settings.password else []

    async def check(self) -> Sequence[Finding]:
        """Sign on for a moment, under a nickname that nobody has."""
        connection = await Connection.open(self.settings, f"t{self.context.new_id()[-8:]}")
        await connection.close()
        return [Finding(what=f"{self.settings.server} lets us on", ok=True)]

    # --- in ---

    async def run(self) -> None:
        """Stay connected. Raises StartError: it cannot be, or is not any more."""
        connection = await Connection.open(self.settings, self.settings.nick)
        inbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(WAITING)
        reading = asyncio.create_task(self._read(connection, inbox), name="irc reading")
        storing = asyncio.create_task(self._store(inbox), name="irc storing")
        self._connection = connection
        self.connected.set()
        try:
            done, _ = await asyncio.wait((reading, storing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connected.clear()
            self._connection = None
            reading.cancel()
            try:
                await self._finish(connection, inbox)
            finally:
                storing.cancel()
                await asyncio.gather(reading, storing, return_exceptions=True)  # why it ended is raised below
        for task in done:
            task.result()

    async def _finish(self, connection: Connection, inbox: asyncio.Queue[tuple[str, bytes]]) -> None:
        """Say goodbye, and store what was read."""
        await connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(STORE_WITHIN):
                await inbox.join()

    async def _read(self, connection: Connection, inbox: asyncio.Queue[tuple[str, bytes]]) -> None:
        name, numbers = self.context.new_id(), count(1)
        async for raw in connection.lines():
            await inbox.put((f"{name}-{next(numbers)}", raw))

    async def _store(self, inbox: asyncio.Queue[tuple[str, bytes]]) -> None:
        """Store one after the other; what the store refuses is offered until it takes it."""
        while True:
            number, raw = await inbox.get()
            while True:
                try:
                    await self._take(number, raw)
                    break
                except NotAccepted:
                    await asyncio.sleep(PAUSE)
            inbox.task_done()

    async def _take(self, number: str, raw: bytes) -> None:
        """Store a message, or put it with the dead letters. Raises NotAccepted."""
        new_id, now = self.context.new_id(), self.context.now()
        try:
            envelope = to_envelope(parse(raw), self.context.channel, number=number, new_id=new_id, now=now)
        except ValueError as exc:
            await self.context.dead("unreadable", raw, str(exc))
            return
        if envelope is None:
            return
        try:
            await self.context.accept(envelope)
        except EnvelopeRefused:
            self.context.count("refused")  # it stands with the dead letters already

    # --- out ---

    async def send(self, outbound: Outbound) -> Sent:
        """Look whether it is still the same person, then send; what is not refused until the next pong is sent."""
        connection, wanted, text = self._connection, recipient(outbound), to_text(outbound)
        if connection is None:
            raise TryLater("not_connected", "The channel is not connected to the server at the moment.")
        nick = wanted.partition("!")[0]
        try:
            known = await connection.ask("WHOIS", nick)
        except Lost as exc:
            raise TryLater("not_connected", "The connection to the server was lost; nothing was sent.") from exc
        if missing := absence(known, wanted):
            raise missing
        try:
            replies = await connection.ask("PRIVMSG", nick, text)
        except Lost as exc:
            raise OutcomeUnknown("lost", "The connection was lost before the server had answered.") from exc
        if refused := refusal(replies):
            raise refused
        return Sent()
