"""A bus whose client is being replaced: nobody hears twice, and no term begins on what nobody has told."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from broker.bus.connection import Bus
from broker.bus.errors import PublishUnknown
from broker.bus.fence import HEAD_ROOM, FencedLog, barrier
from broker.bus.reader import Reader
from broker.bus.server import MAX_PAYLOAD
from broker.bus.streams import Workspace, ensure_streams
from tests.broker.bus.case import ENOUGH
from tests.fixtures.nats import Servers, drops_sockets, own_workspace


@asynccontextmanager
async def replacing(servers: Servers, bus: Bus) -> AsyncIterator[None]:
    """The client has been given up, and the fresh one is not connected until the end of the block."""
    first = bus._link.client
    servers.signal(0, signal.SIGSTOP)
    try:
        await first.close()
        async with asyncio.timeout(ENOUGH):
            while bus._link.client is first:  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.01)
        yield
    finally:
        servers.signal(0, signal.SIGCONT)
    async with asyncio.timeout(ENOUGH):
        await bus._link.ready()


@pytest.fixture
async def workspace(bus: Bus) -> Workspace:
    workspace = own_workspace()
    await ensure_streams(bus, workspace)
    return workspace


async def round_trip(bus: Bus) -> None:
    """Until everything written before has come back."""
    back, inbox = asyncio.Event(), bus.new_inbox()
    await bus.listen(inbox, lambda _message: back.set())
    bus.send_now(inbox, b"")
    await asyncio.wait_for(back.wait(), ENOUGH)


@drops_sockets
async def test_what_is_subscribed_to_meanwhile_arrives_once(nats_server: Servers, bus: Bus) -> None:
    heard: list[bytes] = []
    subject = bus.new_inbox()
    async with replacing(nats_server, bus):
        await bus.listen(subject, lambda message: heard.append(message.data))
    bus.send_now(subject, b"hello")
    await round_trip(bus)
    assert heard == [b"hello"]


@drops_sockets
async def test_what_is_let_go_of_meanwhile_is_heard_no_more(nats_server: Servers, bus: Bus) -> None:
    heard: list[bytes] = []
    subject = bus.new_inbox()
    subscription = await bus.listen(subject, lambda message: heard.append(message.data))
    async with replacing(nats_server, bus):
        await subscription.unsubscribe()
    bus.send_now(subject, b"hello")
    await round_trip(bus)
    assert heard == []


async def test_what_is_subscribed_to_between_two_clients_is_heard_by_the_next_one(bus: Bus) -> None:
    heard = asyncio.Event()
    subject = bus.new_inbox()
    await bus._link.client.close()
    await bus.listen(subject, lambda _message: heard.set())
    async with asyncio.timeout(ENOUGH):
        await bus._link.ready()
        bus.send_now(subject, b"hello")
        await heard.wait()


@drops_sockets
async def test_a_reader_that_begins_meanwhile_reads_on_with_one_consumer(
    nats_server: Servers, bus: Bus, workspace: Workspace
) -> None:
    """With each message twice it would take every second one for a loss, and make a consumer for each message."""
    for number in range(20):
        await bus.publish(workspace.in_subject("site"), b"%d" % number)
    found: list[bytes] = []
    async with Reader(bus, workspace.in_stream) as reader:
        async with replacing(nats_server, bus), asyncio.timeout(ENOUGH):
            reading = asyncio.create_task(anext(reader.batches()))
            await asyncio.sleep(0)  # it has subscribed
        async with asyncio.timeout(ENOUGH):
            found += [stored.payload for stored in await reading]
            while len(found) < 20:
                found += [stored.payload for stored in await anext(reader.batches())]
        assert reader._generation == 1
    assert found == [b"%d" % number for number in range(20)]


@drops_sockets
async def test_a_term_begins_only_with_a_server_that_has_said_how_much_it_takes(
    nats_server: Servers, bus: Bus, workspace: Workspace
) -> None:
    """A fresh client believes in 1 MB: what needs a longer record would be refused, and lost to its sender."""
    tail = await barrier(bus, workspace, expect=0, term_payload=b"1")
    async with replacing(nats_server, bus):
        with pytest.raises(PublishUnknown):
            await FencedLog.open(bus, workspace, tail=tail)
    fenced = await FencedLog.open(bus, workspace, tail=tail)
    assert fenced.largest == MAX_PAYLOAD - HEAD_ROOM
    await fenced.close()


async def test_no_term_begins_between_two_clients(bus: Bus, workspace: Workspace) -> None:
    tail = await barrier(bus, workspace, expect=0, term_payload=b"1")
    await bus._link.client.close()
    with pytest.raises(PublishUnknown):
        await barrier(bus, workspace, expect=tail, term_payload=b"2")
    with pytest.raises(PublishUnknown):
        await FencedLog.open(bus, workspace, tail=tail)
