"""The store of people who are not in the router's memory, and the write-behind buffer in front of it.

Why nobody is ever split in two (promise P3), though addresses are looked up ahead of the step and the router runs
ahead of the acknowledgements: at the step the order is *state, buffer, what was looked up*. A parked person is in the
buffer from the very step that takes them out of the state, acknowledged or not. They stay there until the write is
acknowledged *and* every input that had been read ahead at that moment has been stepped. So a look-up that began
before the write never decides, and one that began after it sees the written value: the bucket is read at its leader,
and an answer that is older than the last parking (`Stamps`) is asked for again.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

import msgspec
import structlog

from broker.bus.connection import Bus
from broker.bus.errors import BusError, KeyExists, PublishRefused, WrongRevision
from broker.bus.kv import Bucket, Entry, kv_key
from broker.bus.pipeline import MESSAGE_TOO_LARGE
from broker.bus.reader import next_by_subject
from broker.bus.server import WIDEN
from broker.bus.streams import Workspace
from router.evolve import gather
from router.facts import ConversationOpened, PersonMerged, PersonParked
from router.people import Person, PersonRecord
from router.record import Record, decode_record
from router.state import State

WRITES_AT_ONCE = 32
STAMPS_KEPT = 50_000  # people, and addresses: who was parked before them was so long before any moment of doubt
OLD_VALUES = 50  # times that a value is read again which is older than it can be
OLD_PAUSE = 0.2  # seconds in between
RETRY_PAUSE = 0.5  # seconds
ASK_AGAIN = 30.0  # seconds after the store refused somebody as too large, which only a person can mend

log = structlog.get_logger(__name__)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PersonRecord).decode


class Owner(msgspec.Struct, frozen=True):
    """The value of an address's key: whose it is, as of log sequence `log`."""

    person: str
    log: int


class _Stamp(msgspec.Struct, frozen=True):
    log: int = 0


_owner = msgspec.json.Decoder(Owner).decode
_stamp = msgspec.json.Decoder(_Stamp).decode


def parked_by(state: State, record: Record) -> list[PersonRecord]:
    """Who leaves the memory with `record`, as of before it: call it before the record is folded.

    A person who turned out to be another leaves nothing but a pointer.
    """
    found: list[PersonRecord] = []
    for fact in record.facts:
        if isinstance(fact, PersonParked):
            found.append(gather(state, fact.person))
        elif isinstance(fact, PersonMerged):
            found.append(PersonRecord(person=Person(id=fact.other, addresses=[], moved=fact.person), addresses=[]))
    return found


class Parked:
    """One parking: the person as they were then, encoded at once because the structs go on living in the state."""

    __slots__ = ("_payload", "addresses", "keep", "log", "person", "told")

    def __init__(self, record: PersonRecord) -> None:
        self.person = record.person.id
        self.addresses = tuple(record.person.addresses)
        self.log = record.log
        self.keep = 0  # once written: the last input that may have been looked up before
        self.told = False  # that they are not stored
        self._payload = _encode(record)

    def record(self) -> PersonRecord:
        """A fresh copy that stands for the log sequence of the parking (0: not acknowledged yet)."""
        return msgspec.structs.replace(_decode(self._payload), log=self.log)


