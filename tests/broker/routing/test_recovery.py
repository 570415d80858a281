"""Snapshot and tail give the state that a fold of everything gives, whatever is broken on the way."""

import asyncio

import msgspec
import pytest
from structlog.testing import capture_logs

from broker.bus.connection import Bus
from broker.bus.errors import StreamReplaced
from broker.bus.fence import purge_skips
from broker.bus.kv import Bucket
from broker.bus.reader import delete_message, next_by_subject, purge, stream_state
from broker.routing.follower import CannotFold, Follower
from broker.routing.positions import HOUSEKEEPING, Position, Positions
from broker.routing.snapshots import ZSTD, Snapshots, _Body, _pack, _unpack
from broker.routing.tasks import end
from router import facts as f
from router.people import Conversation, Person, PersonRecord, Sending
from router.record import Record
from router.snapshot import encode_state, state_hash
from router.state import State
from tests.broker.routing.play import PATIENCE, SETTINGS, Play, until

OFTEN = msgspec.structs.replace(SETTINGS, snapshot_records=100)


async def routed(play: Play, *, often: bool = True) -> str:
    """A log with two snapshots in it and a tail behind the last; gives the hash of everything folded as it came."""
    await play.open_desk()
    async with play.following() as witness, play.running(OFTEN if often else SETTINGS) as run:
        while run.stats.snapshots < (2 if often else 0):
            await play.say_all([f"visitor:{n % 60}" for n in range(100)])
            await asyncio.sleep(0)
        await run.stepped(await play.say("visitor:tail"))
        await run.kill()
        tail = (await stream_state(play.bus, play.workspace.log_stream)).last
        await witness.catch_up(tail)
        return state_hash(witness.state)


async def test_a_snapshot_and_the_tail_give_the_state_of_a_full_fold(play: Play) -> None:
    expected = await routed(play)
    kept = await Snapshots(play.bus, play.workspace, play.times.log_stream).kept()
    assert len(kept) == 2
    async with play.following() as follower:
        assert follower.folded <= follower.position - kept[1].manifest.log
        assert state_hash(follower.state) == expected
        assert follower.lag == 0.0
        assert follower.stream > 0


async def test_a_broken_snapshot_is_passed_over_for_the_older_one(play: Play) -> None:
    expected = await routed(play)
    snapshots = Snapshots(play.bus, play.workspace, play.times.log_stream)
    older, newer = await snapshots.kept()
    chunk = await next_by_subject(
        play.bus, play.workspace.snap_stream, play.workspace.snap_subject(newer.manifest.name), newer.manifest.first
    )
    assert chunk is not None
    await delete_message(play.bus, play.workspace.snap_stream, chunk.seq)
    loaded = await snapshots.load()
    assert loaded is not None
    assert loaded.manifest.name == older.manifest.name
    async with play.following() as follower:
        assert state_hash(follower.state) == expected


def test_a_snapshot_of_an_earlier_release_that_is_not_packed_is_read() -> None:
    body = _Body([], encode_state(State(input=7)))
    assert _unpack(msgspec.msgpack.encode(body), "") == _unpack(_pack(body), ZSTD) == body


async def test_people_in_a_snapshot_keep_what_channels_left_in_their_conversations(play: Play) -> None:
    sending = Sending(channel="mail", reply_to="m-1", channel_data=msgspec.Raw(b'{"references":["<1@shop.example>"]}'))
    closed = Conversation(
        id="c1", person="p1", channel="mail", address="email:a@b.c", opened_at=1, sendings={"email:a@b.c": sending}
    )
    parked = PersonRecord(
        person=Person(id="p1", addresses=["email:a@b.c"]), addresses=[], conversations=[closed], log=7
    )
    snapshots = Snapshots(play.bus, play.workspace, play.times.log_stream)
    await snapshots.store(snapshots.fork(State(input=7), 7, backlog=[parked], term=None))
    loaded = await snapshots.load()
    assert loaded is not None
    assert loaded.backlog == [parked]


async def test_without_any_snapshot_everything_is_folded(play: Play) -> None:
    expected = await routed(play, often=False)
    async with play.following() as follower:
        assert follower.folded == len(await play.records())
        assert state_hash(follower.state) == expected


