"""What Twilio was lately asked to send, noted before it was asked.

Twilio's list shows the number, the text and the time of a message and not whose it is, so of two equal ones either may
be taken for the other (docs/decisions.md, 137). Each request is therefore noted before it is made, and the same small
write brings the ids that Twilio has given to those before it: after a crash it is known what else may be in the list.
"""

import asyncio
from collections import OrderedDict
from hashlib import blake2b
from zlib import crc32

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from adapters.contract import Context, NoteChanged
from adapters.errors import NotAccepted, TryLater
from adapters.locks import Locks
from adapters.twilio.outgoing import Message

PAGES = 512
MOST = 64
"""Requests that a page holds; on each page are some of the customers."""

NEAR = 300_000
"""Milliseconds before a request from which another one may be taken for it: Twilio may work on after we have given up,
and the clocks of our nodes differ."""

KNOWN = 10_000
PATIENCE = 1.5
"""Seconds in which a request must be noted, else it is not made."""

PURPOSE = "twilio calls"
NOT_SENT = "-"


class Call(Struct, frozen=True, array_like=True):
    """A request to send: our id, a digest of what Twilio's list will say of it, when (ms), and Twilio's id."""

    outbound: str
    looks: str
    at: int
    sid: str = ""


class Page(Struct, frozen=True):
    """The last requests to some customers; of those up to ``gone`` (ms) some are not here any more."""

    calls: tuple[Call, ...] = ()
    gone: int = 0


class Past(Struct, frozen=True):
    """What is known of one request: when it was made, Twilio's id of it, if known, and the ids of others.

    ``alone``: of each other one that looks the same, from :data:`NEAR` before it on, it is known what Twilio calls it.
    """

    at: int
    sid: str
    others: frozenset[str]
    alone: bool


class Calls:
    """The requests of one channel, of whichever node. One node sends at a time.

    One that stood still, and a write that comes late, meet a page that has another revision.
    """

    def __init__(self, context: Context) -> None:
        self._memory = context.memory
        self._key = context.secret(PURPOSE)
        self._now = context.now
        self._known: OrderedDict[str, str] = OrderedDict()
        self._turns: Locks[str] = Locks()

    async def begin(self, outbound: str, message: Message) -> None:
        """Note that a request is about to be made. Raises TryLater: it must not be made."""
        try:
            async with asyncio.timeout(PATIENCE), self._turns.of(_place(message)):
                await self._note(outbound, message)
        except (NotAccepted, NoteChanged, TimeoutError) as exc:
            self.drop(outbound)
            raise TryLater("not_noted", "That this is about to be sent could not be noted; it was not sent.") from exc

    def learn(self, outbound: str, sid: str) -> None:
        """Keep what Twilio calls a message; it is written with the next request to the same customer."""
        self._known[outbound] = sid
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def drop(self, outbound: str) -> None:
        """Keep that a message was certainly not sent."""
        self.learn(outbound, NOT_SENT)

    async def look(self, outbound: str, message: Message) -> Past | None:
        """Give what is known of a request; None where it was not noted.

        Raises:
            NotAccepted: it could not be read in time.
        """
        page, _ = await self._page(message)
        mine = next((call for call in page.calls if call.outbound == outbound), None)
        if mine is None:
            return None
        begun, rest = mine.at - NEAR, [call for call in page.calls if call is not mine]
        near = [call for call in rest if call.looks == mine.looks and call.at >= begun]
        heard = {sid for ours, sid in self._known.items() if ours != outbound}
        return Past(
            at=mine.at,
            sid=mine.sid,
            others=frozenset(heard.union(call.sid for call in rest)),
            alone=page.gone < begun and all(call.sid for call in near),
        )

    async def _note(self, outbound: str, message: Message) -> None:
        self._known.pop(outbound, None)
        page, revision = await self._page(message)
        calls = [call for call in page.calls if call.outbound != outbound]
        calls.append(Call(outbound=outbound, looks=self._digest(message), at=self._now()))
        gone = max([page.gone, *(call.at for call in calls[:-MOST])])
        page = Page(tuple(calls[-MOST:]), gone)
        await self._memory.write(_place(message), msgspec.json.encode(page), revision)

    async def _page(self, message: Message) -> tuple[Page, int]:
        """Read a page, with what was heard since it was written, and its revision. Raises NotAccepted."""
        found, revision = await self._memory.read(_place(message))
        page = msgspec.json.decode(found, type=Page) if found else Page()
        calls = (replace(call, sid=call.sid or self._known.get(call.outbound, "")) for call in page.calls)
        return replace(page, calls=tuple(call for call in calls if call.sid != NOT_SENT)), revision

    def _digest(self, message: Message) -> str:
        looks = msgspec.json.encode((message.to, message.says.strip(), bool(message.media_url)))
        return blake2b(looks, key=self._key, digest_size=8).hexdigest()


def _place(message: Message) -> str:
    return f"calls {crc32(message.to.encode()) % PAGES}"
