"""A pretended IRC server, as far as the channel needs one; strict, and with faults."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from time import time_ns
from typing import Self

from adapters.testing import Shown
from msgspec import Struct

from trunkline_irc.wire import Line, line, parse

LONGEST_LINE = 512
PASSWORD = "a-password-of-the-test"


class Numbered(Struct, frozen=True):
    """Refuse the message with this number and these words."""

    number: str
    words: str = "no"


class Loss(Enum):
    """What becomes of a message and of the connection; ``DEED``: the message was delivered first."""

    HANG = "hang"
    CUT = "cut"
    DEED_AND_HANG = "deed and hang"
    DEED_AND_CUT = "deed and cut"


class Server:
    """It knows everybody whom it is asked for as ``<nick>!u@host``, but nobody who is called ``nobody``."""

    def __init__(self) -> None:
        self.now: Callable[[], int] = lambda: time_ns() // 1_000_000
        self.shown: list[Shown] = []
        self.sends: list[str] = []
        self.port = 0
        self._faults: deque[Numbered | Loss] = deque()
        self._writers: dict[str, StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._frozen = False
        self._server: asyncio.Server | None = None

    def will(self, *faults: Numbered | Loss) -> None:
        self._faults.extend(faults)

    def freeze(self) -> None:
        self._frozen = True

    async def go_down(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.go_down()

    def say(self, raw: bytes, nick: str = "support") -> None:
        """Send a line as it is to whoever has a nickname."""
        self._writers[nick].write(raw + b"\r\n")

    def cut(self, nick: str = "support") -> None:
        """Cut a connection."""
        self._writers[nick].close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._listen(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _listen(self, reader: StreamReader, writer: StreamWriter) -> None:
        nick, muted, admitted = "*", False, False
        with suppress(OSError, EOFError):
            while True:
                raw = await reader.readuntil(b"\n")
                assert len(raw) <= LONGEST_LINE, "a line of IRC has 512 bytes"
                if self._frozen or muted:
                    continue
                match parse(raw):
                    case Line("PASS", (password,)):
                        admitted = password == PASSWORD
                    case Line("NICK", (nick,)):
                        self._writers[nick] = writer
                    case Line("USER", (_, "0", "*", _)):
                        writer.write(_reply("001", nick, "Welcome") if admitted else line("ERROR", "Bad password?"))
                    case Line("CAP", ("REQ", "message-tags")):
                        writer.write(_reply("CAP", "*", "ACK", "message-tags"))
                    case Line("CAP", ("END",)):
                        pass
                    case Line("PING", (token,)):
                        writer.write(_reply("PONG", "irc.example", token))
                    case Line("WHOIS", (whom,)):
                        writer.write(b"".join(_who(nick, whom)))
                    case Line("PRIVMSG", (whom, text)):
                        loss = self._take(whom, text, writer, nick)
                        if loss in (Loss.CUT, Loss.DEED_AND_CUT):
                            return
                        muted = loss is not None
                    case Line("QUIT"):
                        return
                    case strange:
                        raise AssertionError(f"a real server would not know what this is: {strange}")

    def _take(self, whom: str, text: str, writer: StreamWriter, nick: str) -> Loss | None:
        self.sends.append(f"PRIVMSG {whom} :{text}")
        fault = self._faults.popleft() if self._faults else None
        if isinstance(fault, Numbered):
            writer.write(_reply(fault.number, nick, whom, fault.words))
            return None
        if fault in (None, Loss.DEED_AND_CUT, Loss.DEED_AND_HANG):
            self.shown.append(Shown(to=whom, text=text))
        return fault


def _who(nick: str, whom: str) -> list[bytes]:
    known = [] if whom == "nobody" else [_reply("311", nick, whom, "u", "host", "*", "Somebody")]
    return [*known, _reply("318", nick, whom, "End of WHOIS list")]


def _reply(command: str, *params: str) -> bytes:
    return b":irc.example " + line(command, *params)
