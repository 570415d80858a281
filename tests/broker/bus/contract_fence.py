"""The bus's contract: the fence around the log, and servers that die or stand still."""

import asyncio
import contextlib
import signal
from collections.abc import Callable

import pytest

from broker.bus.connection import Bus
from broker.bus.errors import (
    NoAnswer,
    PublishRefused,
    PublishUnknown,
    TailMoved,
)
from broker.bus.fence import BATCH_COMMIT, BATCH_ID, BATCH_SEQUENCE, WINDOW, FencedLog, barrier, purge_skips
from broker.bus.reader import (
    Reader,
    read_message,
    stream_state,
)
from broker.bus.streams import Workspace
from tests.broker.bus.case import ENOUGH, BusCase
from tests.fixtures.nats import Servers, drops_sockets


class FenceContract(BusCase):
    async def test_a_barrier_moves_the_tail_and_its_skips_can_go(self, bus: Bus, log: Workspace) -> None:
        tail = await barrier(bus, log, expect=0, term_payload=b"term 1")
        assert tail == WINDOW + 1
        term = await read_message(bus, log.log_stream, 1)
        assert term is not None
        assert (term.subject, term.payload) == (log.term_subject, b"term 1")
        assert await purge_skips(bus, log) == WINDOW
        assert (await stream_state(bus, log.log_stream)).last == tail

    async def test_a_barrier_at_a_moved_tail_names_it_and_writes_nothing(self, bus: Bus, log: Workspace) -> None:
        tail = await barrier(bus, log, expect=0, term_payload=b"1", width=8)
        with pytest.raises(TailMoved) as moved:
            await barrier(bus, log, expect=0, term_payload=b"2", width=8)
        assert moved.value.tail == tail
        assert (await stream_state(bus, log.log_stream)).last == tail

    async def test_a_barrier_that_arrives_in_part_is_not_settled_and_writes_nothing(
        self, bus: Bus, log: Workspace
    ) -> None:
        """As when its leader steps down in the middle: the next one has the end alone."""
        pipeline = await bus.publisher(timeout=ENOUGH)
        commit = {BATCH_ID: "half", BATCH_SEQUENCE: "9", BATCH_COMMIT: "1"}
        with pytest.raises(PublishUnknown):
            await pipeline.send(log.skip_subject, b"", commit)
        await pipeline.close()
        assert (await stream_state(bus, log.log_stream)).last == 0

    async def test_appends_behind_a_barrier_get_their_predicted_places(self, bus: Bus, log: Workspace) -> None:
        fenced = await FencedLog.open(bus, log, tail=await barrier(bus, log, expect=0, term_payload=b"1"))
        acks = []
        for n in range(2000):
            await fenced.wait_room()
            acks.append(fenced.append(log.log_subject("c"), b"%d" % n))
        await fenced.wait_drained()
        assert [(await ack).seq for ack in acks] == list(range(WINDOW + 2, WINDOW + 2002))
        assert (fenced.tail, fenced.unacknowledged, fenced.lost.is_set()) == (WINDOW + 2001, [], False)
        await fenced.close()

    async def test_an_append_whose_caller_gave_up_still_counts(self, bus: Bus, log: Workspace) -> None:
        fenced = await FencedLog.open(bus, log, tail=await barrier(bus, log, expect=0, term_payload=b"1", width=4))
        fenced.append(log.log_subject("c"), b"1").cancel()
        fenced.append(log.log_subject("c"), b"2")
        await fenced.wait_drained()
        assert fenced.tail == 7
        await fenced.close()

    async def test_nothing_of_a_stale_writer_is_accepted(self, bus: Bus, servers: Servers, log: Workspace) -> None:
        old = await FencedLog.open(bus, log, tail=await barrier(bus, log, expect=0, term_payload=b"old"))
        old.append(log.log_subject("c"), b"rightful")
        await old.wait_drained()
        other = await Bus.connect(servers.settings, "new router")
        tail = await barrier(other, log, expect=old.tail, term_payload=b"new")
        for n in range(WINDOW):  # all at once, before any refusal can stop it
            old.append(log.log_subject("c"), b"zombie %d" % n)
        with pytest.raises(PublishRefused) as refused:
            await old.wait_drained()
        assert refused.value.code == 10071
        assert len(old.unacknowledged) == WINDOW
        with pytest.raises(PublishRefused):
            old.append(log.log_subject("c"), b"more")
        rightful = await FencedLog.open(other, log, tail=tail)
        assert (await rightful.append(log.log_subject("c"), b"mine")).seq == tail + 1
        for open_log in (old, rightful):
            await open_log.close()
        await other.close()

    @drops_sockets
    async def test_a_writer_cannot_overtake_itself_after_a_stall(
        self, servers: Servers, bus: Bus, log: Workspace
    ) -> None:
        def stall() -> None:
            for node in range(len(servers.nodes)):
                servers.signal(node, signal.SIGSTOP)
                asyncio.get_running_loop().call_later(0.8, servers.signal, node, signal.SIGCONT)

        await self.append_through(bus, log, stall)

    async def test_a_writer_cannot_overtake_itself_after_a_reconnect(
        self, servers: Servers, bus: Bus, log: Workspace
    ) -> None:
        victim = await self.victim(bus, log.log_stream)
        await self.append_through(bus, log, lambda: servers.signal(victim, signal.SIGKILL))

    async def append_through(self, bus: Bus, log: Workspace, fault: Callable[[], None]) -> None:
        """Append 3,000 numbers in order with a fault in mid-pipeline, going on as the router does."""
        left, terms, subject = [b"%d" % n for n in range(3000)], 0, log.log_subject("c")
        tail = 0
        async with asyncio.timeout(2 * ENOUGH):
            while left:
                before, terms = tail, terms + 1
                tail = await self.take_over(bus, log, before)
                async with Reader(bus, log.log_stream, start_seq=before + 1, subjects=[subject]) as reader:
                    stored = [s.payload async for batch in reader.read_all() for s in batch]
                assert stored == left[: len(stored)], "what was unknown is there in order, or not at all"
                del left[: len(stored)]
                fenced = await FencedLog.open(bus, log, tail=tail, ack_timeout=0.4)
                with contextlib.suppress(PublishUnknown, PublishRefused):
                    for n, payload in enumerate(left):
                        await fenced.wait_room()
                        fenced.append(subject, payload)
                        if (terms, n) == (1, 1500):
                            fault()
                    await fenced.wait_drained()
                del left[: fenced.tail - tail]
                tail = fenced.tail
                await fenced.close()
        async with Reader(bus, log.log_stream, subjects=[subject]) as reader:
            assert [int(s.payload) async for batch in reader.read_all() for s in batch] == list(range(3000))
        assert terms > 1, "the fault was not felt"

    async def take_over(self, bus: Bus, log: Workspace, expect: int) -> int:
        async with asyncio.timeout(ENOUGH):
            while True:
                try:
                    return await barrier(bus, log, expect=expect, term_payload=b"next")
                except TailMoved as moved:
                    expect = moved.tail
                except (PublishUnknown, PublishRefused):
                    with contextlib.suppress(NoAnswer):
                        expect = (await stream_state(bus, log.log_stream)).last

    async def test_nothing_acknowledged_is_lost_when_a_server_is_killed(
        self, servers: Servers, bus: Bus, stream: str
    ) -> None:
        victim = await self.victim(bus, stream)
        acknowledged = await self.write_through(bus, stream, lambda: servers.signal(victim, signal.SIGKILL))
        async with Reader(bus, stream) as reader:
            found = {s.seq: s.payload async for batch in reader.read_all() for s in batch}
        assert {seq: found.get(seq) for seq in acknowledged} == acknowledged
        assert len(set(found.values())) == len(found), "nothing is doubled"

    async def test_a_reader_neither_skips_nor_repeats_when_a_server_is_killed(
        self, servers: Servers, bus: Bus, stream: str
    ) -> None:
        victim = await self.victim(bus, stream)
        await self.read_through(bus, stream, lambda: servers.signal(victim, signal.SIGKILL))

    @drops_sockets
    async def test_a_reader_neither_skips_nor_repeats_when_a_server_stands_still(
        self, servers: Servers, bus: Bus, stream: str
    ) -> None:
        victim = await self.victim(bus, stream)

        def pause() -> None:
            servers.signal(victim, signal.SIGSTOP)
            asyncio.get_running_loop().call_later(1.5, servers.signal, victim, signal.SIGCONT)

        await self.read_through(bus, stream, pause)
