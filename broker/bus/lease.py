"""Leases: who may do what only one may do at a time.

A lease is a key that its holder writes again and again. Whoever wants it takes it over when its revision has not
moved for the ttl by the observer's own clock; clocks of different machines are never compared. A lease is a courtesy,
not a guarantee: a holder may be stalled without knowing. The log's guarantee is the fence.
"""

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Callable

import msgspec
import structlog

from broker.bus.connection import Bus
from broker.bus.errors import BusError, KeyExists, NoAnswer, PublishUnknown, WrongRevision
from broker.bus.kv import Bucket
from broker.bus.settings import BusSettings

TTL = 6.0  # seconds
RENEW_EVERY = 1.5
LOOK_EVERY = 0.5  # seconds between two looks of somebody who waits
MARGIN = 0.5  # seconds before the ttl's end at which the holder stops to trust its lease
RELEASE_TIMEOUT = 3.0
STUCK_AFTER = 2.0
BEAT_EVERY = 0.25

log = structlog.get_logger(__name__)


class _Claim(msgspec.Struct):
    """The value of a lease's key: who, and a number that no two attempts share."""

    owner: str
    nonce: str


class Lease:
    """A lease on a key, renewed by a task of the caller's loop.

    Times in seconds; `clock` is monotonic. `lost` is set when a lease that was held is held no longer, whoever did it.
    """

    def __init__(  # noqa: PLR0913  # all but three by name
        self,
        bucket: Bucket,
        key: str,
        owner: str,
        *,
        ttl: float = TTL,
        renew_every: float = RENEW_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lost = asyncio.Event()
        self._bucket = bucket
        self._key = key
        self._value = msgspec.json.encode(_Claim(owner, secrets.token_hex(8)))
        self._ttl = ttl
        self._renew_every = renew_every
        self._clock = clock
        self._revision: int | None = None  # of our own claim while we hold the lease
        self._renewed_at = 0.0
        self._seen: tuple[int, float] | None = None  # somebody else's revision and since when it stands
        self._busy = asyncio.Lock()
        self._renewer: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """Whether it is ours and was renewed recently enough for nobody to have taken it over."""
        return self._revision is not None and self._clock() < self._renewed_at + self._ttl - MARGIN

    async def acquire(self) -> None:
        """Wait until the lease is ours, then renew it in a task until `release` or loss."""
        self.lost.clear()
        while True:
            if await self.attempt():
                break
            await asyncio.sleep(LOOK_EVERY)
        self._renewer = asyncio.create_task(self._renew_until_lost())

    async def attempt(self) -> bool:
        """Look once, and take the lease if it is free or has run out; says whether it is ours."""
        begun = self._clock()
        try:
            revision = await self._take(begun)
        except (KeyExists, WrongRevision, NoAnswer, PublishUnknown) as error:
            log.debug("lease.not_taken", key=self._key, error=str(error))
            return False
        if revision is None:
            return False
        self._revision, self._renewed_at, self._seen = revision, begun, None
        log.info("lease.taken", key=self._key)
        return True

    async def look(self) -> None:
        """Note since when whoever holds it has not renewed it, and take nothing: `attempt` counts that time."""
        begun = self._clock()
        try:
            entry = await self._bucket.get(self._key)
        except NoAnswer as error:
            log.debug("lease.not_seen", key=self._key, error=str(error))
        else:
            self._note(entry.revision if entry is not None else None, begun)

    async def renew(self) -> bool:
        """Renew once; says whether the lease is still ours. An answer that is lost is asked for again."""
        async with self._busy:
            return self._revision is not None and await self._renew(self._revision)

    async def release(self) -> None:
        """Stop renewing and delete it if it is still ours; bounded, so that the next one need not wait for the ttl."""
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT), self._busy:  # a renewal under way would move the revision
                revision, self._revision = self._revision, None
                if revision is not None:
                    self.lost.set()
                    await self._bucket.delete(self._key, revision=revision)
        except (BusError, TimeoutError) as error:
            log.info("lease.not_deleted", key=self._key, error=str(error))
        finally:
            await self._stop_renewing()

    async def _stop_renewing(self) -> None:
        self._revision = None
        if self._renewer is not None:
            self._renewer.cancel()
            await asyncio.wait([self._renewer])
            self._renewer = None

    async def _renew(self, revision: int) -> bool:
        begun, ours = self._clock(), True
        try:
            self._revision = await self._bucket.update(self._key, self._value, revision)
            self._renewed_at = begun
        except WrongRevision:
            ours = await self._adopt(begun)
        except (NoAnswer, PublishUnknown) as error:
            log.warning("lease.not_renewed", key=self._key, error=str(error))
        if ours and self.held:
            return True
        self._lose("not renewed in time" if ours else "somebody else holds it")
        return False

    async def _take(self, now: float) -> int | None:
        entry = await self._bucket.get(self._key)
        if entry is None:
            return await self._bucket.create(self._key, self._value)
        if entry.value == self._value:  # our own claim, whose answer was lost
            return await self._bucket.update(self._key, self._value, entry.revision)
        if now - self._note(entry.revision, now) < self._ttl:
            return None
        return await self._bucket.update(self._key, self._value, entry.revision)

    def _note(self, revision: int | None, now: float) -> float:
        """Since when the key stands at `revision` (None: there is none)."""
        if revision is None:
            self._seen = None
        elif self._seen is None or self._seen[0] != revision:
            self._seen = (revision, now)
        return self._seen[1] if self._seen is not None else now

    async def _adopt(self, begun: float) -> bool:
        """The revision has moved: by a renewal of ours whose answer was lost, or (False) by somebody else."""
        try:
            entry = await self._bucket.get(self._key)
        except NoAnswer as error:
            log.warning("lease.not_renewed", key=self._key, error=str(error))
            return True
        if entry is None or entry.value != self._value:
            return False
        self._revision, self._renewed_at = entry.revision, begun
        return True

    async def _renew_until_lost(self) -> None:
        while True:
            await asyncio.sleep(self._renew_every)
            if not await self.renew():
                break

    def _lose(self, reason: str) -> None:
        log.warning("lease.lost", key=self._key, reason=reason)
        self._revision = None
        self.lost.set()


