"""What all nodes know of the calls of a telephone system whose events come to any of them.

The calls share a fixed number of keys in the channel's memory, each with the newest calls of its share. A note is
written over the one that was read alone, so two nodes that write at once lose nothing. Still a node may not have one
yet, or never get it written: so a note may fill in what an event leaves out, and recognise what is surely late; what
is told, and under which id, follows from the event.
"""

import zlib
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from adapters.contract import Memory, NoteChanged
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
        page, _ = await self._read(page_of(call))
        return page.get(call)

    async def keep(self, call: LiveCall) -> None:
        """Note where a call stands, unless somebody who was faster knows more."""
        name = page_of(call.id)
        async with self._turns.of(name):
            while True:
                with suppress(NoteChanged):  # by another node: it is read again
                    await self._put(name, call)
                    return

    async def _put(self, name: str, call: LiveCall) -> None:
        page, revision = await self._read(name)
        known = page.pop(call.id, None)
        if known is None or known.rank <= call.rank:
            page[call.id] = replace(call, last=None)
            newest = dict(list(page.items())[-KEPT:])
            await self._memory.write(name, msgspec.json.encode(newest), revision)

    async def _read(self, name: str) -> tuple[dict[str, LiveCall], int]:
        found, revision = await self._memory.read(name)
        return _PAGE.decode(found) if found else {}, revision


def page_of(call: str) -> str:
    """Name the page that a call's note stands on."""
    return f"pbx-{zlib.crc32(call.encode()) % PAGES:x}"
