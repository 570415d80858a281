"""A play in a workspace of its own on a real server: what customers and operators do, and what stands in the log."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from broker.bus.connection import Bus
from broker.bus.errors import NoAnswer
from broker.bus.reader import Reader
from broker.bus.streams import StreamTimes, Workspace
from broker.routing.follower import Follower
from broker.routing.process import RouterProcess
from broker.routing.settings import RouterSettings, RouterStats
from broker.routing.tasks import end
from normalizer.content import Text
from normalizer.envelope import Envelope
from router import inputs as i
from router.evolve import apply
from router.facts import AnyFact
from router.record import Record, decode_record
from router.rules import ChannelRule, OperatorRule, Route, Rules, Times
from router.state import State

PATIENCE = 60.0
# A machine that stands still for a while costs no lease: the tests and their routers share a loop.
SETTINGS = RouterSettings(
    name="", lease_ttl=6.0, renew_every=0.5, stuck_after=PATIENCE, tick_every=0.1, position_ms=300
)
LATER = 4_000_000_000_000


def rules(**times: int) -> Rules:
    return Rules(
        channels={"site": ChannelRule(type="webchat", units=1)},
        operators={"anna": OperatorRule(name="Anna", role="supervisor", units=10_000)},
        routes=(Route(name="all"),),
        times=Times(**times),
    )


async def until(true: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str = "") -> None:
    """Wait for a condition, with a bound."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = true()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"did not happen within {PATIENCE:g} s: {what or true}")


class Play:
    def __init__(self, bus: Bus, workspace: Workspace, times: StreamTimes) -> None:
        self.bus = bus
        self.workspace = workspace
        self.times = times
        self._numbers = itertools.count(1)

    # --- what people do -----------------------------------------------------------------------------------------

    async def put(self, source: str, value: i.Input) -> int:
        return (await self.bus.publish(self.workspace.in_subject(source), i.encode_input(value))).seq

    async def propose(self, value: Rules) -> int:
        return await self.put(i.RULES_SOURCE, i.RulesProposed(hash=f"h{next(self._numbers)}", rules=value))

    def message(self, address: str, native: str, text: str = "hello") -> i.Message:
        envelope = Envelope(
            id=f"e{next(self._numbers)}",
            at=1,
            channel="site",
            type="webchat",
            native_id=native,
            address=address,
            content=Text(text=text),
        )
        return i.Message(envelope=envelope)

    async def say(self, address: str, native: str = "", text: str = "hello") -> int:
        return await self.put("site", self.message(address, native or f"n{next(self._numbers)}", text))

    async def say_all(self, addresses: list[str]) -> None:
        pipeline = await self.bus.publisher(timeout=PATIENCE)
        subject = self.workspace.in_subject("site")
        under_way = []
        for address in addresses:
            payload = i.encode_input(self.message(address, f"n{next(self._numbers)}"))
            under_way.append(pipeline.send(subject, payload))
            if len(under_way) >= 256:
                await asyncio.gather(*under_way)
                under_way.clear()
        await asyncio.gather(*under_way)
        await pipeline.close()

    async def command(self, action: i.Action, operator: str = "anna") -> int:
        name = f"k{next(self._numbers)}"
        return await self.put(i.DESK_SOURCE, i.Command(id=name, operator=operator, expires=LATER, action=action))

    async def tick(self) -> int:
        return await self.put(i.TICK_SOURCE, i.Tick())

    async def open_desk(self, **times: int) -> None:
        """Rules and an operator who takes everything."""
        await self.propose(rules(**times))
        await self.put(i.DESK_SOURCE, i.DeskAlive(node="n1"))
        await self.put(i.DESK_SOURCE, i.OperatorUp(operator="anna", node="n1"))
        await self.command(i.SetPresence(state="available"))

    # --- what stands in the log -----------------------------------------------------------------------------------

    async def messages(self) -> list[tuple[int, str, bytes]]:
        """The whole log; asked again while the nodes of a cluster elect a leader."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(NoAnswer):
                    async with Reader(self.bus, self.workspace.log_stream) as reader:
                        return [(s.seq, s.subject, s.payload) async for batch in reader.read_all() for s in batch]

    async def records(self) -> list[tuple[int, Record]]:
        return [(seq, decode_record(load)) for seq, subject, load in await self.messages() if self._is_record(subject)]

    @asynccontextmanager
    async def growing(self) -> AsyncIterator[AsyncIterator[Record]]:
        """The records from the first on, and those that are still to come; endless."""
        async with Reader(self.bus, self.workspace.log_stream) as reader:
            stored = (s async for batch in reader.batches() for s in batch)
            yield (decode_record(s.payload) async for s in stored if self._is_record(s.subject))

    def _is_record(self, subject: str) -> bool:
        return subject not in (self.workspace.term_subject, self.workspace.skip_subject)

    async def facts(self, kind: type[AnyFact]) -> list[AnyFact]:
        return [fact for _, record in await self.records() for fact in record.facts if isinstance(fact, kind)]

    async def count(self, kind: type[AnyFact]) -> int:
        return len(await self.facts(kind))

    async def fold(self) -> State:
        """The state by folding everything from the first record on."""
        state = State()
        for _, record in await self.records():
            apply(state, record)
        return state

    async def ids_once(self) -> None:
        """Nothing doubled: each step stands in the log once, in order."""
        ids = [record.id for _, record in await self.records()]
        assert ids == sorted(set(ids))

    # --- processes ------------------------------------------------------------------------------------------------

    def router(self, bus: Bus, settings: RouterSettings = SETTINGS) -> RouterProcess:
        return RouterProcess(bus, self.workspace, self.times, settings=settings, stats=RouterStats(), replay_days=14)

    @asynccontextmanager
    async def running(self, settings: RouterSettings = SETTINGS) -> AsyncIterator["Run"]:
        """A router on a connection of its own; stopped cleanly at the end, unless it has been killed."""
        bus = await Bus.connect(self.bus.settings, "router")
        run = Run(self.router(bus, settings), bus)
        try:
            yield run
        finally:
            await run.stop()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Follower]:
        follower = Follower(self.bus, self.workspace)
        task = asyncio.create_task(follower.run())
        try:
            await until(lambda: follower.ready or task.done())
            if task.done():
                await task
            yield follower
        finally:
            await end([task])


class Run:
    """A router process in this loop."""

    def __init__(self, router: RouterProcess, bus: Bus) -> None:
        self.router = router
        self.bus = bus
        self.stats = router._stats
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(router.run(self._stop))

    async def active(self) -> None:
        await until(lambda: self.stats.active or self.task.done(), "active")
        if self.task.done():
            await self.task

    async def stepped(self, seq: int) -> None:
        """Until input `seq` is consumed and everything decided is acknowledged."""

        def reached() -> bool:
            active = self.router.active
            if active is None or active.machine.input < seq:
                return False
            active._outbox.settle()
            return not active._outbox._items

        await until(lambda: reached() or self.task.done(), f"input {seq}")
        if self.task.done():
            await self.task

    async def stop(self) -> None:
        self._stop.set()
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self.task])
        await self.bus.close()
        if not self.task.cancelled():
            self.task.result()

    async def kill(self) -> None:
        """No clean stop: no snapshot, no drain."""
        await end([self.task])
