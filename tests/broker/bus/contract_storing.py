"""The bus's contract: publishing, reading, streams, live messages."""

import asyncio
import signal
import uuid

import pytest

from broker.bus.connection import Bus, LiveMessage
from broker.bus.errors import (
    NotConnected,
    PublishRefused,
    PublishUnknown,
    StreamMismatch,
    StreamReplaced,
)
from broker.bus.reader import (
    Reader,
    delete_message,
    last_by_subject,
    next_by_subject,
    purge,
    read_message,
    stream_state,
)
from broker.bus.settings import BusSettings, UserPassword
from broker.bus.streams import StreamConfig, Workspace, ensure_stream, ensure_streams
from tests.broker.bus.case import ENOUGH, EXPECT, BusCase, collect, publish_all
from tests.fixtures.nats import Servers, drops_sockets


class StoringContract(BusCase):
    async def test_an_acknowledgement_names_stream_and_place(self, bus: Bus, stream: str) -> None:
        first, second = await bus.publish(f"{stream}.a", b"1"), await bus.publish(f"{stream}.a", b"2")
        assert (first.stream, first.seq, first.duplicate) == (stream, 1, False)
        assert second.seq == 2

    async def test_a_repeated_id_is_acknowledged_and_stored_once(self, bus: Bus, stream: str) -> None:
        headers = {"Nats-Msg-Id": "one"}
        first = await bus.publish(f"{stream}.a", b"1", headers=headers)
        again = await bus.publish(f"{stream}.a", b"1", headers=headers)
        assert (again.seq, again.duplicate) == (first.seq, True)
        assert (await stream_state(bus, stream)).messages == 1

    async def test_a_refusal_names_the_tail(self, bus: Bus, stream: str) -> None:
        await publish_all(bus, stream, 3)
        with pytest.raises(PublishRefused) as refused:
            await bus.publish(f"{stream}.a", b"x", headers={EXPECT: "1"})
        assert (refused.value.code, refused.value.tail) == (10071, 3)

    async def test_a_subject_that_no_stream_takes_is_unknown(self, bus: Bus) -> None:
        with pytest.raises(PublishUnknown):
            await bus.publish(f"nobody.{uuid.uuid4().hex}", b"x", timeout=1)

    async def test_a_message_over_the_servers_limit_is_refused(self, bus: Bus, stream: str) -> None:
        with pytest.raises(PublishRefused):
            await bus.publish(f"{stream}.a", bytes(9 * 1024 * 1024))

    async def test_pipelined_messages_are_stored_in_the_order_sent(self, bus: Bus, stream: str) -> None:
        await publish_all(bus, stream, 2000)
        async with Reader(bus, stream) as reader:
            found = await collect(reader, lambda found: len(found) == 2000)
        assert [int(stored.payload) for stored in found] == list(range(2000))

    async def test_a_closed_pipeline_leaves_nothing_waiting(self, bus: Bus, stream: str) -> None:
        pipeline = await bus.publisher()
        future = pipeline.send(f"{stream}.a", b"x")
        await pipeline.close()
        with pytest.raises(PublishUnknown):
            await future
        assert pipeline.pending == 0

    @drops_sockets
    async def test_a_stopped_server_makes_a_publish_unknown_and_it_may_be_stored_later(
        self, servers: Servers, bus: Bus, stream: str
    ) -> None:
        for node in range(len(servers.nodes)):
            servers.signal(node, signal.SIGSTOP)
        try:
            with pytest.raises(PublishUnknown):
                await bus.publish(f"{stream}.a", b"late", timeout=0.5)
        finally:
            for node in range(len(servers.nodes)):
                servers.signal(node, signal.SIGCONT)
        async with Reader(bus, stream) as reader:
            found = await collect(reader, lambda found: len(found) == 1)
        assert [stored.payload for stored in found] == [b"late"]

    # Connecting

    async def test_wrong_credentials_are_named_as_a_possible_cause(self, servers: Servers) -> None:
        settings = BusSettings(
            servers=servers.settings.servers, credentials=UserPassword("test", "guess"), connect_timeout=0.5
        )
        with pytest.raises(NotConnected, match="credentials") as failed:
            await Bus.connect(settings, "stranger")
        assert "guess" not in str(failed.value)

    async def test_closing_twice_is_harmless_and_ends_everything(self, servers: Servers, stream: str) -> None:
        bus = await Bus.connect(servers.settings, "short")
        await bus.publish(f"{stream}.a", b"1")
        async with asyncio.timeout(30):
            await bus.close()
            await bus.close()
        assert not bus.connected

    # Live messages

    async def test_live_messages_reach_who_listens_in_order(self, bus: Bus) -> None:
        heard: asyncio.Queue[LiveMessage] = asyncio.Queue()
        subject = f"tl.live.{uuid.uuid4().hex}"
        subscription = await bus.subscribe_live(subject, heard.put)
        for word in (b"a", b"b"):
            await bus.publish_live(subject, word)
        async with asyncio.timeout(ENOUGH):
            assert [(await heard.get()).payload, (await heard.get()).payload] == [b"a", b"b"]
        await subscription.unsubscribe()

    # Reading

    async def test_a_reader_starts_at_its_position_and_follows(self, bus: Bus, stream: str) -> None:
        await publish_all(bus, stream, 10)
        async with Reader(bus, stream, start_seq=8) as reader:
            assert [s.seq for s in await collect(reader, lambda found: len(found) == 3)] == [8, 9, 10]
            await publish_all(bus, stream, 1, first=10)
            assert [s.payload for s in await collect(reader, bool)] == [b"10"]
            assert reader.next_seq == 12

    async def test_reading_again_gives_the_same(self, bus: Bus, stream: str) -> None:
        await bus.publish(f"{stream}.a", b"1", headers={"Kind": "test"})
        await publish_all(bus, stream, 600)
        readings = []
        for _ in range(2):
            async with Reader(bus, stream) as reader:
                readings.append([stored async for batch in reader.read_all() for stored in batch])
        assert readings[0] == readings[1]
        assert len(readings[0]) == 601
        assert readings[0][0].headers == {"Kind": "test"}
        assert readings[0][0] == await read_message(bus, stream, 1)

    async def test_subjects_filter_and_gaps_are_normal(self, bus: Bus, stream: str) -> None:
        for subject in ("a", "b", "c", "a"):
            await publish_all(bus, stream, 1, subject=subject)
        assert await delete_message(bus, stream, 1)
        assert not await delete_message(bus, stream, 1)
        async with Reader(bus, stream, subjects=[f"{stream}.a", f"{stream}.c"]) as reader:
            found = [stored.seq async for batch in reader.read_all() for stored in batch]
        assert found == [3, 4]

    async def test_an_empty_stream_is_read_to_its_end_at_once(self, bus: Bus, stream: str) -> None:
        async with asyncio.timeout(30), Reader(bus, stream) as reader:
            assert [batch async for batch in reader.read_all()] == []

    async def test_a_reader_goes_on_when_its_consumer_is_deleted(self, bus: Bus, stream: str) -> None:
        await publish_all(bus, stream, 5)
        async with Reader(bus, stream) as reader:
            found = await collect(reader, lambda found: len(found) == 5)
            await reader._delete(reader._consumer)
            await publish_all(bus, stream, 5, first=5)
            found += await collect(reader, lambda found: len(found) == 5)
        assert [int(stored.payload) for stored in found] == list(range(10))

    async def test_a_replaced_stream_is_refused(self, bus: Bus, stream: str) -> None:
        await publish_all(bus, stream, 5)
        async with Reader(bus, stream, created="2020-01-01T00:00:00Z") as reader:
            reader_doubt = asyncio.create_task(collect(reader, bool))
            with pytest.raises(StreamReplaced, match="was created at"):
                await reader_doubt

    async def test_messages_are_found_by_place_and_subject(self, bus: Bus, stream: str) -> None:
        for subject in ("a.x", "b.x", "a.y", "b.x"):
            await publish_all(bus, stream, 1, subject=subject)
        second = await next_by_subject(bus, stream, f"{stream}.b.*", 1)
        last = await next_by_subject(bus, stream, f"{stream}.b.*", 3)
        assert [found and found.seq for found in (second, last)] == [2, 4]
        assert await next_by_subject(bus, stream, f"{stream}.b.*", 5) is None
        newest = await last_by_subject(bus, stream, f"{stream}.b.x")
        assert newest is not None
        assert newest.seq == 4
        assert await read_message(bus, stream, 9) is None

    async def test_purging_takes_a_subject_up_to_a_place(self, bus: Bus, stream: str) -> None:
        for subject in ("a", "b", "a", "a"):
            await publish_all(bus, stream, 1, subject=subject)
        assert await purge(bus, stream, subject=f"{stream}.a", up_to_seq=3) == 2
        assert await purge(bus, stream, up_to_seq=2) == 1
        state = await stream_state(bus, stream)
        assert (state.first, state.last, state.messages) == (4, 4, 1)

    # Streams

    async def test_creating_a_workspace_twice_gives_the_same_times(self, bus: Bus, workspace: Workspace) -> None:
        assert await ensure_streams(bus, workspace) == await ensure_streams(bus, workspace)

    async def test_a_harmful_setting_is_named_and_a_harmless_one_grows(self, bus: Bus) -> None:
        name, replicas = f"s{uuid.uuid4().hex[:12]}", bus.settings.replicas
        small = StreamConfig(name=name, subjects=(f"{name}.a",), num_replicas=replicas, max_age=10**12)
        created = await ensure_stream(bus, small)
        with pytest.raises(StreamMismatch, match="max_age") as mismatch:
            await ensure_stream(bus, StreamConfig(name=name, subjects=(f"{name}.a",), num_replicas=replicas))
        assert (mismatch.value.stream, mismatch.value.setting, mismatch.value.expected) == (name, "max_age", 0)
        wider = StreamConfig(
            name=name, subjects=(f"{name}.b",), num_replicas=replicas, max_age=10**12, allow_atomic=True
        )
        assert await ensure_stream(bus, wider) == created
        await bus.publish(f"{name}.a", b"old subject")
        await bus.publish(f"{name}.b", b"new subject")
