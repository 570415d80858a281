"""The bus's contract: keys, leases, media, dead letters."""

import asyncio
import hashlib
import os
import time

import pytest

from broker.bus.connection import Bus
from broker.bus.dead import DeadLetters
from broker.bus.errors import (
    KeyExists,
    MediaDamaged,
    MediaMissing,
    MediaTooLarge,
    WrongRevision,
)
from broker.bus.kv import Bucket, kv_key, kv_text
from broker.bus.lease import Lease, LeaseThread
from broker.bus.media import PIECE, MediaRef, MediaStore
from broker.bus.reader import (
    last_by_subject,
    read_message,
    stream_state,
)
from broker.bus.streams import Workspace
from tests.broker.bus.case import ENOUGH, NEVER, BusCase, chunks
from tests.fixtures.nats import Servers


class OwningContract(BusCase):
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

    async def test_the_time_that_a_lease_was_only_looked_at_counts(self, bucket: Bucket, key: str) -> None:
        now = [0.0]
        old, new = Lease(bucket, key, "old", clock=lambda: now[0]), Lease(bucket, key, "new", clock=lambda: now[0])
        await new.look()
        assert await bucket.get(key) is None, "a look takes nothing"
        assert await old.attempt()
        await new.look()
        now[0] += 6.0
        assert await new.attempt()

    async def test_a_look_at_a_renewed_lease_starts_the_wait_again(self, bucket: Bucket, key: str) -> None:
        now = [0.0]
        old, new = Lease(bucket, key, "old", clock=lambda: now[0]), Lease(bucket, key, "new", clock=lambda: now[0])
        assert await old.attempt()
        await new.look()
        assert await old.renew()
        now[0] += 6.0
        assert not await new.attempt()

    async def test_a_released_lease_is_free_at_once(self, bucket: Bucket, key: str) -> None:
        old, new = Lease(bucket, key, "old"), Lease(bucket, key, "new")
        async with asyncio.timeout(30):
            await old.acquire()
            await old.release()
            await new.acquire()
        assert new.held
        await new.release()

    async def test_a_stuck_loop_gives_the_lease_back(
        self, servers: Servers, workspace: Workspace, bucket: Bucket, key: str
    ) -> None:
        thread = LeaseThread(servers.settings, workspace.leases_bucket, key, "router", stuck_after=NEVER)
        async with asyncio.timeout(ENOUGH):
            await thread.acquire()
            assert thread.held
            assert await bucket.get(key) is not None
            thread._stuck_after = 1.0  # only now: the machine may have stood still before
            end = time.monotonic() + ENOUGH
            while thread.held and time.monotonic() < end:
                time.sleep(0.01)  # noqa: ASYNC251 - the loop is stuck
            await thread.lost.wait()
            assert not thread.held
            assert thread.worst_delay > 0.3
            await thread.release()
        assert await bucket.get(key) is None

    async def test_a_lease_thread_that_only_observes_takes_nothing_and_ends_at_once(
        self, servers: Servers, workspace: Workspace, bucket: Bucket, key: str
    ) -> None:
        thread = LeaseThread(servers.settings, workspace.leases_bucket, key, "router")
        async with asyncio.timeout(ENOUGH):
            thread.observe()
            await thread.release()
        assert await bucket.get(key) is None

    async def test_a_lease_thread_that_has_observed_takes_a_dead_one_s_lease_at_once(
        self, servers: Servers, workspace: Workspace, bucket: Bucket, key: str
    ) -> None:
        assert await Lease(bucket, key, "dead").attempt()
        now, looks = 0.0, 0

        def clock() -> float:
            nonlocal looks
            looks += 1
            return now

        thread = LeaseThread(servers.settings, workspace.leases_bucket, key, "router", ttl=6.0, clock=clock)
        async with asyncio.timeout(ENOUGH):
            thread.observe()
            while looks < 2:  # noqa: ASYNC110 - another thread's doing; with the second look the first is noted
                await asyncio.sleep(0.01)
            now = 6.0  # and no more: what passes from here on is not needed
            await thread.acquire()
            await thread.release()

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