class LeaseThread:
    """A lease renewed by a thread with a loop and a connection of its own.

    The caller's loop shows that it runs by a heartbeat; when that stops for `stuck_after` seconds the thread gives the
    lease back, so that another one can go on at once. `lost` belongs to the caller's loop; the thread reads `clock`, by
    which the ttl passes. One use: after a loss or a release make a new one.
    """

    def __init__(  # noqa: PLR0913  # all but four by name
        self,
        settings: BusSettings,
        bucket: str,
        key: str,
        owner: str,
        *,
        ttl: float = TTL,
        renew_every: float = RENEW_EVERY,
        stuck_after: float = STUCK_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lost = asyncio.Event()
        self.worst_delay = 0.0  # seconds: the longest that the caller's loop was late
        self._settings = settings
        self._bucket = bucket
        self._key = key
        self._owner = owner
        self._ttl = ttl
        self._renew_every = renew_every
        self._stuck_after = stuck_after
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._acquired: asyncio.Future[None] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._beaten_at = time.monotonic()
        self._beat_timer: asyncio.TimerHandle | None = None
        self._lease: Lease | None = None  # while it is held
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lease {key}", daemon=True)

    @property
    def held(self) -> bool:
        """Whether it is ours and was renewed recently enough; true to the clock even if the thread stood still."""
        lease = self._lease
        return lease is not None and lease.held

    def observe(self) -> None:
        """Start the thread, which watches whoever holds the lease until `acquire` wants it.

        So the ttl of a holder that has died passes while the caller still prepares.
        """
        if self._thread.ident is None:
            self._thread.start()

    async def acquire(self) -> None:
        """Wait until the lease is ours; raises `NotConnected`."""
        self._beaten_at = time.monotonic()
        self._beat()
        self._wanted.set()
        self.observe()
        await asyncio.shield(self._acquired)

    async def release(self) -> None:
        """Give it back and end the thread; bounded."""
        self._stop.set()
        self._wanted.set()
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        if self._thread.is_alive():
            try:
                async with asyncio.timeout(2 * RELEASE_TIMEOUT):
                    await self._ended.wait()
            except TimeoutError:
                log.warning("lease.thread_left", key=self._key)
        if not self._acquired.cancel() and not self._acquired.cancelled():
            self._acquired.exception()  # nobody may have asked for it: no reason for asyncio to complain

    def _beat(self) -> None:
        now = time.monotonic()
        self.worst_delay = max(self.worst_delay, now - self._beaten_at - BEAT_EVERY)
        self._beaten_at = now
        self._beat_timer = self._loop.call_later(BEAT_EVERY, self._beat)

    def _run(self) -> None:
        try:
            asyncio.run(self._hold())
        except BusError as error:
            self._tell(self._fail, error)
        finally:
            self._lease = None
            self._tell(self._finish)

    async def _hold(self) -> None:
        bus = await Bus.connect(self._settings, f"lease {self._key}")
        bucket = Bucket(bus, self._bucket)
        lease = Lease(bucket, self._key, self._owner, ttl=self._ttl, renew_every=self._renew_every, clock=self._clock)
        try:
            while not self._wanted.is_set():
                await lease.look()
                await asyncio.to_thread(self._wanted.wait, LOOK_EVERY)
            taking = asyncio.create_task(lease.acquire())
            while not taking.done() and not self._stop.is_set():
                await asyncio.wait([taking], timeout=BEAT_EVERY)
            if taking.done():
                await taking
                self._lease = lease
                self._tell(self._grant)
                await self._watch(lease)
            taking.cancel()
            await asyncio.wait([taking])
        finally:
            self._lease = None
            await lease.release()
            await bus.close()

    async def _watch(self, lease: Lease) -> None:
        """Until it is lost, given back, or the caller's loop is stuck."""
        while lease.held and not self._stop.is_set():
            late = time.monotonic() - self._beaten_at
            if late > self._stuck_after:
                log.error("lease.loop_stuck", key=self._key, seconds=round(late, 1))
                return
            await asyncio.sleep(BEAT_EVERY / 2)

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        """Run something in the caller's loop, which may have ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what, *arguments)

    def _grant(self) -> None:
        if not self._acquired.done():
            self._acquired.set_result(None)

    def _fail(self, error: BusError) -> None:
        if not self._acquired.done():
            self._acquired.set_exception(error)

    def _finish(self) -> None:
        self._beat()  # a stall that ends just now counts
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        self.lost.set()
        self._ended.set()
