"""The life of one message to a provider: claim, call, outcome, and what the delivery policy makes of it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal, TypeVar

import structlog

from adapters.contract import Adapter, Sent
from adapters.delivery import Ask, Done, Doubt, Fail, Repeat, Try, Verdict, after_find, after_send, interrupted
from adapters.errors import ChannelError
from adapters.pace import HOUR, Gate
from adapters.session import send_by
from broker.channels.claims import Claim, Claims, Overtaken
from broker.channels.tally import Tally, wall_clock
from normalizer.outbound import Outbound

LONGEST_FREEZE = HOUR
"""Nothing that a provider says stops a whole channel for longer; then it is asked again."""

STRAGGLING = 1_000
"""Milliseconds that bytes, written in the last moment of a call, may need to arrive; clocks differ by less."""

LEASE_GONE = "the lease of this channel is not held any more"
T = TypeVar("T")
OnDoubt = Callable[[Outbound, Ask], Awaitable[None]]


class Stopped(Exception):
    """The channel stops; nothing new is begun."""


class Clock:
    """Time, waiting and chance; tests bring their own. Milliseconds since the epoch."""

    def now(self) -> int:
        """Give the time."""
        return wall_clock()

    async def until(self, at: int) -> None:
        """Wait until a time."""
        await asyncio.sleep(max(0, at - self.now()) / 1_000)

    def draw(self) -> float:
        """Give a number from 0 up to 1."""
        return random.random()  # noqa: S311  # jitter, no secret


class Sender:
    """Calls one channel's provider: at its pace, never without a claim, never when somebody else has taken over.

    ``held`` says whether the channel is still ours; ``on_doubt`` is told as soon as an outcome is unknown.
    """

    def __init__(  # noqa: PLR0913  # all but three by name
        self,
        adapter: Adapter,
        claims: Claims,
        tally: Tally,
        *,
        worker: str,
        held: Callable[[], bool],
        on_doubt: OnDoubt,
        clock: Clock,
    ) -> None:
        self.adapter = adapter
        self.pace = adapter.pace
        self.claims = claims
        self.worker = worker
        self.on_doubt = on_doubt
        self.clock = clock
        self._tally = tally
        self._held = held
        self._gate = Gate(self.pace, adapter.lane)
        self._turnstile = asyncio.Lock()
        self._slots = asyncio.Semaphore(self.pace.parallel)
        self._resting: set[asyncio.Task[object]] = set()
        self._stopping = False
        self._log = structlog.get_logger(f"channel.{tally.status.channel}")

    async def send(self, outbound: Outbound) -> Claim:
        """See one message to its end, whatever happened to it before; returns its final claim.

        Raises:
            Overtaken: somebody else sends for this channel now.
            Stopped: :meth:`stop` was called.
        """
        return await _Delivery(self, outbound).finish()

    def stop(self) -> None:
        """Begin nothing new: what only waits ends now, what is in a call writes its outcome first."""
        self._stopping = True
        for task in self._resting:
            task.cancel()

    def check(self) -> None:
        """Raise Overtaken or Stopped when no call may begin."""
        if self._stopping:
            raise Stopped
        if not self.ours:
            raise Overtaken(LEASE_GONE)

    @property
    def ours(self) -> bool:
        """Whether the lease is held."""
        return self._held()

    async def until(self, at: int) -> None:
        """Wait until a time; :meth:`stop` ends it."""
        with self._rest():
            await self.clock.until(at)

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait until rates, freezes and calls under way let a call to this address through, in order of coming."""
        with self._rest():
            await self._pass(address)
        try:
            self.check()
            yield
        finally:
            self._slots.release()

    def freeze(self, verdict: Repeat, address: str) -> None:
        """Keep calls back as a verdict says."""
        until = min(verdict.at, self.clock.now() + LONGEST_FREEZE)
        if verdict.freeze == "address":
            self._gate.freeze(until, address)
        elif verdict.freeze == "channel":
            self._gate.freeze(until)
        self._tally.count("repeated")
        self._log.info("channel.send_repeated", code=verdict.code, at=verdict.at, freeze=verdict.freeze)

    async def call(self, work: Awaitable[T], by: int) -> T | Exception:
        """Call the adapter; exceptions are outcomes. ``by`` is when it must be over: others then take it to be."""
        seconds = (by - self.clock.now()) / 1_000
        try:
            with send_by(time.monotonic() + seconds):
                async with asyncio.timeout(seconds):
                    return await work
        except ChannelError as exc:
            self._log.info("channel.call_failed", code=exc.code)
            return exc
        except Exception as exc:  # noqa: BLE001  # adapters are foreign code; the policy knows what to make of it
            self._log.warning("channel.call_crashed", exc_info=exc)
            return exc

    async def _pass(self, address: str) -> None:
        while True:
            await self._opened(lambda now: self._gate.address_opens(address, now))
            async with self._turnstile:
                await self._slots.acquire()
                await self._opened(self._gate.channel_opens)
                now = self.clock.now()
                if self._gate.address_opens(address, now) <= now:
                    self._gate.enter(address, now)
                    return
                self._slots.release()

    async def _opened(self, opens: Callable[[int], int]) -> None:
        while (at := opens(now := self.clock.now())) > now:
            await self.clock.until(at)

    @contextmanager
    def _rest(self) -> Iterator[None]:
        """Mark the current task as one that may be cancelled without a trace."""
        if self._stopping:
            raise Stopped
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # only coroutines come here
        self._resting.add(task)
        try:
            yield
        finally:
            self._resting.discard(task)


