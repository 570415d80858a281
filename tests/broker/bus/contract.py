"""What the bus promises, written once; test_contract.py runs it against one server and against three nodes."""

import asyncio
import contextlib
import hashlib
import os
import signal
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from broker.bus.api import StreamInfo, call
from broker.bus.connection import Bus, BusSettings, LiveMessage, UserPassword
from broker.bus.dead import DeadLetters
from broker.bus.errors import (
    AskFailed,
    KeyExists,
    MediaDamaged,
    MediaMissing,
    MediaTooLarge,
    NoAnswer,
    NotConnected,
    PublishRefused,
    PublishUnknown,
    StreamMismatch,
    StreamReplaced,
    TailMoved,
    WrongRevision,
)
from broker.bus.fence import WINDOW, FencedLog, barrier, purge_skips
from broker.bus.kv import Bucket, kv_key, kv_text
from broker.bus.lease import Lease, LeaseThread
from broker.bus.media import PIECE, MediaRef, MediaStore
from broker.bus.reader import (
    Reader,
    Stored,
    delete_message,
    last_by_subject,
    next_by_subject,
    purge,
    read_message,
    stream_state,
)
from broker.bus.streams import StreamConfig, Workspace, ensure_stream, ensure_streams
from tests.fixtures.nats import Servers, drops_sockets

ENOUGH = 20.0  # seconds for anything that waits for a recovery
EXPECT = "Nats-Expected-Last-Sequence"


async def collect(reader: Reader, until: Callable[[list[Stored]], bool]) -> list[Stored]:
    found: list[Stored] = []
    async with asyncio.timeout(ENOUGH):
        async for batch in reader.batches():
            found += batch
            if until(found):
                break
    return found


async def publish_all(bus: Bus, stream: str, count: int, *, subject: str = "a", first: int = 0) -> None:
    pipeline = await bus.publisher()
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