async def test_a_trimmed_log_without_a_snapshot_is_not_folded(play: Play) -> None:
    await routed(play)
    await purge(play.bus, play.workspace.snap_stream)
    await Positions(play.bus, play.workspace, play.times.log_stream).raise_to(HOUSEKEEPING, 100)
    with pytest.raises(CannotFold, match="the log is trimmed up to"):
        await Follower(play.bus, play.workspace).run()


async def test_a_follower_stops_at_a_record_that_it_cannot_fold(play: Play) -> None:
    await routed(play, often=False)
    async with play.following() as follower:
        position = follower.position
    bad = Record(input=9_999, step=0, now=1, term=1, rules=1, cause="input", facts=(f.PersonParked(person="nobody"),))
    await play.bus.publish(play.workspace.log_subject("_"), msgspec.json.encode(bad))
    broken = Follower(play.bus, play.workspace)
    with pytest.raises(CannotFold, match=f"record {position + 1}"):
        await broken.run()
    assert broken.position == position
    with pytest.raises(CannotFold):
        await broken.wait_ready()


async def test_subscribers_get_every_record_in_order_even_when_one_of_them_fails(play: Play) -> None:
    await play.open_desk()
    seen: list[int] = []

    def fail(_seq: int, _subject: str, _record: Record) -> None:
        raise RuntimeError("a view that is broken")

    async with play.following() as follower, play.running() as run:
        follower.subscribe(fail)
        forget = follower.subscribe(lambda seq, _subject, _record: seen.append(seq))
        await run.stepped(await play.say("visitor:1"))
        written = [seq for seq, _ in await play.records()]
        await until(lambda: follower.position >= written[-1])
        assert seen[: len(written)] == written
        forget()


async def test_an_end_of_the_log_that_is_purged_is_reached_all_the_same(play: Play) -> None:
    await play.open_desk()
    async with play.running() as run:
        await run.active()
        await run.kill()
    await purge_skips(play.bus, play.workspace)
    async with play.following() as follower:
        assert follower.ready
    async with play.running() as run:
        await run.stepped(await play.say("visitor:1"))


async def test_a_position_of_another_stream_is_refused(play: Play) -> None:
    value = msgspec.json.encode(Position(created="2001-01-01T00:00:00Z", seq=5))
    await Bucket(play.bus, play.workspace.sends_bucket).put(f"{play.workspace.name}.pos.site.0", value)
    positions = Positions(play.bus, play.workspace, play.times.log_stream)
    with pytest.raises(StreamReplaced, match=r"site\.0"):
        await positions.all()
    await positions.raise_to("other", 7)
    await positions.raise_to("other", 5)
    assert await positions.get("other") == 7


async def test_a_standby_writes_the_snapshots_and_spares_the_active_router(play: Play) -> None:
    await play.open_desk()
    async with play.running(msgspec.structs.replace(OFTEN, name="a", snapshot_records=300)) as first:
        await first.active()
        async with play.running(msgspec.structs.replace(OFTEN, name="b", snapshot_records=300)) as second:
            while not second.stats.snapshots:
                await play.say_all([f"visitor:{n % 60}" for n in range(10)])
                await first.stepped(await play.tick())


async def test_after_a_snapshot_the_router_rests_nine_times_as_long_as_it_took(play: Play) -> None:
    await play.open_desk()
    with capture_logs() as logs:
        async with play.running(msgspec.structs.replace(SETTINGS, snapshot_records=1)) as run:
            while run.stats.snapshots < 3:
                await run.stepped(await play.say("visitor:1"))
            one, other = await Snapshots(play.bus, play.workspace, play.times.log_stream).kept()
    took = {entry["snapshot"]: entry["seconds"] for entry in logs if entry["event"] == "snapshot.written"}
    assert (other.time_ns - one.time_ns) / 1e9 >= 9 * took[one.manifest.name] - 0.01  # it is logged in milliseconds


async def test_a_follower_that_is_cut_off_says_that_it_falls_behind(play: Play) -> None:
    bus = await Bus.connect(play.bus.settings, "cut off")
    follower = Follower(bus, play.workspace)
    following = asyncio.create_task(follower.run())
    await asyncio.wait_for(follower.wait_ready(), PATIENCE)
    assert follower.lag == 0.0
    bus._link.client.cut()
    await until(lambda: follower.lag > 0)
    await play.open_desk()
    async with play.running() as run:
        await run.stepped(await play.say("visitor:1"))
        await until(lambda: len(follower.state.conversations) == 1 and follower.lag == 0.0)
    await end([following])
    await bus.close()
