"""A reader of a mailbox that begins again and again, and a desk that remembers what it has had."""

from collections.abc import Callable, Sequence

from adapters.email.imap import Connection, Item
from adapters.email.mailbox import (
    Mailbox,
    Stall,
)
from adapters.email.settings import AfterSettings
from adapters.errors import NotAccepted
from adapters.testing import FakeContext
from tests.adapters.email.conftest import server
from tests.fixtures.dovecot import USER

NOW = 1_800_000_000_000


POSITION = f"position.{USER}.INBOX"


class Desk:
    """Takes mails, and knows those again that it has had; ``fails`` is how many it refuses to take first."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.again = 0
        self.given_up: list[tuple[str, int]] = []
        self.fails = 0
        self.not_for_us: set[int] = set()
        self.full: Callable[[], None] = lambda: None

    async def take(self, mails: Sequence[bytes]) -> list[bool]:
        return [self._take(mail) for mail in mails]

    def _take(self, mail: bytes) -> bool:
        number = int(mail.split(b"Subject: question ")[1].split(b"\r\n")[0])
        if number in self.not_for_us:
            return False
        if number in self.taken:
            self.again += 1
            return True
        if self.fails:
            self.fails -= 1
            raise NotAccepted("not_stored", "not now")
        self.taken.append(number)
        self.full()
        return True

    async def give_up(self, header: bytes, item: Item, reason: str) -> None:
        assert b"Subject: " in header or not header
        self.given_up.append((reason, item.size))


class Reader:
    """Makes a connection and a mailbox, again and again."""

    def __init__(self, context: FakeContext, port: int) -> None:
        self.desk = Desk()
        self.context = context
        self.port = port
        self.after = AfterSettings()
        self.first_start = 0
        self.largest = 50_000_000
        self.stall = Stall(context.now)
        self._connections: list[Connection] = []

    async def start(self) -> Mailbox:
        connection = await Connection.open(server(self.port))
        self._connections.append(connection)
        mailbox = Mailbox(
            connection,
            self.desk,
            self.context.memory,
            account=USER,
            folder="INBOX",
            after=self.after,
            first_start=self.first_start,
            largest=self.largest,
            stall=self.stall,
            now=self.context.now,
            log=self.context.log,
        )
        await mailbox.open()
        return mailbox

    async def look(self) -> None:
        """Connect, catch up, leave: what a restart does."""
        await (await self.start()).catch_up()
        await self.close()

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()
        self._connections.clear()


def numbered(first: int, last: int) -> Callable[[str], str]:
    """Answer FETCH with small mails, in any order of asking."""

    def fetch(command: str) -> str:
        found = []
        for span in command.split(" ")[2].split(","):
            begin, _, end = span.partition(":")
            found += [uid for uid in range(int(begin), int(end or begin) + 1) if first <= uid <= last]
        texts = {uid: f"Subject: question {uid}\r\n" for uid in found}
        return "\r\n".join(
            f"* {uid} FETCH (UID {uid} RFC822.SIZE {len(text)} BODY[]<0> {{{len(text)}}}\r\n{text})"
            for uid, text in texts.items()
        )

    return fetch


def many(amount: int) -> dict[str, str | Callable[[str], str]]:
    """Script a server with mails from UID 4 on."""
    return {
        "SELECT": "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok",
        "UID SEARCH": f"* SEARCH {' '.join(map(str, range(4, 4 + amount)))}",
        "UID FETCH": numbered(4, 3 + amount),
    }
