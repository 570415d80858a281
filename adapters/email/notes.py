"""What a mailbox remembers of mails: which were taken, and on whose line each Message-ID is.

There may be millions, so they share a fixed number of keys in the channel's memory, each with the newest notes of its
share; the oldest are forgotten. A note is written over the notes that were read, so several nodes may write at once,
also one that stood still and has lost its work to another one.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec import Struct

from adapters.contract import Memory, NoteChanged
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

    ``cached``: so many keys that were looked at are kept at hand for the note that is about to follow.
    """

    def __init__(
        self, memory: Memory, name: str, now: Callable[[], int], *, cached: int = 0, slots: int = SLOTS
    ) -> None:
        self._memory = memory
        self._name = name
        self._now = now
        self._cached = cached
        self._slots = slots
        self._at_hand: OrderedDict[str, tuple[list[Note], int]] = OrderedDict()
        self._locks: Locks[str] = Locks()

    async def find(self, subject: str) -> Note | None:
        """Give the note on a subject (a Message-ID, an address)."""
        slot, key = self._place(subject)
        notes, revision = await self._read(slot)
        self._put_at_hand(slot, notes, revision)
        return next((note for note in notes if note.key == key), None)

    async def keep(self, subject: str, known: Known) -> None:
        """Keep a note; it takes the place of an older one on the same subject."""
        slot, key = self._place(subject)
        note = Note(key, self._now(), known)
        await self._change(slot, lambda notes: [*(one for one in notes if one.key != key), note])

    async def add(self, subject: str, known: Known) -> bool:
        """Keep a note unless there is one on the same subject; False when that says something else."""
        slot, key = self._place(subject)
        note = Note(key, self._now(), known)
        notes = await self._change(
            slot, lambda notes: notes if any(one.key == key for one in notes) else [*notes, note]
        )
        return next(one for one in notes if one.key == key).known == known

    def _place(self, subject: str) -> tuple[str, bytes]:
        digest = hashlib.blake2b(subject.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return f"{self._name}.{int.from_bytes(digest[:2], 'big') % self._slots:x}", digest[2:]

    async def _change(self, slot: str, change: Callable[[list[Note]], list[Note]]) -> list[Note]:
        """Change the notes of a key and give them; those that another node has written meanwhile are changed then."""
        async with self._locks.of(slot):
            while True:
                notes, revision = self._at_hand.pop(slot) if slot in self._at_hand else await self._read(slot)
                changed = change(notes)[-KEPT:]
                if changed == notes:
                    return notes
                with suppress(NoteChanged):
                    revision = await self._memory.write(slot, msgspec.msgpack.encode(changed), revision)
                    self._put_at_hand(slot, changed, revision)
                    return changed

    async def _read(self, slot: str) -> tuple[list[Note], int]:
        value, revision = await self._memory.read(slot)
        return msgspec.msgpack.decode(value, type=list[Note]) if value else [], revision

    def _put_at_hand(self, slot: str, notes: list[Note], revision: int) -> None:
        self._at_hand[slot] = notes, revision
        while len(self._at_hand) > self._cached:
            self._at_hand.popitem(last=False)
