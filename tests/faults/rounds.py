"""One round: load, a fault at a random moment, time to recover, quiet, and then the ledger."""

import asyncio
import math
import random
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import msgspec

from broker.bus.connection import Bus
from broker.bus.reader import Reader, Stored
from broker.bus.streams import Workspace
from tests.e2e.actors import Operator, Visitor
from tests.e2e.installation import WORKSPACE, Installation
from tests.faults.ledger import Ledger

STOPPED_FOR = 10.0
WARM_UP = (0.5, 2.0)
AFTERWARDS = 2.0
"""Seconds of load behind the recovery: what was in doubt meets what is new."""

STUCK_AFTER = 60.0
"""Seconds without any progress after which what is unfinished counts as stuck; a slow machine may take its time."""

QUIET_WITHIN = 900.0


class Fault(msgspec.Struct, frozen=True):
    """What happens: ``strike`` begins it, ``mend`` (after ``lasts`` seconds) ends it."""

    strike: Callable[[], None]
    mend: Callable[[], None]
    lasts: float


class Load(msgspec.Struct, frozen=True):
    """So many messages a second, of so many visitors, answered by so many operators."""

    rate: float
    visitors: int


class Crew:
    """Everybody who takes part, and the ledger that watches them."""

    def __init__(self, installation: Installation, ledger: Ledger, load: Load, seed: int) -> None:
        self.installation = installation
        self.ledger = ledger
        self.load = load
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - to be repeated
        desk, site = installation.parts["desk"], installation.parts["site"]
        self.visitors = [
            Visitor(lambda: site.url, f"v{n}", f"10.2.{n // 250}.{n % 250 + 1}") for n in range(load.visitors)
        ]
        self.operators = [
            Operator(lambda: desk.url, name, f"10.3.0.{n + 1}") for n, name in enumerate(installation.operators)
        ]
        self._written = 0

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Everybody is there, and everybody is gone afterwards, with nothing left open."""
        self.ledger.broken.clear()  # what an earlier test has found is told already
        async with AsyncExitStack() as stack:
            for operator in self.operators:
                await stack.enter_async_context(operator)
            for visitor in self.visitors:
                await stack.enter_async_context(visitor)
            await asyncio.gather(*(client.online() for client in (*self.operators, *self.visitors)))
            await eventually(lambda: all(map(available, self.operators)), "the operators are available")
            try:
                yield
            finally:
                await self._close()
            await self.settle()

    async def _close(self) -> None:
        """Make room for those who come next."""
        for operator in self.operators:
            for conversation in operator.mine:
                operator.order({"do": "close", "conversation": conversation})
        await eventually(lambda: not any(operator.mine for operator in self.operators), "all is closed")
        self.ledger.note_orders(self.operators)

    async def write(self) -> None:
        """Write at the rate of the load until cancelled, late messages at once (of two seconds at most)."""
        begun, count = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - begun) * self.load.rate)
            for _ in range(min(due - count, int(2 * self.load.rate))):
                self._written += 1
                self.random.choice(self.visitors).write(f"message {self._written}")
            count = due
            await asyncio.sleep(1 / self.load.rate)

    async def survive(self, fault: Fault, name: str) -> float:
        """One round; gives the seconds without any decided message, and raises what the ledger found."""
        try:
            return await self._survive(fault)
        except AssertionError as failure:
            say(f"{name}, seed {self.seed}, broken: {failure}")
            raise

    async def _survive(self, fault: Fault) -> float:
        writing = asyncio.create_task(self.write())
        try:
            await asyncio.sleep(self.random.uniform(*WARM_UP))
            struck = time.time()
            fault.strike()
            try:
                await asyncio.sleep(fault.lasts)
            finally:
                fault.mend()
            await self._recovered()
            await asyncio.sleep(AFTERWARDS)
            ended = time.time()
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
        await self.settle()
        return self.ledger.silence(struck, ended)

    async def settle(self) -> None:
        """Wait until nothing is under way, and compare."""
        await self._quiet()
        for alarm in self.installation.new_alarms():
            self.ledger.break_(f"an alarm: {alarm}")
        await self.read()
        self.ledger.settle(self.visitors, self.operators)
        assert not self.ledger.broken, "\n".join(self.ledger.broken[:30])

    async def _quiet(self) -> None:
        """Wait as long as something moves."""
        begun = moved = time.monotonic()
        before = ""
        while now := self.unfinished():
            if now != before:
                before, moved = now, time.monotonic()
            if time.monotonic() > min(moved + STUCK_AFTER, begun + QUIET_WITHIN):
                self.ledger.break_(f"stuck after {time.monotonic() - begun:.0f} s: {now}")
                return
            await asyncio.sleep(0.05)

    async def read(self) -> None:
        """Let the ledger follow the log up to its end, and IN as far as that end has consumed it."""
        workspace = Workspace(WORKSPACE)
        bus = await Bus.connect(self.installation.bus, "ledger")
        try:
            await follow(bus, workspace.log_stream, self.ledger.position, self.ledger.take)
            await follow(bus, workspace.in_stream, self.ledger.inputs, self.ledger.replay, self.ledger.state.input)
        finally:
            await bus.close()

    def unfinished(self) -> str:
        """What is still under way, in words."""
        unticked = sum(len(visitor.unacknowledged) for visitor in self.visitors)
        unshown = sum(len(visitor.written) - len(visitor.own) for visitor in self.visitors)
        unanswered = sum(len(visitor.written) - len(visitor.replies) for visitor in self.visitors)
        pending = sum(len(operator.pending) for operator in self.operators)
        unopened = sum(len(operator.unopened) for operator in self.operators)
        if not (unticked or unshown or unanswered > 0 or pending or unopened):
            return ""
        return (
            f"{unticked} without a tick, {unshown} not shown, {unanswered} not answered, {pending} commands open,"
            f" {unopened} conversations not on the screen"
        )

    async def _recovered(self) -> None:
        """Wait until somebody's message that was written just now is decided."""
        probe = self.random.choice(self.visitors)
        self._written += 1
        name = probe.write(f"is anybody there? {self._written}")
        await eventually(lambda: any(item["id"] == name for item in probe.own), "messages are decided again", 60)


