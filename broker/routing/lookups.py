"""Looks up the people that inputs read ahead will need: concurrently; the step decides whether the result counts."""

import asyncio
from collections.abc import Iterator

from broker.routing.people import PeopleStore
from router.people import PersonRecord
from router.state import State
from router.step import Wanted

Key = tuple[str, str]
"""("a", address), ("p", person) or ("c", conversation)."""


def keys_of(need: Wanted) -> Iterator[Key]:
    """Everything that may have to be read."""
    yield from (("a", address) for address in need.addresses)
    yield from (("p", person) for person in need.people)
    yield from (("c", conversation) for conversation in need.conversations)


class Lookups:
    """The look-ups of one batch of inputs; `state` is the router's, unacknowledged steps included.

    A read may begin at any time within its batch: whoever is parked and written meanwhile stays in the buffer until
    the batch is stepped (see `broker.routing.people`).
    """

    def __init__(self, store: PeopleStore, state: State) -> None:
        self._store = store
        self._state = state
        self._reading: dict[Key, asyncio.Task[PersonRecord | str | None]] = {}

    def begin(self, need: Wanted) -> None:
        """Start to read who is neither in the state nor on the way to the bucket; several inputs share one read."""
        if self.known(need):
            return
        for key in keys_of(need):
            if not self._in_memory(key) and self._buffered(key) is None:
                self._read(key)

    def known(self, need: Wanted) -> bool:
        """Whether everybody is in memory: the usual case, and no reason to wait."""
        addresses, people = self._state.addresses, self._state.people
        for address in need.addresses:  # plain loops: this is asked twice for every message
            if address not in addresses:
                return False
        for person in need.people:
            if person not in people:
                return False
        for conversation in need.conversations:  # noqa: SIM110  # likewise
            if conversation not in self._state.conversations:
                return False
        return True

    async def found(self, need: Wanted) -> list[PersonRecord]:
        """Whom the step is to load, as of right now: step without another await.

        Raises `NoAnswer`: then nobody can say who it is, and the input must wait.
        """
        while True:
            found: list[PersonRecord] = []
            unread = [key for key in keys_of(need) for key in self._walk(key, found)]
            if not unread:
                return found
            for key in unread:
                await self._read(key)

    def cancel(self) -> None:
        """Nobody waits for the answers any more."""
        for task in self._reading.values():
            task.cancel()

    def _walk(self, key: Key, found: list[PersonRecord]) -> Iterator[Key]:
        """Add whom `key` leads to, over pointers to whoever they turned out to be; give what must be read first."""
        while not self._in_memory(key):
            record = self._buffered(key)
            if record is None:
                reading = self._reading.get(key)
                if reading is None or not reading.done():
                    yield key
                    return
                found_there = reading.result()
                if isinstance(found_there, str):  # whose conversation it is: a merge since then left a pointer
                    key = ("p", found_there)
                    continue
                record = found_there
            if record is None:
                return
            if record.person.moved is None:
                found.append(record)
                return
            key = ("p", record.person.moved)

    def _in_memory(self, key: Key) -> bool:
        kind, name = key
        if kind == "c":
            return name in self._state.conversations
        return name in (self._state.addresses if kind == "a" else self._state.people)

    def _buffered(self, key: Key) -> PersonRecord | None:
        kind, name = key
        buffer = self._store.buffer
        if kind == "c":
            return None
        return buffer.address(name) if kind == "a" else buffer.person(name)

    def _read(self, key: Key) -> asyncio.Task[PersonRecord | str | None]:
        reading = self._reading.get(key)
        if reading is None:
            reading = asyncio.create_task(self._ask(*key))
            reading.add_done_callback(_retrieve)
            self._reading[key] = reading
        return reading

    async def _ask(self, kind: str, name: str) -> PersonRecord | str | None:
        bucket = self._store.bucket
        if kind == "c":
            return await bucket.owner(name)
        return await (bucket.address(name) if kind == "a" else bucket.person(name))


def _retrieve(task: asyncio.Task[PersonRecord | str | None]) -> None:
    """Take note of a failure even if the input that asked is never stepped; `found` raises it for one that is."""
    if not task.cancelled():
        task.exception()
