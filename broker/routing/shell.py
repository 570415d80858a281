"""The active router: inputs in, steps of the pure machine, records out through the fence (promises P3 and P6).

One coroutine steps, in the order of IN, and runs ahead of the acknowledgements by at most a window of records.
Whatever else it causes (people written, dead letters, snapshots, answers) waits for the acknowledgement.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import islice

import msgspec
import structlog

from broker.bus.connection import Bus
from broker.bus.errors import AskFailed, BusError, PublishRefused, StreamReplaced
from broker.bus.fence import FencedLog
from broker.bus.pipeline import MESSAGE_TOO_LARGE
from broker.bus.reader import Reader, Stored
from broker.bus.server import WIDEN
from broker.bus.streams import StreamTimes, Workspace
from broker.routing.ask import Standing, serve_questions
from broker.routing.burial import Burial
from broker.routing.fencing import NotStorable, raise_barrier, read_range, read_through
from broker.routing.lookups import Lookups
from broker.routing.opening import NOBODY, prepare
from broker.routing.outbox import Effect, Outbox
from broker.routing.people import Parked, PeopleStore, Stamps
from broker.routing.positions import PEOPLE, Positions
from broker.routing.settings import RouterSettings, RouterStats
from broker.routing.snapshots import SnapshotFailed, Snapshots
from broker.routing.tasks import end
from broker.routing.term import Term
from broker.routing.trim import Housekeeper
from router.inputs import Input, Message
from router.people import PersonRecord
from router.record import Entry
from router.state import State
from router.step import Machine, Undecodable

TURN = 128  # inputs stepped before acknowledgements and other tasks get a turn: about 5 ms; fewer cost more writes
STEPS = 16  # of one input, before the same: with a long queue each of them may take 10 ms
NANOS_PER_MS = 1_000_000
PATIENCE = 1.5  # the active router leaves snapshots to a standby for this many intervals
STOP_TIMEOUT = 10.0  # seconds for the last writes of a clean stop
RETRY_PAUSE = 0.05  # seconds before the next barrier; doubled while terms end as soon as they begin
LONGEST_PAUSE = 5.0
HOUSE_PAUSE = 1.0

log = structlog.get_logger(__name__)

Steps = Generator[Entry, None, None]


class Footing(msgspec.Struct, kw_only=True):
    """What a router stands on when it begins: the state at a barrier whose tail is `tail`, raised in term `term`."""

    state: State
    backlog: list[PersonRecord]
    stamps: Stamps
    term: Term
    tail: int


class ActiveRouter:
    """A router from its take-over to its end: clean stop, loss of the lease, or a foreign record."""

    def __init__(  # noqa: PLR0913  # all but three by name
        self,
        bus: Bus,
        workspace: Workspace,
        footing: Footing,
        *,
        times: StreamTimes,
        settings: RouterSettings,
        stats: RouterStats,
        replay_days: float,
    ) -> None:
        self._bus = bus
        self._workspace = workspace
        self._times = times
        self._settings = settings
        self._stats = stats
        self._term = footing.term
        self._tail: int | None = footing.tail  # behind a barrier that is raised already
        self.machine = Machine(footing.state, release=settings.release)
        self._outbox = Outbox(workspace, footing.term.router, footing.tail, settings.window, stats)
        self._people = PeopleStore(bus, workspace, footing.backlog, footing.stamps)
        self._positions = Positions(bus, workspace, times.log_stream)
        self._burial = Burial(bus, workspace, self._positions, stats)
        self._snapshots = Snapshots(bus, workspace, times.log_stream)
        self._housekeeper = Housekeeper(bus, workspace, self._positions, replay_days=replay_days)
        self._source = len(workspace.in_subject("*")) - 1
        self._between = asyncio.Lock()  # held while a batch is stepped
        self._silent = 0
        self._recorded_at = footing.state.now
        self._unsaved = 0
        self._snapshot_due = asyncio.Event()
        self._input_ns = 0

    async def run(self, lost: asyncio.Event, stop: asyncio.Event) -> None:
        """Route until `stop` (then everything decided is written, with a snapshot) or until the lease is `lost`.

        Raises `ForeignRecord`: somebody else routes; `NotStorable`. Drop the state in both cases.
        """
        working = asyncio.create_task(self._work(stop))
        waiting = {
            working,
            asyncio.create_task(lost.wait()),
            asyncio.create_task(self._people.write_behind()),
            asyncio.create_task(self._burial.run(self._outbox.position)),
            asyncio.create_task(self._keep_house()),
        }
        questions = await serve_questions(self._bus, self._workspace, self._drained, self._stats)
        self._stats.active = True
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._stats.active = False
            await end(waiting)
            for question in questions:
                await question.unsubscribe()

    # --- terms ------------------------------------------------------------------------------------------------

    async def _work(self, stop: asyncio.Event) -> None:
        """One term after the other; whatever ends one, the next begins behind a new barrier."""
        pause = RETRY_PAUSE
        while True:
            begun = time.monotonic()
            try:
                if await self._serve_term(stop):
                    return
            except StreamReplaced:
                raise
            except BusError as error:
                self._check_storable(error)
                log.warning(
                    "router.term_ended", workspace=self._workspace.name, term=self._term.number, error=str(error)
                )
            pause = RETRY_PAUSE if time.monotonic() - begun > LONGEST_PAUSE else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    def _check_storable(self, error: BusError) -> None:
        """Raise an alarm and `NotStorable` if the server takes less than when a record was decided."""
        if isinstance(error, PublishRefused) and error.code == MESSAGE_TOO_LARGE:
            self._stats.alarms += 1
            log.error("router.record_too_large", workspace=self._workspace.name, mend=WIDEN, alarm=True)
            raise NotStorable(str(error)) from error

    async def _serve_term(self, stop: asyncio.Event) -> bool:
        """True after a clean stop; an error of the bus ends the term."""
        tail, self._tail = self._tail, None
        if tail is None:
            tail = await self._raise_barrier()
        fenced = await FencedLog.open(
            self._bus,
            self._workspace,
            tail=tail,
            ack_timeout=self._settings.ack_timeout,
            window=self._settings.window,
        )
        self._outbox.open(fenced)
        self.machine.term, self.machine.largest = self._term.number, fenced.largest
        stepping = asyncio.create_task(self._step_inputs())
        watching = {stepping, asyncio.create_task(fenced.lost.wait()), asyncio.create_task(stop.wait())}
        try:
            await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set() and not fenced.lost.is_set():
                await end([stepping])
                await self._finish()
                return True
            if fenced.error is not None:
                raise fenced.error
            stepping.result()
            return False
        finally:
            await end(watching)
            self._outbox.end()
            await fenced.close()

    async def _raise_barrier(self) -> int:
        """Go on after a doubt: fence off the log's tail, then match what stands before the fence with what was sent."""
        outbox, log_stream = self._outbox, self._workspace.log_stream

        def term() -> Term:
            self._term = msgspec.structs.replace(
                self._term, number=self._term.number + 1, rules=self.machine.state.version
            )
            return self._term

        async def look(tail: int) -> None:
            """See as early as possible that somebody else writes."""
            outbox.match(await read_range(self._bus, log_stream, outbox.position + 1, tail))

        barrier = await raise_barrier(
            self._bus,
            self._workspace,
            tail=outbox.position,
            width=self._settings.window,
            term=term,
            look=look,
            stats=self._stats,
        )
        outbox.match(await read_through(self._bus, log_stream, outbox.position + 1, barrier.begin))
        return barrier.tail

    async def _finish(self) -> None:
        """Everything decided is acknowledged and written, and a snapshot spares the next one the fold."""
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._outbox.send_all()
                await self._people.wait_written()
                if self._unsaved:
                    await self._snapshot()
        except TimeoutError:
            log.warning("router.not_finished", workspace=self._workspace.name, mend="the next one does what is left")

    # --- steps ------------------------------------------------------------------------------------------------

    async def _step_inputs(self) -> None:
        async with self._between:
            await self._go_on(self.machine.resuming())
        async with Reader(
            self._bus, self._workspace.in_stream, start_seq=self.machine.input + 1, created=self._times.in_stream
        ) as reader:
            async for batch in reader.batches():
                async with self._between:
                    await self._step_batch(batch)

    async def _step_batch(self, batch: Sequence[Stored]) -> None:
        self._people.read_ahead = batch[-1].seq
        lookups = Lookups(self._people, self.machine.state)
        try:
            prepared = [prepare(stored, self._source, lookups) for stored in batch]
            for number, (stored, value, need) in enumerate(prepared, 1):
                loaded = () if need is NOBODY or lookups.known(need) else await lookups.found(need)
                rest = self._step(stored, value, loaded)
                if rest is not None:
                    await self._go_on(rest)
                if not self._outbox.send():
                    await self._outbox.send_waiting()
                if number % TURN == 0:
                    await asyncio.sleep(0)
        finally:
            lookups.cancel()
        self._outbox.settle()
        self._people.buffer.forget(self.machine.input)
        self._stats.inputs += len(batch)
        self._note(batch[-1])

    def _step(self, stored: Stored, value: Input | Undecodable, loaded: Sequence[PersonRecord]) -> Steps | None:
        """Step; of an input that causes very many steps give the rest.

        Nobody else changes the state, and whom the input needs leaves it in none of its steps: so what was looked up
        holds for all of them.
        """
        at = stored.time_ns // NANOS_PER_MS
        steps = self.machine.steps(stored.seq, at, value, loaded)
        entries = list(islice(steps, STEPS))
        if not entries:
            self._silent += 1
            self._stats.silent += 1
            if isinstance(value, Message):
                self._stats.duplicates += 1
            overdue = at - self._recorded_at >= self._settings.position_ms
            if not overdue and self._silent < self._settings.position_inputs:
                return None
            entries = [self.machine.position()]
        self._silent = 0
        self._recorded_at = at
        self._decide(entries)
        return steps if len(entries) == STEPS else None

    async def _go_on(self, steps: Steps) -> None:
        """Do what is left, and let others have a turn now and then: the lease would not outlive thousands of steps."""
        with closing(steps):
            while entries := list(islice(steps, STEPS)):
                self._decide(entries)
                await self._outbox.send_waiting()
                await asyncio.sleep(0)

    def _decide(self, entries: Sequence[Entry]) -> None:
        """Put records into the outbox, and who leaves the state into the buffer."""
        workspace, outbox = self._workspace, self._outbox
        for entry in entries:
            channel = entry.channel
            subject = (
                workspace.log_subject(entry.line) if channel is None else workspace.out_subject(entry.line, channel)
            )
            effect = self._effect(entry) if entry.parked or entry.refused else None
            outbox.put(subject, entry.payload, effect)
        self._unsaved += len(entries)
        self._stats.records += len(entries)

    def _effect(self, entry: Entry) -> Effect:
        """People who leave the state are in the buffer from this moment on, and written after the acknowledgement."""
        if entry.refused:
            self._stats.refused += 1
            log.error(
                "router.step_failed",
                input=entry.record.input,
                cause=entry.record.cause,
                error=repr(self.machine.failure),
            )
        return partial(self._acknowledged, [self._people.park(record) for record in entry.parked], entry.refused)

    def _acknowledged(self, parked: Sequence[Parked], refused: bool, seq: int) -> None:  # noqa: FBT001  # bound above
        for one in parked:
            self._people.acknowledge(one, seq)
        if refused:
            self._burial.acknowledged(seq)

    def _note(self, last: Stored) -> None:
        stats = self._stats
        stats.position = self._outbox.position
        stats.last_input_ms = last.time_ns // NANOS_PER_MS
        stats.people_unwritten = self._people.buffer.unwritten
        self._input_ns = last.time_ns
        if self._unsaved >= self._settings.snapshot_records * PATIENCE:
            self._snapshot_due.set()

    # --- beside the steps ---------------------------------------------------------------------------------------

    async def _drained(self, answer: Callable[[Standing, State], bytes]) -> bytes:
        """Answer at a moment when everything decided is acknowledged."""
        async with self._between:
            try:
                await self._outbox.send_all()
            except BusError as error:
                raise AskFailed("not_now", f"the router is between two terms: {error}") from error
            return answer(self._standing(), self.machine.state)

    def _standing(self) -> Standing:
        return Standing(
            router=self._term.router,
            term=self._term.number,
            log=self._outbox.position,
            input=self.machine.input,
            now=self.machine.state.now,
        )

    async def _keep_house(self) -> None:
        """A snapshot when it is due, and what it allows to be trimmed; a failure is tried again later."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.snapshot_age):
                    await self._snapshot_due.wait()
                    await asyncio.sleep(self._snapshots.rest())
            try:
                if self._unsaved and not (self._snapshot_due.is_set() and await self._standby_was_first()):
                    await self._snapshot()
                self._snapshot_due.clear()
                await self._trim()
            except (BusError, SnapshotFailed, OSError) as error:
                log.warning("router.housekeeping_waits", error=str(error))
                await asyncio.sleep(HOUSE_PAUSE)

    async def _standby_was_first(self) -> bool:
        kept = await self._snapshots.kept()
        behind = self._outbox.position - kept[-1].manifest.log if kept else self._unsaved
        if behind >= self._settings.snapshot_records:
            return False
        self._unsaved = behind
        return True

    async def _snapshot(self) -> None:
        """Of acknowledged state only: the window drains, then a child encodes (a fork takes 10 to 20 ms for 300 MB)."""
        async with self._between:
            await self._outbox.send_all()
            encoding = self._snapshots.fork(
                self.machine.state, self._outbox.position, backlog=self._people.buffer.backlog(), term=self._term
            )
            self._unsaved = 0
        await self._snapshots.store(encoding)
        self._stats.snapshots += 1

    async def _trim(self) -> None:
        position = self._outbox.position
        await self._positions.raise_to(PEOPLE, self._people.buffer.position(position))
        await self._burial.advance(position)
        await self._housekeeper.run(await self._snapshots.kept(), self._input_ns)
