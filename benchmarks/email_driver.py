"""The e-mail channel: a real Dovecot whose mailbox fills up."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack

from adapters.email.imap import Connection, Server
from benchmarks.channel_driver import CHANNEL, SENDERS, TEXT, Bare, Driver, mark
from tests.fixtures.dovecot import PASSWORD, USER, Dovecot, running_dovecot

HOST = "127.0.0.1"
AT_ONCE = 50
IDLE_SECONDS = 600.0


class BareEmail(Bare):
    """The channel's own IMAP client, as the others' floors have the channel's own HTTP; it publishes mails as they are.

    It fetches what is new, publishes it, marks it as read, and waits for more.
    """

    async def run(self) -> None:
        """Read for ever."""
        imap, last = await Connection.open(Server(host=HOST, port=int(self.peer), user=USER, secret=_password)), 0
        await imap.select("INBOX")
        while True:
            uids = [uid for uid in await imap.search(f"UID {last + 1}:*") if uid > last]
            for start in range(0, len(uids), AT_ONCE):
                await self._take(imap, uids[start : start + AT_ONCE])
            last = max(uids, default=last)
            await imap.wait_for_news(IDLE_SECONDS)

    async def _take(self, imap: Connection, uids: Sequence[int]) -> None:
        mails = await imap.bodies(uids)
        await asyncio.gather(*(self.publish(mail, str(uid)) for uid, mail in mails.items()))
        await imap.flag(uids, r"\Seen")


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


async def _password() -> str:
    return PASSWORD


def _mail(number: int) -> bytes:
    return (
        f"From: Zoe <customer-{number % SENDERS}@customer.example>\r\nTo: {USER}@shop.example\r\n"
        f"Subject: My parcel\r\nDate: Sat, 1 Mar 2025 10:00:00 +0000\r\n"
        f"Message-ID: <{mark(number)}@customer.example>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{TEXT}{mark(number)}\r\n"
    ).encode()