class PeopleBuffer:
    """Who was parked and may not be in the bucket yet. No I/O."""

    def __init__(self, backlog: Iterable[PersonRecord] = ()) -> None:
        self._people: dict[str, Parked] = {}
        self._addresses: dict[str, Parked] = {}
        self._unwritten: deque[Parked] = deque()  # acknowledged
        self._writing: set[Parked] = set()
        self._refused: list[Parked] = []
        self._kept: deque[Parked] = deque()  # written, in the order of `keep`
        for record in backlog:
            self.acknowledge(self.park(record), record.log)

    def park(self, record: PersonRecord) -> Parked:
        """Take somebody who leaves the state now; replaces an earlier parking of theirs."""
        parked = Parked(record)
        before = self._people.get(parked.person)
        if before is not None:
            self._drop(before)
        self._people[parked.person] = parked
        for address in parked.addresses:
            self._addresses[address] = parked
        return parked

    def acknowledge(self, parked: Parked, log: int) -> None:
        """The record that parks them stands in the log at sequence `log`: now it may be written."""
        parked.log = log
        self._unwritten.append(parked)

    def person(self, person: str) -> PersonRecord | None:
        """Somebody by id."""
        parked = self._people.get(person)
        return parked.record() if parked is not None else None

    def address(self, address: str) -> PersonRecord | None:
        """Whose address it is."""
        parked = self._addresses.get(address)
        return parked.record() if parked is not None else None

    def next_writes(self, limit: int) -> list[Parked]:
        """What is to be written next, counted as under way until `written`."""
        due = [self._unwritten.popleft() for _ in range(min(limit, len(self._unwritten)))]
        self._writing.update(due)
        return due

    def written(self, parked: Parked, read_ahead: int) -> None:
        """The bucket has acknowledged it while inputs up to `read_ahead` may have been looked up."""
        self._writing.discard(parked)
        if self._people.get(parked.person) is parked:
            parked.keep = read_ahead
            self._kept.append(parked)

    def refuse(self, parked: Parked) -> None:
        """It is too large for the bucket: it stays here, and nobody waits for it."""
        self._writing.discard(parked)
        self._refused.append(parked)

    def ask_again(self) -> bool:
        """Let what was refused be written next; whether there is any."""
        refused, self._refused = self._refused, []
        self._unwritten.extend(refused)
        return bool(refused)

    def forget(self, stepped: int) -> None:
        """Let go of what is written and can be asked for no more by an input up to `stepped`."""
        while self._kept and self._kept[0].keep <= stepped:
            self._drop(self._kept.popleft())

    def position(self, tail: int) -> int:
        """The log sequence up to which the bucket is complete, when `tail` is the last acknowledged one."""
        return min((parked.log for parked in self._waiting()), default=tail + 1) - 1

    def backlog(self) -> list[PersonRecord]:
        """What is acknowledged and not written, for a snapshot."""
        return [parked.record() for parked in sorted(self._waiting(), key=lambda parked: parked.log)]

    @property
    def unwritten(self) -> int:
        """How many parkings are acknowledged and not written."""
        return len(self._unwritten) + len(self._writing) + len(self._refused)

    @property
    def busy(self) -> bool:
        """Whether some of them will be written soon: what was refused will not."""
        return bool(self._unwritten or self._writing)

    def _waiting(self) -> Iterable[Parked]:
        return (*self._writing, *self._unwritten, *self._refused)

    def _drop(self, parked: Parked) -> None:
        if self._people.get(parked.person) is parked:
            del self._people[parked.person]
        for address in parked.addresses:
            if self._addresses.get(address) is parked:
                del self._addresses[address]


class Stamps:
    """How new the bucket's values of those who were parked last must be: log sequences, by person and by address.

    A leader that was suspended answers from the past when it wakes up, until it hears that it leads no more: what it
    says would make two people of one.
    """

    def __init__(self, limit: int = STAMPS_KEPT) -> None:
        self._limit = limit
        self._people: dict[str, int] = {}
        self._addresses: dict[str, int] = {}

    def note(self, person: str, addresses: Iterable[str], log: int) -> None:
        """The record at `log` parks them."""
        self._keep(self._people, person, log)
        for address in addresses:
            self._keep(self._addresses, address, log)

    def person(self, person: str) -> int:
        """The least log sequence that a value of theirs stands for; 0 when it is not known."""
        return self._people.get(person, 0)

    def address(self, address: str) -> int:
        """Likewise for whose address it is."""
        return self._addresses.get(address, 0)

    def _keep(self, stamps: dict[str, int], key: str, log: int) -> None:
        stamps.pop(key, None)
        stamps[key] = log
        if len(stamps) > self._limit:
            del stamps[next(iter(stamps))]


