"""The bus's contract on one server and on three nodes."""

import asyncio
import signal
from typing import Any

import msgspec
import pytest

from broker.bus.api import Fault, call
from broker.bus.connection import Bus
from broker.bus.reader import Reader
from tests.broker.bus.case import publish_until_stored, step_down
from tests.broker.bus.contract_asking import AskingContract
from tests.broker.bus.contract_fence import FenceContract
from tests.broker.bus.contract_owning import OwningContract
from tests.broker.bus.contract_storing import StoringContract
from tests.fixtures.nats import Servers, drops_sockets


class BusContract(StoringContract, AskingContract, FenceContract, OwningContract):
    """All of it."""


class Led(msgspec.Struct):
    cluster: dict[str, Any]
    error: Fault | None = None


class TestOneServer(BusContract):
    @pytest.fixture
    def servers(self, nats_server: Servers) -> Servers:
        return nats_server


@pytest.mark.cluster
class TestThreeNodes(BusContract):
    @pytest.fixture
    def servers(self, nats_cluster: Servers) -> Servers:
        return nats_cluster

    async def victim(self, bus: Bus, stream: str) -> int:
        info = await call(bus, f"STREAM.INFO.{stream}", None, Led)
        return int(info.cluster["leader"].removeprefix("n"))

    async def test_a_leader_that_steps_down_in_mid_pipeline_loses_nothing_acknowledged(
        self, bus: Bus, stream: str
    ) -> None:
        pipeline = await bus.publisher()
        acks = []
        for n in range(2000):
            acks.append(pipeline.send(f"{stream}.a", b"%d" % n))
            if n == 1000:
                await asyncio.wait(
                    acks[:1]
                )  # some are acknowledged before; all of a quick burst may be under way when it steps down
                stepping = asyncio.create_task(step_down(bus, stream))
            if n % 100 == 0:
                await asyncio.sleep(0)
        results = await asyncio.gather(*acks, return_exceptions=True)
        await stepping
        await publish_until_stored(bus, f"{stream}.a", b"end", "end")
        stored = {ack.seq: b"%d" % n for n, ack in enumerate(results) if not isinstance(ack, BaseException)}
        async with Reader(bus, stream) as reader:
            found = {s.seq: s.payload async for batch in reader.read_all() for s in batch}
        assert stored
        assert {seq: found.get(seq) for seq in stored} == stored
        await pipeline.close()

    async def test_a_reader_follows_a_leader_that_steps_down(self, bus: Bus, stream: str) -> None:
        stepping: list[asyncio.Task[None]] = []
        await self.read_through(bus, stream, lambda: stepping.append(asyncio.create_task(step_down(bus, stream))))
        await asyncio.gather(*stepping)

    @drops_sockets
    async def test_a_client_leaves_a_node_that_stands_still_with_unread_bytes(
        self, servers: Servers, bus: Bus, stream: str
    ) -> None:
        node = servers.index_of(bus._link.client.connected_url.geturl())
        servers.signal(node, signal.SIGSTOP)
        try:
            pipeline = await bus.publisher()
            lost = [pipeline.send(f"{stream}.a", bytes(100_000)) for _ in range(200)]
            await publish_until_stored(bus, f"{stream}.a", b"elsewhere", "elsewhere")
            assert servers.index_of(bus._link.client.connected_url.geturl()) != node
            await asyncio.gather(*lost, return_exceptions=True)
            await pipeline.close()
        finally:
            servers.signal(node, signal.SIGCONT)
