"""Follows log and archive into the index, from the position that the index itself keeps.

While it lives its position holds back the trimming of the log. When the log was trimmed beyond it, is another one, or
the index is of another release, the index is built anew: from the archive, the store of people and the log.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import msgspec
import structlog

from broker.bus.connection import Bus
from broker.bus.errors import BusError, StreamReplaced
from broker.bus.kv import Bucket
from broker.bus.reader import Reader, Stored, stream_state
from broker.bus.streams import Workspace
from broker.projections.schema import SCHEMA
from broker.projections.store import Archive, Incomplete, Line, Place, Store
from broker.routing.archive import PARTS, read_history, unpack
from broker.routing.positions import HOUSEKEEPING, Positions, index_name
from router.people import PersonRecord
from router.record import decode_record

LOOK_EVERY = 10.0
"""Seconds between two words to the others that this index is followed."""

ARCHIVE_EVERY = 60.0
RETRY_PAUSE = 1.0
PEOPLE_AT_ONCE = 1_000
NEARLY = 0.999
"""The whole is done only at the end of the log."""

PERSON_AND_CONVERSATION = 2

T = TypeVar("T")

log = structlog.get_logger(__name__)

_person = msgspec.json.Decoder(PersonRecord).decode


NOWHERE = Place(schema=0, name="", workspace="", created="", floor=0)


class TrimmedAway(Exception):
    """The log has been trimmed beyond the index's position: what is missing is nowhere but in the archive."""


