"""What all nodes know of the calls of a telephone system whose events come to any of them.

The calls share a fixed number of keys in the channel's memory, each with the newest calls of its share. Two nodes may
write at once, and one note is lost then. So a note may fill in what an event leaves out, and recognise what is surely
late; what is told, and under which id, follows from the event.
"""

import zlib

import msgspec
from msgspec.structs import replace

from adapters.contract import Memory
from adapters.locks import Locks
from adapters.sip.call import LiveCall

PAGES = 4_096
KEPT = 8
"""Calls on one page; together some ten thousand. The oldest are forgotten, and then merely joined in the middle."""

_PAGE = msgspec.json.Decoder(dict[str, LiveCall])


class Notes:
    """The newest calls of a channel, over or not. Every method raises NotAccepted: it could not be done in time."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._turns: Locks[str] = Locks()

    async def find(self, call: str) -> LiveCall | None:
        """Give what is known of a call."""
        return (await self._load(_page_of(call))).get(call)

    async def keep(self, call: LiveCall) -> None:
        """Note where a call stands, unless somebody who was faster knows more."""
        name = _page_of(call.id)
        async with self._turns.of(name):
            page = await self._load(name)
            known = page.pop(call.id, None)
            if known is None or known.rank <= call.rank:
                page[call.id] = replace(call, last=None)
                newest = dict(list(page.items())[-KEPT:])
                await self._memory.save(name, msgspec.json.encode(newest))

    async def _load(self, name: str) -> dict[str, LiveCall]:
        found = await self._memory.load(name)
        return _PAGE.decode(found) if found else {}


def _page_of(call: str) -> str:
    return f"pbx-{zlib.crc32(call.encode()) % PAGES:x}"