class BusContract:
    """Subclasses give `servers`."""

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
        workspace = Workspace(f"w{uuid.uuid4().hex[:12]}")
        await ensure_stream(
            bus,
            StreamConfig(
                name=workspace.log_stream,
                subjects=(f"tl.{workspace.name}.log.>",),
                num_replicas=bus.settings.replicas,
                allow_atomic=True,
            ),
        )
        return workspace

    @pytest.fixture
    async def bucket(self, bus: Bus, workspace: Workspace) -> Bucket:
        return Bucket(bus, workspace.leases_bucket)

    @pytest.fixture
    def key(self) -> str:
        return f"k{uuid.uuid4().hex}"

    # Publishing

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
        async with asyncio.timeout(5):
            await bus.close()
            await bus.close()
        assert not bus.connected

    # Live messages and questions

    async def test_live_messages_reach_who_listens_in_order(self, bus: Bus) -> None:
        heard: asyncio.Queue[LiveMessage] = asyncio.Queue()
        subject = f"tl.live.{uuid.uuid4().hex}"
        subscription = await bus.subscribe_live(subject, heard.put)
        for word in (b"a", b"b"):
            await bus.publish_live(subject, word)
        async with asyncio.timeout(ENOUGH):
            assert [(await heard.get()).payload, (await heard.get()).payload] == [b"a", b"b"]
        await subscription.unsubscribe()

    async def test_a_question_is_answered_and_an_error_arrives_as_one(self, bus: Bus) -> None:
        async def handler(payload: bytes) -> bytes:
            if payload == b"bad":
                raise AskFailed("no-such-thing", "There is no such thing.")
            return payload.upper()

        subject = f"tl.ask.{uuid.uuid4().hex}"
        with pytest.raises(NoAnswer):
            await bus.request(subject, b"early", timeout=1)
        service = await bus.serve(subject, handler, "group")
        assert await bus.request(subject, b"hi") == b"HI"
        with pytest.raises(AskFailed, match="There is no such thing") as failed:
            await bus.request(subject, b"bad")
        assert failed.value.code == "no-such-thing"
        await service.unsubscribe()

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
        async with asyncio.timeout(5), Reader(bus, stream) as reader:
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

    # The fence

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

    # Keys and leases

    async def test_values_are_created_changed_and_deleted_by_revision(self, bucket: Bucket, key: str) -> None:
        assert await bucket.get(key) is None
        first = await bucket.create(key, b"1")
        with pytest.raises(KeyExists):
            await bucket.create(key, b"2")
        second = await bucket.update(key, b"2", first)
        with pytest.raises(WrongRevision):
            await bucket.update(key, b"3", first)
        with pytest.raises(WrongRevision):
            await bucket.delete(key, revision=first)
        entry = await bucket.get(key)
        assert entry is not None
        assert (entry.value, entry.revision) == (b"2", second)
        assert await bucket.keys(key) == [key]
        await bucket.delete(key, revision=second)
        assert await bucket.get(key) is None
        assert await bucket.keys(key) == []
        assert await bucket.create(key, b"again") > second

    async def test_one_of_many_creators_wins(self, bucket: Bucket, key: str) -> None:
        results = await asyncio.gather(*(bucket.create(key, b"%d" % n) for n in range(20)), return_exceptions=True)
        assert [type(result) for result in results].count(int) == 1
        assert {type(result) for result in results} == {int, KeyExists}

    async def test_keys_of_strangers_are_encoded(self, bus: Bus, workspace: Workspace) -> None:
        bucket = Bucket(bus, workspace.people_bucket)
        text = "email:Zoë *.>@b.c"
        await bucket.put(kv_key(text), b"1")
        assert [kv_text(key) for key in await bucket.keys()] == [text]
        with pytest.raises(ValueError, match="kv_key"):
            await bucket.get("a b")

    async def test_a_lease_is_taken_over_only_after_it_stood_still_for_its_ttl(self, bucket: Bucket, key: str) -> None:
        now = [100.0]
        old = Lease(bucket, key, "old", clock=lambda: now[0])
        new = Lease(bucket, key, "new", clock=lambda: now[0])
        assert await old.attempt()
        assert not await new.attempt()
        now[0] += 5.9
        assert not await new.attempt()
        assert not old.held, "too late to be sure of it"
        assert await old.renew()
        now[0] += 0.2
        assert not await new.attempt(), "the renewal has moved the revision"
        now[0] += 6.0
        assert await new.attempt()
        assert new.held
        assert not old.held

    async def test_a_holder_that_was_overtaken_notices(self, bucket: Bucket, key: str) -> None:
        now = [0.0]
        old = Lease(bucket, key, "old", clock=lambda: 0.0)
        new = Lease(bucket, key, "new", clock=lambda: now[0])
        assert await old.attempt()
        assert not await new.attempt()
        now[0] += 6.0
        assert await new.attempt()
        assert not await old.renew()
        assert old.lost.is_set()
        await old.release()
        assert await new.renew(), "a release of what is not ours takes nothing away"

    async def test_a_released_lease_is_free_at_once(self, bucket: Bucket, key: str) -> None:
        old, new = Lease(bucket, key, "old"), Lease(bucket, key, "new")
        async with asyncio.timeout(5):
            await old.acquire()
            await old.release()
            await new.acquire()
        assert new.held
        await new.release()

    async def test_a_stuck_loop_gives_the_lease_back(
        self, servers: Servers, workspace: Workspace, bucket: Bucket, key: str
    ) -> None:
        thread = LeaseThread(servers.settings, workspace.leases_bucket, key, "router", stuck_after=0.3)
        async with asyncio.timeout(ENOUGH):
            await thread.acquire()
            assert thread.held
            assert await bucket.get(key) is not None
            hashlib.pbkdf2_hmac("sha256", b"a loop that is busy", b"", 3_000_000)
            await thread.lost.wait()
            assert not thread.held
            assert thread.worst_delay > 0.3
            await thread.release()
        assert await bucket.get(key) is None

    async def test_a_lease_thread_gives_back_on_release(
        self, servers: Servers, workspace: Workspace, bucket: Bucket, key: str
    ) -> None:
        thread = LeaseThread(servers.settings, workspace.leases_bucket, key, "router")
        async with asyncio.timeout(ENOUGH):
            await thread.acquire()
            await thread.release()
        assert await bucket.get(key) is None

    # Media and dead letters

    async def test_a_file_comes_back_as_it_was(self, bus: Bus, workspace: Workspace) -> None:
        media, block = MediaStore(bus, workspace), os.urandom(1024 * 1024)
        async with asyncio.timeout(ENOUGH):
            ref = await media.put(chunks(*[block] * 20), limit=21 * 1024 * 1024)
            digest, size = hashlib.sha256(), 0
            async for piece in media.read(ref):
                digest.update(piece)
                size += len(piece)
        assert (size, digest.hexdigest()) == (ref.size, ref.sha256) == (20 * 1024 * 1024, digest.hexdigest())
        stored = await last_by_subject(bus, workspace.media_stream, workspace.media_subject(ref.name))
        assert stored is not None
        assert block[-PIECE:] not in stored.payload
        await media.delete(ref.name)
        with pytest.raises(MediaMissing):
            [piece async for piece in media.read(ref)]

    async def test_an_empty_file_is_a_file(self, bus: Bus, workspace: Workspace) -> None:
        media = MediaStore(bus, workspace)
        ref = await media.put(chunks(), limit=1)
        assert b"".join([piece async for piece in media.read(ref)]) == b""

    async def test_a_file_over_its_limit_leaves_nothing(self, bus: Bus, workspace: Workspace) -> None:
        media = MediaStore(bus, workspace)
        before = await stream_state(bus, workspace.media_stream)
        with pytest.raises(MediaTooLarge):
            await media.put(chunks(bytes(PIECE), bytes(PIECE), b"x"), limit=2 * PIECE)
        assert (await stream_state(bus, workspace.media_stream)).messages == before.messages

    async def test_another_key_reads_nothing(self, bus: Bus, workspace: Workspace) -> None:
        media = MediaStore(bus, workspace)
        ref = await media.put(chunks(b"secret"), limit=100)
        wrong = MediaRef(ref.name, ref.size, ref.sha256, bytes(32))
        with pytest.raises(MediaDamaged):
            [piece async for piece in media.read(wrong)]

    async def test_a_dead_letter_is_listed_shown_and_replayed_once(self, bus: Bus, workspace: Workspace) -> None:
        dead = DeadLetters(bus)
        source = workspace.in_subject("telegram")
        seq = await dead.add(workspace, "undecodable", source, b"\x00broken", "not JSON at byte 0")
        assert seq in [letter.seq for letter in await dead.list(workspace)]
        letter = await dead.show(seq)
        assert letter is not None
        assert (letter.reason, letter.source, letter.payload) == ("undecodable", source, b"\x00broken")
        stored = await read_message(bus, workspace.in_stream, await dead.replay(seq))
        assert stored is not None
        assert (stored.subject, stored.payload) == (source, b"\x00broken")
        with pytest.raises(LookupError):
            await dead.replay(seq)

    async def test_a_dead_answer_cannot_be_replayed_as_input(self, bus: Bus, workspace: Workspace) -> None:
        dead = DeadLetters(bus)
        seq = await dead.add(workspace, "unsent", workspace.out_subject("c1", "telegram"), b"x", "refused")
        with pytest.raises(ValueError, match="cannot be replayed"):
            await dead.replay(seq)

    # Faults

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
