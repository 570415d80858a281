"""What a mailbox remembers of mails: which were taken, and on whose line each Message-ID is.

There may be millions, so they share a fixed number of keys in the channel's memory, each with the newest notes of its
share; the oldest are forgotten. A shelf has one writer: the reader of the mailbox or the sender of the channel.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import msgspec
from msgspec import Struct

from adapters.contract import Memory
from adapters.email.wire import Known
from adapters.locks import Locks

SLOTS = 16_384
KEPT = 64
"""Notes of one key; together about a million on each shelf."""


class Note(Struct, frozen=True, array_like=True):
    """One note: of what (a hash), when (ms since the epoch), and what."""

    key: bytes
    at: int
    known: Known


class Shelf:
    """Notes of one kind, spread among ``slots`` keys. ``now`` gives the time in ms since the epoch.

    ``cached``: so many keys are kept at hand as well; for the one who writes, who calls :meth:`forget` when it has
    become that.
    """

    def __init__(
        self, memory: Memory, name: str, now: Callable[[], int], *, cached: int = 0, slots: int = SLOTS
    ) -> None:
        self._memory = memory
        self._name = name
        self._now = now
        self._cached = cached
        self._slots = slots
        self._cache: OrderedDict[str, list[Note]] = OrderedDict()
        self._locks: Locks[str] = Locks()

    async def find(self, subject: str) -> Note | None:
        """Give the note on a subject (a Message-ID, an address)."""
        slot, key = self._place(subject)
        return next((note for note in await self._load(slot) if note.key == key), None)

    async def keep(self, subject: str, known: Known) -> None:
        """Keep a note; it takes the place of an older one on the same subject."""
        slot, key = self._place(subject)
        async with self._locks.of(slot):
            others = [note for note in await self._load(slot) if note.key != key]
            await self._save(slot, [*others, Note(key, self._now(), known)])

    async def add(self, subject: str, known: Known) -> bool:
        """Keep a note unless there is one on the same subject; False when that says something else."""
        slot, key = self._place(subject)
        async with self._locks.of(slot):
            notes = await self._load(slot)
            found = next((note for note in notes if note.key == key), None)
            if found is None:
                await self._save(slot, [*notes, Note(key, self._now(), known)])
        return found is None or found.known == known

    def forget(self) -> None:
        """Look at the memory again: somebody else may have written."""
        self._cache.clear()

    def _place(self, subject: str) -> tuple[str, bytes]:
        digest = hashlib.blake2b(subject.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return f"{self._name}.{int.from_bytes(digest[:2], 'big') % self._slots:x}", digest[2:]

    async def _load(self, slot: str) -> list[Note]:
        if slot in self._cache:
            return self._cache[slot]
        value = await self._memory.load(slot)
        notes = msgspec.msgpack.decode(value, type=list[Note]) if value else []
        self._put_at_hand(slot, notes)
        return notes

    async def _save(self, slot: str, notes: list[Note]) -> None:
        await self._memory.save(slot, msgspec.msgpack.encode(notes[-KEPT:]))
        self._put_at_hand(slot, notes[-KEPT:])

    def _put_at_hand(self, slot: str, notes: list[Note]) -> None:
        self._cache[slot] = notes
        while len(self._cache) > self._cached:
            self._cache.popitem(last=False)