class PeopleBucket:
    """The people bucket: `p.<person>` holds a `PersonRecord`, `a.<address>` its `Owner`.

    A value is only ever replaced by one that stands for a later log sequence, so it does not matter who writes it, how
    often, or how late.
    """

    def __init__(self, bus: Bus, workspace: Workspace, stamps: Stamps | None = None) -> None:
        self._bus = bus
        self._workspace = workspace
        self._stamps = stamps or Stamps()
        self._bucket = Bucket(bus, workspace.people_bucket)

    async def person(self, person: str) -> PersonRecord | None:
        """Somebody by id, as parked last. Raises `NoAnswer`."""
        entry = await self._get(f"p.{person}", self._stamps.person(person))
        return _decode(entry.value) if entry is not None else None

    async def address(self, address: str) -> PersonRecord | None:
        """Whose address it is. Raises `NoAnswer`."""
        entry = await self._get(f"a.{kv_key(address)}", self._stamps.address(address))
        if entry is None:
            return None
        record = await self.person(_owner(entry.value).person)
        return record if record is not None and address in record.person.addresses else None

    async def owner(self, conversation: str) -> str | None:
        """Who began a conversation that is not archived yet, by the first record of its line. Raises `NoAnswer`.

        No index is kept for it: it is asked for only when news of an answer come long after the closing.
        """
        line = self._workspace.line_subjects(conversation)
        first = await next_by_subject(self._bus, self._workspace.log_stream, line)
        if first is None:
            return None
        facts = decode_record(first.payload).facts
        return next((fact.person for fact in facts if isinstance(fact, ConversationOpened)), None)

    async def write(self, record: PersonRecord) -> None:
        """Store somebody as of `record.log`; what is newer already stays. Raises `NoAnswer`, `PublishUnknown`."""
        await self._raise_to(f"p.{record.person.id}", _encode(record), record.log)
        owner = _encode(Owner(record.person.id, record.log))
        for address in record.person.addresses:
            await self._raise_to(f"a.{kv_key(address)}", owner, record.log)

    async def _get(self, key: str, least: int) -> Entry | None:
        """A value that stands for no log sequence before `least`; one that goes on being older is told and taken."""
        for _ in range(OLD_VALUES):
            entry = await self._bucket.get(key)
            if (0 if entry is None else _stamp(entry.value).log) >= least:
                return entry
            await asyncio.sleep(OLD_PAUSE)
        log.error("people.value_too_old", key=key, expected=least, alarm=True)
        return await self._bucket.get(key)

    async def _raise_to(self, key: str, value: bytes, seq: int) -> None:
        while True:
            entry = await self._bucket.get(key)
            if entry is not None and _stamp(entry.value).log >= seq:
                return
            try:
                await self._bucket.write(key, value, entry.revision if entry is not None else 0)
            except (KeyExists, WrongRevision):
                continue
            return


class PeopleStore:
    """The buffer in front of the bucket, as the active router uses it.

    `read_ahead` is the last input that has been looked up, `backlog` what the log says and the bucket may lack.
    """

    def __init__(
        self,
        bus: Bus,
        workspace: Workspace,
        backlog: Iterable[PersonRecord] = (),
        stamps: Stamps | None = None,
        *,
        ask_again: float = ASK_AGAIN,
    ) -> None:
        self.buffer = PeopleBuffer(backlog)
        self.stamps = stamps or Stamps()
        self.bucket = PeopleBucket(bus, workspace, self.stamps)
        self.read_ahead = 0
        self._ask_again_every = ask_again
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def park(self, record: PersonRecord) -> Parked:
        """See `PeopleBuffer.park`."""
        return self.buffer.park(record)

    def acknowledge(self, parked: Parked, log: int) -> None:
        """See `PeopleBuffer.acknowledge`; it will be written soon."""
        self.buffer.acknowledge(parked, log)
        self.stamps.note(parked.person, parked.addresses, log)
        self._wake.set()

    async def write_behind(self) -> None:
        """Write what is acknowledged, for ever; a failure is tried again, who is too large after a while."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write_all())
            group.create_task(self._ask_again())

    async def wait_written(self) -> None:
        """Wait until nothing acknowledged is unwritten but what was refused (while `write_behind` runs)."""
        while self.buffer.busy:
            self._idle.clear()
            await self._idle.wait()

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(self._ask_again_every)
            if self.buffer.ask_again():
                self._wake.set()

    async def _write_all(self) -> None:
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while due := self.buffer.next_writes(WRITES_AT_ONCE):
                self._idle.clear()
                await asyncio.gather(*map(self._write, due))
            self._idle.set()

    async def _write(self, parked: Parked) -> None:
        while True:
            try:
                await self.bucket.write(parked.record())
            except BusError as error:
                if isinstance(error, PublishRefused) and error.code == MESSAGE_TOO_LARGE:
                    self._tell(parked, error)
                    self.buffer.refuse(parked)
                    return
                log.warning("people.not_written", person=parked.person, error=str(error))
                await asyncio.sleep(RETRY_PAUSE)
            else:
                self.buffer.written(parked, self.read_ahead)
                return

    def _tell(self, parked: Parked, refused: PublishRefused) -> None:
        if not parked.told:
            parked.told = True
            log.error("people.not_stored", person=parked.person, error=str(refused), mend=WIDEN, alarm=True)
