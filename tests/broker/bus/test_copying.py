"""Whole streams out and in again, on one server and on three nodes."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from nats.aio.msg import Msg

from broker.bus.api import Done, call
from broker.bus.connection import Bus
from broker.bus.copying import CHUNK, SavedStream, restore_stream, save_stream
from broker.bus.errors import ApiError, NoAnswer, NobodyThere
from broker.bus.reader import Reader, Stored, purge, read_message, stream_state
from tests.broker.bus.case import EXPECT, BusCase, publish_all
from tests.fixtures.nats import Servers

MEGABYTE = 1024 * 1024


async def cut(archive: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(archive), CHUNK):
        yield archive[at : at + CHUNK]


async def everything(bus: Bus, stream: str) -> list[Stored]:
    async with Reader(bus, stream) as reader:
        return [stored async for batch in reader.read_all() for stored in batch]


async def forget(bus: Bus, stream: str) -> None:
    await call(bus, f"STREAM.DELETE.{stream}", None, Done)


class CopyingContract(BusCase):
    async def test_a_restored_stream_has_its_sequences_times_and_headers_and_goes_on(
        self, bus: Bus, stream: str
    ) -> None:
        await publish_all(bus, stream, 500)
        await bus.publish(f"{stream}.named", b"x", headers={"Nats-Msg-Id": "one", "Own": "word"})
        await purge(bus, stream, up_to_seq=99)
        await purge(bus, stream, subject=f"{stream}.a", up_to_seq=400)
        before, created = await everything(bus, stream), (await stream_state(bus, stream)).created
        archive = bytearray()
        saved = await save_stream(bus, stream, archive.extend)
        assert saved.last == 501
        await forget(bus, stream)
        info = await restore_stream(bus, saved, cut(bytes(archive)))
        assert await everything(bus, stream) == before
        assert (info.state.last_seq, (await stream_state(bus, stream)).last) == (501, 501)
        assert info.created != created  # so every position has to be written anew
        assert (await bus.publish(f"{stream}.a", b"next", headers={EXPECT: "501"})).seq == 502

    async def test_a_large_stream_comes_in_many_chunks_while_others_write(self, bus: Bus, stream: str) -> None:
        contents = [os.urandom(MEGABYTE // 2) for _ in range(24)]
        for content in contents:
            await bus.publish(f"{stream}.a", content)
        chunks: list[bytes] = []
        writing = asyncio.create_task(publish_all(bus, stream, 200))
        saved = await save_stream(bus, stream, chunks.append)
        await writing
        assert len(chunks) > 50
        await forget(bus, stream)
        await restore_stream(bus, saved, cut(b"".join(chunks)))
        for seq, content in enumerate(contents, 1):
            stored = await read_message(bus, stream, seq)
            assert stored is not None
            assert stored.payload == content
        assert (await stream_state(bus, stream)).last >= saved.last

    async def test_a_stream_that_is_not_there_is_an_error(self, bus: Bus) -> None:
        with pytest.raises(ApiError) as refused:
            await save_stream(bus, "nowhere", lambda _: None)
        assert refused.value.code == 10059

    async def test_a_stream_that_is_there_is_not_overwritten(self, bus: Bus, stream: str) -> None:
        await publish_all(bus, stream, 3)
        archive = bytearray()
        saved = await save_stream(bus, stream, archive.extend)
        await publish_all(bus, stream, 1)
        with pytest.raises(ApiError):
            await restore_stream(bus, saved, cut(bytes(archive)))
        assert (await stream_state(bus, stream)).last == 4

    async def test_a_damaged_copy_is_refused(self, bus: Bus, stream: str) -> None:
        await publish_all(bus, stream, 100)
        archive = bytearray()
        saved = await save_stream(bus, stream, archive.extend)
        await forget(bus, stream)
        archive[len(archive) // 2] ^= 0xFF
        with pytest.raises(ApiError):
            await restore_stream(bus, saved, cut(bytes(archive)))
        with pytest.raises((ApiError, NoAnswer)):
            await stream_state(bus, stream)

    async def test_settings_may_be_others(self, bus: Bus, stream: str) -> None:
        await publish_all(bus, stream, 10)
        archive = bytearray()
        saved = await save_stream(bus, stream, archive.extend)
        await forget(bus, stream)
        config = {**saved.config, "num_replicas": 1, "metadata": {"mark": "yes"}}
        info = await restore_stream(bus, SavedStream(config, saved.state), cut(bytes(archive)))
        metadata = info.config["metadata"]
        assert isinstance(metadata, dict)
        assert (info.config["num_replicas"], metadata["mark"]) == (1, "yes")

    async def test_a_node_that_has_not_heard_yet_who_takes_the_chunks_is_asked_again(
        self, bus: Bus, stream: str
    ) -> None:
        await publish_all(bus, stream, 10)
        archive = bytearray()
        saved = await save_stream(bus, stream, archive.extend)
        await forget(bus, stream)
        node = NotYet(bus)
        info = await restore_stream(bus, saved, cut(bytes(archive)))
        assert (info.state.last_seq, node.asked) == (10, 4)


class NotYet:
    """Says twice that nobody takes chunks, as a node does that has not heard of the one that does."""

    def __init__(self, bus: Bus) -> None:
        self.asked = 0
        self._ask = bus.ask
        bus.ask = self  # type: ignore[assignment, method-assign]  # this one connection only

    async def __call__(self, subject: str, payload: bytes, seconds: float) -> Msg:
        if subject.startswith("$JS.SNAPSHOT.RESTORE."):
            self.asked += 1
            if self.asked <= 2:
                raise NobodyThere(f"nobody serves {subject}")
        return await self._ask(subject, payload, seconds)


class TestOneServer(CopyingContract):
    @pytest.fixture
    def servers(self, nats_server: Servers) -> Servers:
        return nats_server


@pytest.mark.cluster
class TestThreeNodes(CopyingContract):
    @pytest.fixture
    def servers(self, nats_cluster: Servers) -> Servers:
        return nats_cluster
