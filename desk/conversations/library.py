"""The conversations that somebody reads on this node: loaded once, kept up to date, let go with the last reader."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from desk.conversations.faces import Faces
from desk.conversations.transcript import Transcript, naming
from desk.ports import Ledger, NotReadable
from desk.protocol.events import ItemEvent
from router.record import Record

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
"""What a name that stands in a subject may be: a wildcard would read everything."""

READ_WITHIN = 10.0
"""Seconds that reading a history may take, once it is its turn."""

TURN_WITHIN = 60.0
"""Seconds that a history may wait for its turn."""

READ_AT_ONCE = 4
"""When a desk comes back, all its operators open all they have. Read side by side, each history would take as long as
all of them together: none would be ready in time, and everybody would ask again for ever."""


class NotKnown(Exception):
    """There is no such conversation."""


class HistoryUnavailable(Exception):
    """The log (or the archive) did not give the history in time."""


class _Shelf:
    """A conversation that is being read: records that came while its history was loading, then the transcript."""

    def __init__(self) -> None:
        self.readers = 0
        self.transcript: Transcript | None = None
        self.early: list[tuple[int, Record]] = []
        self.loading: asyncio.Task[Transcript] | None = None


class Library:
    """Transcripts by conversation. :meth:`take` must see every record, in log order, after the state has folded it."""

    def __init__(self, ledger: Ledger, faces: Faces) -> None:
        self._ledger = ledger
        self._faces = faces
        self._shelves: dict[str, _Shelf] = {}
        self._turns = asyncio.Semaphore(READ_AT_ONCE)
        self._name_of = naming(lambda: ledger.state)

    def take(self, seq: int, record: Record, conversations: tuple[str, ...]) -> dict[str, list[ItemEvent]]:
        """Follow a record that names these conversations; give what it changed in those that are read."""
        changed: dict[str, list[ItemEvent]] = {}
        for conversation in conversations:
            shelf = self._shelves.get(conversation)
            if shelf is None:
                continue
            if shelf.transcript is None:
                shelf.early.append((seq, record))
            elif events := shelf.transcript.take(seq, record):
                changed[conversation] = events
        return changed

    @asynccontextmanager
    async def open(self, conversation: str, person: str) -> AsyncIterator[Transcript]:
        """Read a conversation; inside the block it stays up to date.

        Raises:
            NotKnown: the log and the archive know no such conversation of this person.
            HistoryUnavailable: it could not be read in time.
        """
        if not _NAME.fullmatch(conversation) or not _NAME.fullmatch(person or "_"):
            raise NotKnown(f"there is no conversation {conversation}")
        shelf = self._shelves.setdefault(conversation, _Shelf())
        shelf.readers += 1
        try:
            if shelf.loading is None:
                shelf.loading = asyncio.create_task(self._load(shelf, conversation, person))
            yield await asyncio.shield(shelf.loading)
        finally:
            shelf.readers -= 1
            failed = shelf.loading is not None and shelf.loading.done() and shelf.transcript is None
            if self._shelves.get(conversation) is shelf and (not shelf.readers or failed):
                del self._shelves[conversation]
                if shelf.loading is not None:
                    shelf.loading.cancel()

    async def _load(self, shelf: _Shelf, conversation: str, person: str) -> Transcript:
        """Read the history and join it with what has come since: no record is left out or taken twice."""
        history = await self._history(conversation, person)
        records = {seq: record for seq, record in history if seq <= self._ledger.position}
        records.update(shelf.early)
        transcript = Transcript(conversation, self._name_of)
        for seq in sorted(records):
            transcript.take(seq, records[seq])
        if not transcript.person:
            raise NotKnown(f"there is no conversation {conversation}")
        self._faces.learn(conversation, (records[seq] for seq in sorted(records)))
        shelf.transcript = transcript
        shelf.early.clear()
        return transcript

    async def _history(self, conversation: str, person: str) -> list[tuple[int, Record]]:
        """Read from the log or the archive, after those that asked before."""
        try:
            async with asyncio.timeout(TURN_WITHIN) as patience, self._turns:
                patience.reschedule(asyncio.get_running_loop().time() + READ_WITHIN)
                return await self._ledger.history(conversation, person)
        except (TimeoutError, NotReadable) as exc:
            raise HistoryUnavailable(str(exc) or "the history could not be read in time") from exc
