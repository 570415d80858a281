"""The follower: loads the newest snapshot, folds the records after it, and passes each on to its subscribers.

The desk, web chat, a standby router, projections and the command line all use this one fold.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec
import structlog

from broker.bus.connection import Bus
from broker.bus.errors import NoAnswer
from broker.bus.reader import Reader, Stored, nanoseconds, next_by_subject, stream_state
from broker.bus.streams import Workspace
from broker.routing.archive import read_history
from broker.routing.people import Stamps, parked_by
from broker.routing.positions import HOUSEKEEPING, Positions
from broker.routing.snapshots import Snapshots
from broker.routing.tasks import end
from broker.routing.term import Term, decode_term
from router import evolve
from router.facts import ConversationArchived
from router.people import PersonRecord
from router.record import Record, decode_record
from router.state import State

SLICE = 0.008  # seconds of folding before the loop gets a turn
ENDS_KEPT = 20_000  # lines; a node that is behind is so by seconds
LOOK_EVERY = 16  # records between two looks at the clock
FOLD_WITHIN = 30.0  # seconds for what is known to be in the log
PROGRESS_TIMEOUT = 0.25  # seconds without progress before the end of the log is examined

Callback = Callable[[int, str, Record], None]
Unsubscribe = Callable[[], None]

log = structlog.get_logger(__name__)


class CannotFold(Exception):
    """A record of the log cannot be folded: the state stops before it. Nothing is ever skipped."""

    def __init__(self, seq: int, subject: str, cause: str) -> None:
        super().__init__(
            f"record {seq} ({subject}) cannot be folded: {cause}. It was written by a newer release, or the log was"
            " trimmed without a snapshot: upgrade this process, or restore the log and its snapshots together"
        )
        self.seq = seq
        self.subject = subject


class TrimmedAway(Exception):
    """What this follower has still to fold was removed while it stood still: the state must be loaded anew."""


class Backlog:
    """People who were parked since a position of the people bucket: what it may lack, in the order of the log."""

    def __init__(self, records: Iterable[PersonRecord]) -> None:
        self._records = list(records)

    def add(self, records: Iterable[PersonRecord], seq: int) -> None:
        """Parked by the record at `seq`."""
        for record in records:
            self._records.append(msgspec.structs.replace(record, log=seq))

    def forget(self, position: int) -> None:
        """The bucket is complete up to `position`."""
        self._records = [record for record in self._records if record.log > position]

    def records(self) -> list[PersonRecord]:
        """What is left."""
        return list(self._records)


class Follower:
    """Folds the log into `state`; `position` is the sequence of the last message folded.

    `state` changes between awaits only, never within synchronous code. `stamps` say how new the people bucket's values
    must be. With `keep_backlog` it remembers who was parked, so that it can become the active router.
    """

    def __init__(self, bus: Bus, workspace: Workspace, *, keep_backlog: bool = False) -> None:
        self.state = State()
        self.position = 0
        self.term: Term | None = None
        self.stream = 0
        self.created = ""
        self.backlog = Backlog([])
        self.stamps = Stamps()
        self.folded = 0
        self._bus = bus
        self._workspace = workspace
        self._keep_backlog = keep_backlog
        self._subscribers: list[Callback] = []
        self._ready = asyncio.Event()
        self._moved = asyncio.Event()
        self._ends: dict[str, int] = {}  # where the lines end that were written to last, the latest last
        self._line = len(workspace.log_subject("*").split("*")[0])
        self._reader: Reader | None = None
        self._failure: BaseException | None = None
        self._behind_since: float | None = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether the state has been at the end of the log since the start."""
        return self._ready.is_set()

    @property
    def lag(self) -> float:
        """Seconds that the state is behind the log; grows as well while the log cannot be reached."""
        if self._behind_since is None and self._bus.connected:
            return 0.0
        return time.monotonic() - (self._behind_since or time.monotonic())

    def subscribe(self, callback: Callback) -> Unsubscribe:
        """Call `callback(seq, subject, record)` for each record from now on, right after it has been folded.

        An exception in it is logged and does not stop the others.
        """
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    async def history(self, conversation: str, person: str, *, after: int = 0) -> list[tuple[int, Record]]:
        """Records of a conversation: see `read_history`. It holds all that the state has folded, and maybe more."""
        through = self._ends.get(conversation, 0)
        return await read_history(self._bus, self._workspace, conversation, person, after=after, through=through)

    async def load(self) -> None:
        """Start from the newest whole snapshot. Raises `CannotFold`, `StreamReplaced` or an error of the bus."""
        self.created = (await stream_state(self._bus, self._workspace.log_stream)).created
        self.stream = nanoseconds(self.created)
        snapshot = await Snapshots(self._bus, self._workspace, self.created).load()
        if snapshot is not None:
            self.state, self.position = snapshot.state, snapshot.manifest.log
            self.term = snapshot.manifest.term
            self.backlog = Backlog(snapshot.backlog)
            for record in snapshot.backlog:
                self.stamps.note(record.person.id, record.person.addresses, record.log)
        trimmed = await self._trimmed()
        if trimmed > self.position:
            reason = f"the log is trimmed up to {trimmed}, and no whole snapshot reaches beyond {self.position}"
            raise CannotFold(self.position + 1, self._workspace.log_stream, reason)

    async def run(self) -> None:
        """Load, then follow until cancelled. Raises `CannotFold`, `StreamReplaced`, `TrimmedAway`."""
        forget = self._bus.on_disconnect(self._fall_behind)
        try:
            if not self.created:
                await self.load()
            await self._follow()
        except BaseException as failure:
            self._failure = failure
            raise
        finally:
            forget()
            self._moved.set()

    async def wait_ready(self) -> None:
        """Wait until the state has been at the end of the log once; raises what `run` raised."""
        while not self.ready:
            await self._wait_moved(None)

    async def catch_up(self, target: int) -> None:
        """Wait until what is found up to sequence `target` is folded; raises what `run` raised.

        The end of the log may be missing (skips of a barrier are purged, an append is still under way), so this proves
        nothing: see `fold_through`.
        """
        while self.position < target:
            before = self.position
            await self._wait_moved(PROGRESS_TIMEOUT)
            if self.position == before and self.created and await self._nothing_up_to(target):
                return

    async def fold_through(self, seq: int) -> None:
        """Wait until the message at `seq`, which is known to be stored, is folded, and so everything before it.

        Raises what `run` raised, and `NoAnswer`: it did not come in time.
        """
        try:
            async with asyncio.timeout(FOLD_WITHIN):
                while self.position < seq:
                    await self._wait_moved(None)
        except TimeoutError as error:
            message = f"record {seq} of {self._workspace.log_stream} did not come within {FOLD_WITHIN:g} s"
            raise NoAnswer(message) from error

    async def _wait_moved(self, seconds: float | None) -> None:
        if self._failure is not None:
            raise self._failure
        self._moved.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._moved.wait()
        except TimeoutError:
            return

    async def _nothing_up_to(self, target: int) -> bool:
        before = self.position
        rest = await next_by_subject(self._bus, self._workspace.log_stream, ">", before + 1)
        return self.position == before and (rest is None or rest.seq > target)

    async def _follow(self) -> None:
        tail = (await stream_state(self._bus, self._workspace.log_stream)).last
        reader = self._reader = Reader(
            self._bus, self._workspace.log_stream, start_seq=self.position + 1, created=self.created
        )
        announcing = asyncio.create_task(self._announce(tail))
        try:
            async with reader:
                async for batch in reader.batches():
                    if reader.pending:
                        self._fall_behind()
                    if batch[-1].seq - self.position > len(batch):
                        await self._require_untrimmed()
                    await self._fold_batch(batch)
                    if reader.pending == 0:
                        self._behind_since = None
        finally:
            await end([announcing])

    async def _trimmed(self) -> int:
        return await Positions(self._bus, self._workspace, self.created).get(HOUSEKEEPING)

    async def _require_untrimmed(self) -> None:
        """Sequences are missing: they hold nothing for the state, unless the log is trimmed beyond what it has folded.

        So it is for who stood still (a suspended machine) while two snapshots were written. Asked after the messages
        were read, so what was removed before them is known.
        """
        while True:
            try:
                trimmed = await self._trimmed()
            except NoAnswer as error:
                log.info("follower.waiting", error=str(error))
                await asyncio.sleep(PROGRESS_TIMEOUT)
                continue
            if trimmed > self.position:
                reason = f"the log was trimmed up to {trimmed} while this process stood at {self.position}"
                raise TrimmedAway(f"{reason}: it begins again with the newest snapshot when it is started again")
            return

    async def _announce(self, tail: int) -> None:
        """Say that it is ready once the tail seen at the start is folded."""
        await self.catch_up(tail)
        self._behind_since = None
        self._ready.set()
        self._moved.set()
        log.info("follower.ready", workspace=self._workspace.name, position=self.position)

    def _fall_behind(self) -> None:
        if self._behind_since is None:
            self._behind_since = time.monotonic()

    async def _fold_batch(self, batch: list[Stored]) -> None:
        until = time.monotonic() + SLICE
        for number, stored in enumerate(batch, 1):
            self._fold(stored)
            if number % LOOK_EVERY == 0 and time.monotonic() > until:
                await asyncio.sleep(0)
                until = time.monotonic() + SLICE
        self._moved.set()

    def _fold(self, stored: Stored) -> None:
        seq, subject = stored.seq, stored.subject
        if subject != self._workspace.skip_subject:
            try:
                if subject == self._workspace.term_subject:
                    self.term = decode_term(stored.payload)
                else:
                    self._fold_record(seq, subject, decode_record(stored.payload))
            except (msgspec.DecodeError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
                raise CannotFold(seq, subject, f"{type(error).__name__}: {error}") from error
        self.position = seq

    def _fold_record(self, seq: int, subject: str, record: Record) -> None:
        parked = parked_by(self.state, record)
        for one in parked:
            self.stamps.note(one.person.id, one.person.addresses, seq)
        if self._keep_backlog:
            self.backlog.add(parked, seq)
        evolve.apply(self.state, record)
        self.folded += 1
        self._note_end(subject[self._line :].partition(".")[0], seq, record)
        for callback in self._subscribers:
            self._tell(callback, seq, subject, record)

    def _note_end(self, line: str, seq: int, record: Record) -> None:
        self._ends.pop(line, None)
        if any(isinstance(fact, ConversationArchived) for fact in record.facts):
            return  # the line will be emptied
        self._ends[line] = seq
        if len(self._ends) > ENDS_KEPT:
            del self._ends[next(iter(self._ends))]

    @staticmethod
    def _tell(callback: Callback, seq: int, subject: str, record: Record) -> None:
        try:
            callback(seq, subject, record)
        except Exception:
            log.exception("follower.subscriber_failed", seq=seq, subject=subject)
