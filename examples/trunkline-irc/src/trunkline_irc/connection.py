"""One connection to an IRC server: signing on, reading, and asking."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import count
from typing import Self

from adapters.errors import BadCredentials, BadSettings, NotReachable, StartError

from trunkline_irc.settings import IrcSettings
from trunkline_irc.wire import LONGEST_LINE, Line, line, parse

CONNECT_WITHIN = 20.0
SIGN_ON_WITHIN = 30.0
QUIET_FOR = 60.0
"""Seconds of silence after which the server is asked whether it is still there; twice as many, and it is not."""

CLOSE_WITHIN = 2.0
REFUSALS = ("432", "433", "436", "437", "464", "465", "ERROR")


class Lost(Exception):
    """The connection ended before there was an answer."""


class Connection:
    """A connection that is signed on. Read :meth:`lines` all the time: answers come that way, too."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()
        self._tokens = count(1)
        self._replies: asyncio.Queue[Line | None] | None = None
        self._over = False

    @classmethod
    async def open(cls, settings: IrcSettings, nick: str) -> Self:
        """Connect and sign on. Raises StartError."""
        tls = ssl.create_default_context() if settings.tls else None
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                streams = await asyncio.open_connection(settings.server, settings.port, ssl=tls, limit=LONGEST_LINE)
        except (OSError, TimeoutError) as exc:
            message = "The server does not answer: are `server`, `port` and `tls` right?"
            raise NotReachable("not_reachable", message) from exc
        connection = cls(*streams)
        try:
            async with asyncio.timeout(SIGN_ON_WITHIN):
                await connection._sign_on(settings, nick)
        except BaseException as exc:
            await connection.close()
            if isinstance(exc, TimeoutError):
                raise NotReachable("no_welcome", "The server took the connection and said no welcome.") from exc
            raise
        return connection

    async def lines(self) -> AsyncIterator[bytes]:
        """Give what the server says by itself; never ends. Raises NotReachable: the connection has."""
        try:
            while True:
                raw = await self._next()
                said = _parsed(raw)
                if said is None or not self._handle(said):
                    yield raw
        finally:
            self._over = True
            if self._replies is not None:
                self._replies.put_nowait(None)

    def _handle(self, said: Line) -> bool:
        """Answer a PING, and pass a reply on to :meth:`ask`; False: the line is neither."""
        if said.command == "PING":
            self._write(line("PONG", *said.params))
            return True
        if said.command.isdigit() or said.command == "PONG":
            if self._replies is not None:
                self._replies.put_nowait(said)
            return True
        return False

    async def ask(self, command: str, *params: str) -> list[Line]:
        """Send a line, and give all numbered replies to it. Raises Lost."""
        async with self._turn:
            if self._over:
                raise Lost("the connection is lost")
            token = f"trunkline-{next(self._tokens)}"
            self._replies = asyncio.Queue()
            try:
                self._write(line(command, *params) + line("PING", token))
                return [reply async for reply in _until(self._replies, token)]
            finally:
                self._replies = None

    async def close(self) -> None:
        """Say goodbye."""
        self._over = True
        if not self._writer.is_closing():
            self._writer.write(line("QUIT", "goodbye"))
            self._writer.close()
        with suppress(OSError, TimeoutError):  # it may be gone already
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._writer.wait_closed()

    async def _sign_on(self, settings: IrcSettings, nick: str) -> None:
        if settings.password is not None:
            self._write(line("PASS", settings.password.reveal()))
        self._write(line("CAP", "REQ", "message-tags") + line("CAP", "END"))
        self._write(line("NICK", nick) + line("USER", nick, "0", "*", settings.name))
        while True:
            said = _parsed(await self._next())
            match said:
                case Line(command="001"):
                    return
                case Line(command="PING"):
                    self._write(line("PONG", *said.params))
                case Line(command=number) if number in REFUSALS:
                    raise refused(said)

    async def _next(self) -> bytes:
        """Read a line; one that is too long is left out. Raises NotReachable."""
        asked = skipping = False
        while True:
            try:
                async with asyncio.timeout(QUIET_FOR):
                    raw = await self._reader.readuntil(b"\n")
            except TimeoutError as exc:
                if asked:
                    raise NotReachable("silent", "The server does not say anything any more.") from exc
                self._write(line("PING", "quiet"))
                asked = True
            except asyncio.LimitOverrunError as exc:
                await self._reader.readexactly(exc.consumed)
                skipping = True
            except (OSError, EOFError) as exc:
                raise NotReachable("lost", "The connection to the server is lost.") from exc
            else:
                if not skipping:
                    return raw
                skipping = False

    def _write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)


def refused(said: Line) -> StartError:
    """Give what it means that the server does not let us on."""
    words = said.params[-1][:200] if said.params else ""
    if said.command == "432":
        return BadSettings("bad_nick", f"The server takes no such nickname: {words}", key="nick")
    if said.command == "464" or "password" in words.lower():
        return BadCredentials("bad_password", "The server does not take the password.")
    if said.command == "433":
        return NotReachable("nick_in_use", "Somebody has the nickname; perhaps our own last connection, for a while.")
    return NotReachable("not_let_on", f"The server does not let us on: {words}")


def _parsed(raw: bytes) -> Line | None:
    try:
        return parse(raw)
    except ValueError:
        return None


async def _until(replies: asyncio.Queue[Line | None], token: str) -> AsyncIterator[Line]:
    while (reply := await replies.get()) is not None:
        if reply.command == "PONG" and token in reply.params:
            return
        yield reply
    raise Lost("the connection was lost")