class _Delivery:
    """One message on its way."""

    def __init__(self, sender: Sender, outbound: Outbound) -> None:
        self._sender = sender
        self._outbound = outbound
        self._revision = 0
        self._number = 0
        self._asked = 0

    async def finish(self) -> Claim:
        step: Verdict | Claim = await self._begin()
        while not isinstance(step, Claim):
            step = await self._follow(step)
        return step

    async def _begin(self) -> Verdict | Claim:
        """Go on from what the claim says."""
        claim = await self._read()
        if claim is not None and claim.state == "calling":
            await self._sender.until(claim.at + self._sender.pace.call_timeout + STRAGGLING)  # it may be under way
            claim = await self._read()
        if claim is None:
            return await self._first()
        match claim.state:
            case "calling":
                return after_send(self._sender.pace, interrupted(), self._try())
            case "waiting":
                return Repeat(at=claim.at, code=claim.code, message=claim.message)
            case _:
                return claim

    async def _first(self) -> Verdict:
        if self._sender.clock.now() > self._outbound.at + self._sender.pace.patience:
            return Fail(code="expired", message="the message is too old to be sent now")
        return await self._attempt()

    async def _follow(self, verdict: Verdict) -> Verdict | Claim:
        match verdict:
            case Repeat():
                await self._note("waiting", verdict.at, verdict.code, verdict.message)
                self._sender.freeze(verdict, self._outbound.address)
                await self._sender.until(verdict.at)
                return await self._attempt()
            case Ask():
                return await self._ask(verdict)
            case _:
                return await self._settle(verdict)

    async def _attempt(self) -> Verdict:
        """Claim, then call."""
        async with self._sender.turn(self._outbound.address):
            self._number += 1
            begun = await self._claim_call()
            if not self._sender.ours:  # writing the claim took long: somebody may be about to send it
                await self._note("waiting", self._sender.clock.now())
                raise Overtaken(LEASE_GONE)
            outcome = await self._sender.call(
                self._sender.adapter.send(self._outbound), begun + self._sender.pace.call_timeout
            )
            return after_send(self._sender.pace, outcome, self._try())

    async def _claim_call(self) -> int:
        """Claim, and give the time from which the call's time counts; none may be used up before the call begins."""
        while True:
            begun = self._sender.clock.now()
            await self._note("calling", begun)
            if self._sender.clock.now() - begun <= self._sender.pace.call_timeout // 2 or not self._sender.ours:
                return begun

    async def _ask(self, doubt: Ask) -> Verdict:
        if self._asked == 0:
            await self._sender.on_doubt(self._outbound, doubt)
        await self._sender.until(doubt.at)
        self._sender.check()
        self._asked += 1
        by = self._sender.clock.now() + self._sender.pace.call_timeout
        outcome: Sent | Exception | None = await self._sender.call(self._sender.adapter.find(self._outbound), by)
        return after_find(self._sender.pace, outcome, self._asked, self._try(), doubt)

    async def _settle(self, verdict: Done | Doubt | Fail) -> Claim:
        """Write the outcome; when somebody else has written one meanwhile, the one that knows more counts."""
        final = self._outcome(verdict)
        try:
            await self._sender.claims.write(self._outbound.id, final, self._revision)
        except Overtaken:
            theirs, _ = await self._sender.claims.read(self._outbound.id)
            if final.state == "sent":
                return final
            if theirs is not None and theirs.final:
                return theirs
            raise
        return final

    def _outcome(self, verdict: Done | Doubt | Fail) -> Claim:
        now = self._sender.clock.now()
        match verdict:
            case Done():
                return self._claim("sent", now, native_id=verdict.native_id)
            case Doubt():
                return self._claim("unknown", now, verdict.code, verdict.message)
            case Fail():
                return self._claim("failed", now, verdict.code, verdict.message)

    async def _read(self) -> Claim | None:
        claim, self._revision = await self._sender.claims.read(self._outbound.id)
        self._number = claim.number if claim else 0
        return claim

    async def _note(self, state: Literal["calling", "waiting"], at: int, code: str = "", message: str = "") -> None:
        claim = self._claim(state, at, code, message)
        self._revision = await self._sender.claims.write(self._outbound.id, claim, self._revision)

    def _claim(
        self,
        state: Literal["calling", "waiting", "sent", "failed", "unknown"],
        at: int,
        code: str = "",
        message: str = "",
        native_id: str = "",
    ) -> Claim:
        return Claim(
            worker=self._sender.worker,
            number=self._number,
            state=state,
            at=at,
            native_id=native_id[:255],
            code=code[:64],
            message=message[:1_000],
        )

    def _try(self) -> Try:
        clock = self._sender.clock
        return Try(number=max(self._number, 1), now=clock.now(), since=self._outbound.at, draw=clock.draw())
