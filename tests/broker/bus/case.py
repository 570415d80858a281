"""Streams, faults and ledgers that the parts of the bus's contract share."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from broker.bus.api import StreamInfo, call
from broker.bus.connection import Bus
from broker.bus.errors import PublishRefused, PublishUnknown
from broker.bus.kv import Bucket
from broker.bus.reader import (
    Reader,
    Stored,
    stream_state,
)
from broker.bus.streams import StreamConfig, Workspace, ensure_stream, ensure_streams
from tests.fixtures.nats import Servers, own_workspace

ENOUGH = 60.0  # seconds for anything that waits for a recovery
NEVER = 10 * ENOUGH
EXPECT = "Nats-Expected-Last-Sequence"


async def collect(reader: Reader, until: Callable[[list[Stored]], bool]) -> list[Stored]:
    found: list[Stored] = []
    async with asyncio.timeout(ENOUGH):
        async for batch in reader.batches():
            found += batch
            if until(found):
                break
    return found


async def wait_leader(bus: Bus, subject: str) -> None:
    """Until our node has heard who stores `subject`: a fresh stream's leader is told of later; pipelines ask once."""
    with pytest.raises(PublishRefused):
        await bus.publish(subject, b"", headers={EXPECT: "1000000"}, timeout=ENOUGH)


async def publish_all(bus: Bus, stream: str, count: int, *, subject: str = "a", first: int = 0) -> None:
    pipeline = await bus.publisher(timeout=ENOUGH)
    acks = [pipeline.send(f"{stream}.{subject}", str(first + i).encode()) for i in range(count)]
    await asyncio.gather(*acks)
    await pipeline.close()


async def publish_until_stored(bus: Bus, subject: str, payload: bytes, msg_id: str) -> int:
    """As an adapter does: the same id again until it is acknowledged."""
    while True:
        try:
            return (await bus.publish(subject, payload, headers={"Nats-Msg-Id": msg_id}, timeout=1)).seq
        except PublishUnknown:
            await asyncio.sleep(0.05)


async def step_down(bus: Bus, stream: str) -> None:
    await call(bus, f"STREAM.LEADER.STEPDOWN.{stream}", {}, StreamInfo)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class BusCase:
    """What every part of the contract needs; subclasses give `servers`."""

    @pytest.fixture
    def servers(self) -> Servers:
        raise NotImplementedError

    @pytest.fixture
    async def bus(self, servers: Servers) -> AsyncIterator[Bus]:
        bus = await Bus.connect(servers.settings, "contract")
        try:
            yield bus
        finally:
            await bus.close()

    @pytest.fixture
    async def stream(self, bus: Bus) -> str:
        """A fresh stream; its name is the first token of its subjects."""
        name = f"s{uuid.uuid4().hex[:12]}"
        replicas = bus.settings.replicas
        await ensure_stream(
            bus, StreamConfig(name=name, subjects=(f"{name}.>",), num_replicas=replicas, allow_atomic=True)
        )
        await wait_leader(bus, f"{name}.a")
        return name

    @pytest.fixture
    async def workspace(self, bus: Bus) -> Workspace:
        """Everything of a workspace; the same for all tests of a run."""
        workspace = Workspace("contract")
        await ensure_streams(bus, workspace)
        return workspace

    @pytest.fixture
    async def log(self, bus: Bus) -> Workspace:
        """A workspace of which only the log exists, empty."""
        workspace = own_workspace()
        await ensure_stream(
            bus,
            StreamConfig(
                name=workspace.log_stream,
                subjects=(f"tl.{workspace.name}.log.>",),
                num_replicas=bus.settings.replicas,
                allow_atomic=True,
            ),
        )
        await wait_leader(bus, workspace.skip_subject)
        return workspace

    @pytest.fixture
    async def bucket(self, bus: Bus, workspace: Workspace) -> Bucket:
        return Bucket(bus, workspace.leases_bucket)

    @pytest.fixture
    def key(self) -> str:
        return f"k{uuid.uuid4().hex}"

    async def victim(self, bus: Bus, stream: str) -> int:
        """The node that hurts most."""
        del bus, stream
        return 0

    async def write_through(self, bus: Bus, stream: str, fault: Callable[[], None]) -> dict[int, bytes]:
        """Write 3,000 messages with a fault after a third, each with its id until it is stored."""
        acknowledged: dict[int, bytes] = {}

        async def write(writer: int) -> None:
            for n in range(300):
                if writer == 0 and n == 100:
                    fault()
                payload = b"%d-%d" % (writer, n)
                acknowledged[await publish_until_stored(bus, f"{stream}.w{writer}", payload, payload.decode())] = (
                    payload
                )

        async with asyncio.timeout(ENOUGH), asyncio.TaskGroup() as group:
            for writer in range(10):
                group.create_task(write(writer))
        return acknowledged

    async def read_through(self, bus: Bus, stream: str, fault: Callable[[], None]) -> None:
        async with Reader(bus, stream) as reader:
            reading = asyncio.create_task(collect(reader, lambda found: len(found) >= 3000))
            await self.write_through(bus, stream, fault)
            found = await reading
        last = await stream_state(bus, stream)
        assert [stored.seq for stored in found] == list(range(1, last.last + 1))
        for writer in range(10):
            numbers = [stored.payload for stored in found if stored.subject == f"{stream}.w{writer}"]
            assert numbers == [b"%d-%d" % (writer, n) for n in range(300)]
