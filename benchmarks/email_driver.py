"""The e-mail channel: a real Dovecot whose mailbox fills up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack

from benchmarks.channel_driver import CHANNEL, SENDERS, TEXT, Bare, Driver, mark
from tests.fixtures.dovecot import PASSWORD, USER, Dovecot, running_dovecot

HOST = "127.0.0.1"
AT_ONCE = 50
LONGEST_LINE = 16 * 1024 * 1024


class Imap:
    """As much of IMAP (RFC 9051) as the floor needs, as quick as it can be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.news = True

    async def ask(self, command: str) -> tuple[list[bytes], list[bytes]]:
        """Give the lines and the literals of the answer."""
        self._writer.write(f"t {command}\r\n".encode())
        lines: list[bytes] = []
        literals: list[bytes] = []
        async for line in self._lines(literals):
            if line.startswith(b"t "):
                assert line.startswith(b"t OK"), line
                return lines, literals
            lines.append(line)
        raise ConnectionError("the server has closed the connection")

    async def wait(self) -> None:
        """Wait for a push (RFC 2177)."""
        self._writer.write(b"t IDLE\r\n")
        async for line in self._lines([]):
            if line.endswith(b"EXISTS\r\n"):
                self._writer.write(b"DONE\r\n")
            elif line.startswith(b"t "):
                return

    async def _lines(self, literals: list[bytes]) -> AsyncIterator[bytes]:
        while line := await self._reader.readline():
            while line.endswith(b"}\r\n"):
                literals.append(await self._reader.readexactly(int(line[line.rindex(b"{") + 1 : -3])))
                line += await self._reader.readline()
            self.news = self.news or line.endswith(b"EXISTS\r\n")
            yield line


class BareEmail(Bare):
    """An IMAP client that fetches what is new, publishes it, and marks it as read."""

    async def run(self) -> None:
        """Read for ever."""
        imap, last = Imap(*await asyncio.open_connection(HOST, int(self.peer), limit=LONGEST_LINE)), 0
        await imap.ask(f'LOGIN "{USER}" "{PASSWORD}"')
        await imap.ask("SELECT INBOX")
        while True:
            while imap.news:
                imap.news = False
                lines, _ = await imap.ask(f"UID SEARCH UID {last + 1}:*")
                found = [int(word) for line in lines if b"SEARCH" in line for word in line.split()[2:]]
                uids = [uid for uid in found if uid > last]
                for start in range(0, len(uids), AT_ONCE):
                    await self._take(imap, uids[start : start + AT_ONCE])
                last = max(uids, default=last)
            await imap.wait()

    async def _take(self, imap: Imap, uids: Sequence[int]) -> None:
        _, mails = await imap.ask(f"UID FETCH {uids[0]}:{uids[-1]} (UID BODY.PEEK[])")
        await asyncio.gather(*(self.publish(mail, str(uid)) for mail, uid in zip(mails, uids, strict=True)))
        await imap.ask(rf"UID STORE {uids[0]}:{uids[-1]} +FLAGS.SILENT (\Seen)")


class EmailDriver(Driver):
    """Puts mails into the mailbox, as files; delivering them costs the server more than we may use."""

    bare = BareEmail
    share = 0.1

    def __init__(self, host: str, channel: str = CHANNEL) -> None:
        super().__init__(host, channel)
        self._running = ExitStack()
        self._server: Dovecot
        self._prepared: dict[int, bytes] = {}

    async def open(self) -> str:
        """Start a Dovecot; the first mail makes the mailbox, and is of no account."""
        self._server = self._running.enter_context(running_dovecot())
        self._server.make("Archive")
        return str(self._server.port)

    def prepare(self, numbers: Sequence[int]) -> None:
        """Write the mails."""
        self._prepared = {number: _mail(number) for number in numbers}

    async def offer(self, number: int) -> None:
        """Put a mail into the mailbox."""
        self._server.fill(self._prepared.pop(number))

    async def close(self) -> None:
        """Stop the Dovecot."""
        self._running.close()

    @classmethod
    def section(cls, peer: str) -> dict[str, object]:
        """Give a mailbox whose mail of the last minutes is taken as well: it may come before the channel runs."""
        return {
            "type": "email",
            "address": f"{USER}@shop.example",
            "user": USER,
            "password": PASSWORD,
            "first_start": "1h",
            "imap": {"host": HOST, "port": int(peer), "tls": "none"},
            "smtp": {"host": HOST, "port": 25, "tls": "none", "login": False},
        }


def _mail(number: int) -> bytes:
    return (
        f"From: Zoe <customer-{number % SENDERS}@customer.example>\r\nTo: {USER}@shop.example\r\n"
        f"Subject: My parcel\r\nDate: Sat, 1 Mar 2025 10:00:00 +0000\r\n"
        f"Message-ID: <{mark(number)}@customer.example>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{TEXT}{mark(number)}\r\n"
    ).encode()