class Indexer:
    """Keeps one index up to date, until cancelled. ``now`` is in ms since the epoch, ``look_every`` in seconds."""

    def __init__(
        self, bus: Bus, workspace: Workspace, store: Store, *, now: Callable[[], int], look_every: float = LOOK_EVERY
    ) -> None:
        self._bus = bus
        self._workspace = workspace
        self._store = store
        self._now = now
        self._look_every = look_every
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._log_prefix = workspace.log_subject("*").split("*")[0]
        self._arc_prefix = workspace.arc_subject("*", "*").split("*")[0]
        self._total = self._taken = 0
        self._place = NOWHERE

    async def run(self) -> None:
        """Follow. Raises `store.Gone`: the file was taken away."""
        try:
            while True:
                try:
                    await self._follow()
                except* (TrimmedAway, StreamReplaced) as group:
                    log.warning("index.rebuilt", reason=str(group.exceptions[0]))
                    await self._begin_anew()
                except* BusError as group:
                    log.warning("index.waiting", reason=str(group.exceptions[0]))
                    await asyncio.sleep(RETRY_PAUSE)
        finally:
            self._thread.shutdown()

    async def _follow(self) -> None:
        created = (await stream_state(self._bus, self._workspace.log_stream)).created
        place = await self._do(lambda: self._store.place)
        if place is None or (place.schema, place.workspace, place.created) != (SCHEMA, self._workspace.name, created):
            place = await self._begin_anew()
        self._place = place
        self._positions = Positions(self._bus, self._workspace, created)
        await self._register(place.heard or self._now())
        await self._count()
        await self._read_archive()
        if not self._place.log:
            await self._read_people()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_log())
            tasks.create_task(self._follow_archive())
            tasks.create_task(self._look())

    async def _begin_anew(self) -> Place:
        """Empty the index. Its position is registered first: from then on nothing more is trimmed."""
        before = await self._do(lambda: self._store.place)
        created = (await stream_state(self._bus, self._workspace.log_stream)).created
        positions = Positions(self._bus, self._workspace, created)
        name = secrets.token_hex(6)
        await positions.raise_to(index_name(name), 0, at=self._now())
        floor = await positions.get(HOUSEKEEPING)
        place = Place(schema=SCHEMA, name=name, workspace=self._workspace.name, created=created, floor=floor)
        await self._do(partial(self._store.begin_anew, place))
        if before is not None and before.created == created:
            await positions.forget(index_name(before.name))
        log.info("index.building", index=name, trimmed=floor)
        return place

    # --- the log ------------------------------------------------------------------------------------------------

    async def _follow_log(self) -> None:
        stream, start = self._workspace.log_stream, self._place.log + 1
        if (await stream_state(self._bus, stream)).last < start:  # there is nothing that would say that it is done
            self._place = await self._do(partial(self._store.take_log, (), self._place.log, whole={}, done=1.0))
        async with Reader(self._bus, stream, start_seq=start, created=self._place.created) as reader:
            async for batch in reader.batches():
                self._taken += len(batch)
                done = 1.0 if reader.pending == 0 else self._done
                await self._take(partial(self._fold_log, batch, done))

    def _fold_log(self, batch: list[Stored], done: float, whole: Mapping[str, Line]) -> Place:
        ours = (self._workspace.term_subject, self._workspace.skip_subject)
        records = [
            (stored.seq, stored.subject.removeprefix(self._log_prefix).partition(".")[0], decode_record(stored.payload))
            for stored in batch
            if stored.subject not in ours
        ]
        return self._store.take_log(records, batch[-1].seq, whole=whole, done=done)

    # --- the archive --------------------------------------------------------------------------------------------

    async def _follow_archive(self) -> None:
        while True:
            await asyncio.sleep(ARCHIVE_EVERY)
            await self._read_archive()

    async def _read_archive(self) -> None:
        """Take in what was archived since the last time; what was followed while it was in the log is known."""
        async with Reader(self._bus, self._workspace.arc_stream, start_seq=self._place.archive + 1) as reader:
            async for batch in reader.read_all():
                self._taken += len(batch)
                await self._take(partial(self._fold_archive, batch, self._done))

    def _fold_archive(self, batch: list[Stored], done: float, whole: Mapping[str, Line]) -> Place:
        return self._store.take_archive(filter(None, map(self._archived, batch)), batch[-1].seq, whole=whole, done=done)

    def _archived(self, stored: Stored) -> Archive | None:
        """Read an archived conversation; None for its further parts."""
        words = stored.subject.removeprefix(self._arc_prefix).split(".")
        if len(words) > PERSON_AND_CONVERSATION:
            return None
        person, conversation = words
        if stored.headers.get(PARTS, "1") != "1":
            return Archive(person, conversation, None)
        return Archive(
            person, conversation, [(each.seq, decode_record(each.record)) for each in unpack(stored.payload)]
        )

    # --- people -------------------------------------------------------------------------------------------------

    async def _read_people(self) -> None:
        """Learn who turned out to be whom: the records that said so may be trimmed, and are in no archive."""
        bucket = Bucket(self._bus, self._workspace.people_bucket)
        some: list[PersonRecord] = []
        async for _, entry in bucket.entries("p.*"):
            some.append(_person(entry.value))
            if len(some) >= PEOPLE_AT_ONCE:
                await self._do(partial(self._store.take_people, some))
                some = []
        await self._do(partial(self._store.take_people, some))

    # --- others -------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._look_every)
            await self._register(self._now())
            await self._do(partial(self._store.hear, self._now()))
            if self._place.done < 1:
                log.info("index.building", index=self._place.name, done=round(self._place.done, 3))

    async def _register(self, heard: int) -> None:
        """Say how far the index is, and look whether the log still reaches back to there.

        A start alone is no sign of life: a process that dies again and again at one record is to be noticed.
        """
        place = self._place
        await self._positions.raise_to(index_name(place.name), place.log, at=heard)
        trimmed = await self._positions.get(HOUSEKEEPING)
        if trimmed > max(place.log, place.floor):
            raise TrimmedAway(f"the log is trimmed up to {trimmed}, and the index stands at {place.log}")

    # --- the writer ---------------------------------------------------------------------------------------------

    async def _count(self) -> None:
        """Find out how much there is to be read, for the progress."""
        streams = (self._workspace.arc_stream, self._workspace.log_stream)
        self._total = sum([(await stream_state(self._bus, stream)).messages for stream in streams])
        self._taken = 0

    @property
    def _done(self) -> float:
        """The share that is built. What was built before a restart is not counted again."""
        place = self._place
        return place.done if place.done == 1 else min(self._taken / max(self._total, 1), NEARLY)

    async def _take(self, take: Callable[[Mapping[str, Line]], Place]) -> None:
        """Write a batch; conversations of which something is missing are read as a whole first."""
        whole: dict[str, Line] = {}
        while True:
            try:
                self._place = await self._do(partial(take, whole))
            except Incomplete as incomplete:
                for conversation, person in incomplete.missing.items():
                    log.info("index.read_again", conversation=conversation)
                    whole[conversation] = await read_history(self._bus, self._workspace, conversation, person)
            else:
                return

    async def _do(self, work: Callable[[], T]) -> T:
        """Work with the store, in the one thread that may."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