async def follow(bus: Bus, stream: str, position: int, take: Callable[[Stored], None], last: float = math.inf) -> None:
    """Hand over everything behind a position, up to the end or to the sequence ``last``."""
    async with Reader(bus, stream, start_seq=position + 1) as reader:
        async for batch in reader.read_all():
            for stored in batch:
                if stored.seq > last:
                    return
                take(stored)


def available(operator: Operator) -> bool:
    """Whether the desk shows the operator as somebody who takes conversations."""
    return operator.card.get("state") == "available"


async def eventually(look: Callable[[], object], what: str, within: float = 60.0) -> None:
    """Look again and again: what happens in other processes tells nobody here."""
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.05)


def killed(strike: Callable[[signal.Signals], None], mend: Callable[[], None], lasts: float = 0.0) -> Fault:
    """kill -9; ``mend`` starts it again where nobody else does."""
    return Fault(lambda: strike(signal.SIGKILL), mend, lasts)


def stopped(strike: Callable[[signal.Signals], None]) -> Fault:
    """SIGSTOP, and SIGCONT after ten seconds: a machine that was suspended, a disk that hung."""
    return Fault(lambda: strike(signal.SIGSTOP), lambda: strike(signal.SIGCONT), STOPPED_FOR)


def together(faults: Sequence[Fault]) -> Fault:
    """Several at the same moment."""

    def strike() -> None:
        for fault in faults:
            fault.strike()

    def mend() -> None:
        for fault in faults:
            fault.mend()

    return Fault(strike, mend, max(fault.lasts for fault in faults))


def report(kind: str, seed: int, recoveries: Sequence[float], ledger: Ledger) -> None:
    """Print what was measured."""
    each = ", ".join(f"{seconds:.1f}" for seconds in recoveries)
    say(
        f"{kind} (seed {seed}): {len(recoveries)} rounds, seconds without a decision:"
        f" min {min(recoveries):.1f}, median {statistics.median(recoveries):.1f}, max {max(recoveries):.1f}"
        f" [{each}]; {len(ledger.decided)} messages, {ledger.records} records, {len(ledger.terms)} terms"
    )


def say(line: str) -> None:
    """Print at once: a full run takes hours."""
    sys.stderr.write(f"\n{line}\n")
    sys.stderr.flush()
