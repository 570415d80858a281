"""What a mailbox remembers of mails: which were taken, and on whose line each Message-ID is.

There may be millions, so they share a fixed number of keys in the channel's memory, each with the newest notes of its
share; the oldest are forgotten. A shelf has one writer: the reader of the mailbox or the sender of the channel.
"""

import asyncio
import hashlib
from collections.abc import Callable
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from adapters.contract import Memory
from adapters.email.wire import Known

SLOTS = 16_384
KEPT = 64
"""Notes of one key; together about a million on each shelf."""


class Note(Struct, frozen=True, array_like=True):
    """One note: of what (a hash), when (ms since the epoch), and what."""

    key: bytes
    at: int
    known: Known


class Shelf:
    """Notes of one kind. ``now`` gives the time in ms since the epoch."""

    def __init__(self, memory: Memory, name: str, now: Callable[[], int]) -> None:
        self._memory = memory
        self._name = name
        self._now = now
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def find(self, subject: str) -> Note | None:
        """Give the note on a subject (a Message-ID, an address)."""
        slot, key = self._place(subject)
        return next((note for note in await self._load(slot) if note.key == key), None)

    async def keep(self, subject: str, known: Known) -> None:
        """Keep a note; it takes the place of an older one on the same subject."""
        slot, key = self._place(subject)
        lock = self._locks.setdefault(slot, asyncio.Lock())
        async with lock:
            others = [note for note in await self._load(slot) if note.key != key]
            notes = [*others, Note(key, self._now(), known)][-KEPT:]
            await self._memory.save(slot, msgspec.msgpack.encode(notes))

    def _place(self, subject: str) -> tuple[str, bytes]:
        digest = hashlib.blake2b(subject.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return f"{self._name}.{int.from_bytes(digest[:2], 'big') % SLOTS:x}", digest[2:]

    async def _load(self, slot: str) -> list[Note]:
        value = await self._memory.load(slot)
        return msgspec.msgpack.decode(value, type=list[Note]) if value else []
