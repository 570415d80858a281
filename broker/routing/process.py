"""A router process: standby, active, and standby again, until it is stopped."""

import asyncio
import gc
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import TypeVar

import structlog

from broker.bus.connection import Bus
from broker.bus.errors import BusError, StreamReplaced
from broker.bus.lease import LeaseThread
from broker.bus.reader import stream_state
from broker.bus.settings import BusSettings
from broker.bus.streams import StreamTimes, Workspace, ensure_streams
from broker.routing.fencing import ForeignRecord, NotStorable, raise_barrier
from broker.routing.follower import Follower, TrimmedAway
from broker.routing.positions import PEOPLE, Positions
from broker.routing.settings import RouterSettings, RouterStats
from broker.routing.shell import ActiveRouter, Footing
from broker.routing.snapshots import SnapshotFailed, Snapshots
from broker.routing.tasks import end
from broker.routing.term import Term
from broker.routing.ticks import Ticker
from router.record import RECORD_VERSION

STANDBY_LOOK = 1.0  # seconds between two looks of a standby at how much is not in a snapshot
RETRY_PAUSE = 0.5
GC_THRESHOLD = 50_000  # new containers before a collection; Python's 700 cost about a tenth of the throughput
STOP_TIMEOUT = 15.0  # seconds for a clean stop; then the next router decides again what was not stored

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The process is asked to end."""


async def run_router(  # noqa: PLR0913  # all but two by name
    bus_settings: BusSettings,
    workspace: Workspace,
    *,
    stop: asyncio.Event,
    replay_days: float = 14.0,
    settings: RouterSettings | None = None,
    stats: RouterStats | None = None,
) -> None:
    """Route `workspace`, or stand by, until `stop`. Returns after a clean stop.

    Raises:
        CannotFold, StreamReplaced, StreamMismatch: a person has to look; the message says at what.
        NotConnected: no server within the time that the bus's settings give.
    """
    settings, stats = settings or RouterSettings(), stats or RouterStats()
    bus = await Bus.connect(bus_settings, f"router {workspace.name}")
    try:
        times = await ensure_streams(bus, workspace)
        router = RouterProcess(bus, workspace, times, settings=settings, stats=stats, replay_days=replay_days)
        await router.run(stop)
    finally:
        await bus.close()


class RouterProcess:
    """The life of one router, by name (new with each process)."""

    def __init__(  # noqa: PLR0913  # all but three by name
        self,
        bus: Bus,
        workspace: Workspace,
        times: StreamTimes,
        *,
        settings: RouterSettings,
        stats: RouterStats,
        replay_days: float,
    ) -> None:
        self.name = settings.name or f"r-{secrets.token_hex(6)}"
        self.active: ActiveRouter | None = None
        self._bus = bus
        self._workspace = workspace
        self._times = times
        self._settings = settings
        self._stats = stats
        self._replay_days = replay_days

    async def run(self, stop: asyncio.Event) -> None:
        """Stand by and route in turns until `stop`."""
        ticker = Ticker(
            self._bus, self._workspace, self._stats, every=self._settings.tick_every, next_due=self._next_due
        )
        ticking = asyncio.create_task(ticker.run())
        try:
            while not stop.is_set():
                await self._take_turn(stop)
        except Stopped:
            log.info("router.stopped", router=self.name)
        finally:
            await end([ticking])

    def _next_due(self) -> int | None:
        return self.active.machine.next_due if self.active is not None else None

    async def _take_turn(self, stop: asyncio.Event) -> None:
        """Stand by until the lease is ours, then route until it ends."""
        lease = LeaseThread(
            self._bus.settings,
            self._workspace.leases_bucket,
            f"{self._workspace.name}.router",
            self.name,
            ttl=self._settings.lease_ttl,
            renew_every=self._settings.renew_every,
            stuck_after=self._settings.stuck_after,
        )
        try:
            footing = await self._stand_by(lease, stop)
            await self._route(footing, lease, stop)
        except ForeignRecord as foreign:
            log.warning("router.overtaken", router=self.name, reason=str(foreign))
        except (TrimmedAway, NotStorable) as lost:
            log.warning("router.loads_anew", router=self.name, reason=str(lost))
        except StreamReplaced:
            raise
        except BusError as error:
            log.warning("router.turn_failed", router=self.name, error=str(error))
            await asyncio.sleep(RETRY_PAUSE)
        finally:
            await lease.release()

    # --- standby ------------------------------------------------------------------------------------------------

    async def _stand_by(self, lease: LeaseThread, stop: asyncio.Event) -> Footing:
        """Follow the log until the lease is ours, then fence off whoever had it."""
        follower = Follower(self._bus, self._workspace, keep_backlog=True)
        lease.observe()  # a dead router's lease runs out while we load, not afterwards
        following = asyncio.create_task(follower.run())
        saving = asyncio.create_task(self._save_snapshots(follower))
        try:
            await self._unless(stop, following, follower.wait_ready)
            await self._unless(stop, following, lambda: self._wait_lease(follower, lease))
            started = time.monotonic()
            footing = await self._unless(stop, following, lambda: self._take_over(follower))
            self._stats.takeovers += 1
            self._stats.last_takeover_ms = (time.monotonic() - started) * 1000
            log.info("router.took_over", router=self.name, term=footing.term.number, tail=footing.tail)
            return footing
        finally:
            await end([following, saving])

    async def _unless(
        self, stop: asyncio.Event, following: asyncio.Task[None], work: Callable[[], Coroutine[None, None, T]]
    ) -> T:
        """Do `work` unless the process is to stop (`Stopped`) or the follower fails (its error)."""
        working = asyncio.create_task(work())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping, following}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
            if stop.is_set():
                raise Stopped
            return working.result()
        finally:
            await end([working, stopping])

    async def _wait_lease(self, follower: Follower, lease: LeaseThread) -> None:
        """Wait until it is ours; a log written by a newer fold is followed and never written."""
        if not self._too_old(follower):
            await lease.acquire()
        if self._too_old(follower):
            await lease.release()
            await asyncio.Event().wait()  # until the process is stopped, and started again as a newer release

    def _too_old(self, follower: Follower) -> bool:
        newest = follower.term
        if newest is None or newest.evolve <= RECORD_VERSION:
            return False
        self._stats.alarms += 1
        mend = f"the log is written by release {newest.release}: upgrade this router"
        log.error("router.too_old", router=self.name, found=newest.evolve, ours=RECORD_VERSION, mend=mend, alarm=True)
        return True

    async def _take_over(self, follower: Follower) -> Footing:
        """Raise the barrier, and fold up to it; nobody else can write from then on."""
        tail = (await stream_state(self._bus, self._workspace.log_stream)).last
        await follower.catch_up(tail)
        term = self._next_term(follower)

        def next_term() -> Term:
            nonlocal term
            term = self._next_term(follower, least=term.number)
            return term

        barrier = await raise_barrier(
            self._bus,
            self._workspace,
            tail=tail,
            width=self._settings.window,
            term=next_term,
            look=follower.catch_up,
            stats=self._stats,
        )
        await follower.fold_through(barrier.begin)
        return Footing(
            state=follower.state,
            backlog=follower.backlog.records(),
            stamps=follower.stamps,
            term=term,
            tail=barrier.tail,
        )

    def _next_term(self, follower: Follower, least: int = 0) -> Term:
        last = follower.term.number if follower.term is not None else 0
        return Term(
            number=max(last + 1, least),
            router=self.name,
            release=self._settings.release,
            evolve=RECORD_VERSION,
            rules=follower.state.version,
        )

    async def _save_snapshots(self, follower: Follower) -> None:
        """A standby has the acknowledged state and time to spare: snapshots are its work."""
        saved = 0
        positions = Positions(self._bus, self._workspace, self._times.log_stream)
        snapshots = Snapshots(self._bus, self._workspace, self._times.log_stream)
        while True:
            await asyncio.sleep(STANDBY_LOOK)
            resting = follower.folded - saved < self._settings.snapshot_records or snapshots.rest() > 0
            if not follower.ready or resting:
                continue
            try:
                follower.backlog.forget(await positions.get(PEOPLE))
                kept = await snapshots.kept()
                saved = follower.folded
                if not kept or follower.position - kept[-1].manifest.log >= self._settings.snapshot_records:
                    await snapshots.store(
                        snapshots.fork(
                            follower.state, follower.position, backlog=follower.backlog.records(), term=follower.term
                        )
                    )
                    self._stats.snapshots += 1
            except (BusError, SnapshotFailed, OSError) as error:
                log.warning("router.snapshot_failed", error=str(error))

    # --- active -------------------------------------------------------------------------------------------------

    async def _route(self, footing: Footing, lease: LeaseThread, stop: asyncio.Event) -> None:
        gc.collect()
        gc.freeze()  # what was loaded is no garbage, and looking through it again and again costs the p99
        gc.set_threshold(GC_THRESHOLD)
        self.active = ActiveRouter(
            self._bus,
            self._workspace,
            footing,
            times=self._times,
            settings=self._settings,
            stats=self._stats,
            replay_days=self._replay_days,
        )
        routing = asyncio.create_task(self.active.run(lease.lost, stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({routing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({routing}, timeout=STOP_TIMEOUT)
            if not routing.done():
                log.error("router.not_drained", router=self.name, mend="what was decided will be decided again")
            elif not stop.is_set() and routing.exception() is None:
                log.warning("router.lease_lost", router=self.name)
        finally:
            self.active = None
            gc.unfreeze()
            stopping.cancel()
            if not routing.done():
                await end([routing])
        if not routing.cancelled():
            routing.result()
