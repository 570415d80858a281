"""A workspace of its own for each test, a provider inside the process, and what the router would write."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
import pytest

from adapters.contract import Adapter, Sent
from adapters.pace import Pace
from adapters.session import sending_until
from broker.bus.connection import Bus
from broker.bus.dead import DeadLetter, DeadLetters
from broker.bus.reader import Reader
from broker.bus.streams import StreamTimes, Workspace, ensure_streams
from broker.channels.door import Door
from broker.channels.sending import Clock
from broker.channels.tally import Tally, wall_clock
from broker.channels.worker import Worker
from normalizer.capabilities import Capabilities
from normalizer.content import Content, Text
from normalizer.envelope import Envelope
from normalizer.outbound import Outbound, Receipt, ReceiptState
from router.facts import ReplySent
from router.inputs import Message, Reported, decode_input
from router.record import Record, encode_record
from tests.fixtures.nats import own_workspace

CHANNEL = "hook"
QUICK = Pace(call_timeout=8_000, first_pause=2, longest_pause=4, finds=2)
PATIENCE = 60.0


class ProviderSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="fake", tag_field="type"
):
    pass


@dataclass
class Provider:
    """What the provider does: outcomes by outbound id, in order; nothing prepared means that it takes the message."""

    outcomes: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    finds: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    calls: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    deadlines: dict[str, float] = field(default_factory=dict)


class FakeChannel(Adapter):
    type = "fake"
    Settings = ProviderSettings
    capabilities: ClassVar[Capabilities] = Capabilities(text_limit=16)
    pace = QUICK
    provider: Provider

    async def send(self, outbound: Outbound) -> Sent:
        self.provider.calls.append(outbound.id)
        self.provider.deadlines[outbound.id] = sending_until()
        self.provider.entered.set()
        if outbound.id in self.provider.gates:
            await self.provider.gates[outbound.id].wait()
        outcomes = self.provider.outcomes[outbound.id]
        outcome = outcomes.pop(0) if outcomes else Sent(native_id=f"p-{outbound.id}")
        if isinstance(outcome, Exception):
            raise outcome
        self.provider.taken.append(outbound.id)
        return outcome

    async def find(self, outbound: Outbound) -> Sent | None:
        self.provider.asked.append(outbound.id)
        answers = self.provider.finds[outbound.id]
        answer = answers.pop(0) if answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


class HeldLease:
    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.held = True

    def lose(self) -> None:
        self.held = False
        self.lost.set()


class Scene:
    """One workspace, one provider, and any number of workers for it."""

    def __init__(self, bus: Bus, workspace: Workspace, times: StreamTimes) -> None:
        self.bus = bus
        self.workspace = workspace
        self.times = times
        self.provider = Provider()
        self.tally = Tally(CHANNEL, "fake")
        self.door = Door(bus, workspace, self.tally, merge_for=0.05)
        self.numbers: dict[str, int] = defaultdict(int)
        self._running: dict[asyncio.Task[None], HeldLease] = {}

    async def write(self, conversation: str, content: Content | str = "hello", *, at: int | None = None) -> str:
        """Append what the router would: a record with an answer. Returns its outbound id."""
        self.numbers[conversation] += 1
        identity = f"{conversation}-{self.numbers[conversation]}"
        now = wall_clock()
        outbound = Outbound(
            id=identity,
            conversation=conversation,
            channel=CHANNEL,
            address=f"fake:{conversation}",
            at=now if at is None else at,
            content=Text(text=content) if isinstance(content, str) else content,
        )
        fact = ReplySent(conversation=conversation, n=self.numbers[conversation], outbound=outbound)
        await self.write_record(conversation, (fact,))
        return identity

    async def write_record(self, conversation: str, facts: tuple[Any, ...], subject: str = "") -> int:
        record = Record(input=1, step=0, now=wall_clock(), term=1, rules=1, cause="input", facts=facts)
        subject = subject or self.workspace.out_subject(conversation, CHANNEL)
        return (await self.bus.publish(subject, encode_record(record))).seq

    def worker(
        self,
        lease: HeldLease | None = None,
        *,
        provider: Provider | None = None,
        pace: Pace = QUICK,
        clock: Clock | None = None,
    ) -> Worker:
        adapter = FakeChannel(ProviderSettings(), None)  # type: ignore[arg-type]  # it uses no context
        adapter.provider = provider or self.provider
        adapter.pace = pace
        return Worker(
            adapter,
            bus=self.bus,
            workspace=self.workspace,
            created=self.times.log_stream,
            door=self.door,
            tally=self.tally,
            lease=lease or HeldLease(),
            name=uuid.uuid4().hex,
            link=lambda media: f"https://files.example/{media.file.name}",
            clock=clock,
        )

    def start(self, worker: Worker | None = None) -> asyncio.Task[None]:
        task = asyncio.create_task((worker or self.worker()).run())
        self._running[task] = HeldLease()
        return task

    async def stop(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._running.pop(task, None)

    async def close(self) -> None:
        for task in list(self._running):
            await self.stop(task)
        await self.door.close()

    async def inputs(self, until: Callable[[list[Any]], bool]) -> list[Any]:
        """Read IN from its start until it holds what is waited for."""
        found: list[Any] = []
        async with asyncio.timeout(PATIENCE), Reader(self.bus, self.workspace.in_stream) as reader:
            async for batch in reader.batches():
                found += [decode_input(CHANNEL, stored.payload) for stored in batch]
                if until(found):
                    break
        return found

    async def receipts(self, **states: str) -> list[Receipt]:
        """Wait until each outbound id (``c1_2`` for ``c1-2``) has had a receipt of that state; gives all of them."""
        wanted = {(name.replace("_", "-"), ReceiptState(state)) for name, state in states.items()}
        found = await self.inputs(
            lambda seen: wanted <= {(r.receipt.outbound, r.receipt.state) for r in seen if isinstance(r, Reported)}
        )
        return [one.receipt for one in found if isinstance(one, Reported)]

    async def envelopes(self, count: int) -> list[Envelope]:
        found = await self.inputs(lambda seen: len(seen) >= count)
        return [one.envelope for one in found if isinstance(one, Message)]

    async def dead(self) -> list[DeadLetter]:
        return await DeadLetters(self.bus).list(self.workspace)


@pytest.fixture
async def scene(bus: Bus) -> AsyncIterator[Scene]:
    workspace = own_workspace()
    scene = Scene(bus, workspace, await ensure_streams(bus, workspace))
    yield scene
    async with asyncio.timeout(PATIENCE):
        await scene.close()
