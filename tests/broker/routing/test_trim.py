"""What nobody needs any more goes, and nothing else."""

import msgspec

from broker.bus.reader import stream_state
from broker.routing.archive import read_history
from broker.routing.positions import DEAD_LETTERS, HOUSEKEEPING, PEOPLE, Positions
from broker.routing.snapshots import Kept, Snapshots
from broker.routing.trim import NANOS_PER_DAY, Housekeeper
from router import facts as f
from router import inputs as i
from tests.broker.routing.play import SETTINGS, Play, Run, until

FAR = 40_000 * NANOS_PER_DAY
"""A time of the bus at which every input is old."""


async def lines(play: Play) -> set[str]:
    return {subject.split(".")[3] for _, subject, _ in await play.messages()}


async def snapshot(play: Play, run: Run) -> list[Kept]:
    """Two snapshots of now."""
    active = run.router.active
    assert active is not None
    for _ in range(2):
        await active._snapshot()
    return await Snapshots(play.bus, play.workspace, play.times.log_stream).kept()


async def closed(play: Play, run: Run, address: str) -> f.ConversationOpened:
    """Somebody who came, was served, and is archived and parked."""
    await run.stepped(await play.say(address))
    opened = (await play.facts(f.ConversationOpened))[-1]
    assert isinstance(opened, f.ConversationOpened)
    await play.command(i.Close(conversation=opened.conversation))

    async def parked() -> bool:
        return await play.count(f.PersonParked) > 0 and await play.count(f.ConversationArchived) > 0

    await until(parked)
    await run.stepped(await play.tick())
    return opened


async def raised(play: Play, **marks: int) -> Positions:
    positions = Positions(play.bus, play.workspace, play.times.log_stream)
    for name, seq in marks.items():
        await positions.raise_to(name, seq)
    return positions


async def test_below_the_mark_lines_are_purged_conversations_archived_and_open_ones_kept(play: Play) -> None:
    await play.open_desk(archive=1, park_person=1)
    async with play.running() as run:
        gone = await closed(play, run, "visitor:gone")
        await run.stepped(await play.say("visitor:stays"))
        staying = (await play.facts(f.ConversationOpened))[-1]
        assert isinstance(staying, f.ConversationOpened)
        kept = await snapshot(play, run)
        mark = min(one.manifest.log for one in kept)
        positions = await raised(play, **{PEOPLE: mark, DEAD_LETTERS: mark})
        keeper = Housekeeper(play.bus, play.workspace, positions, replay_days=1)
        before = await read_history(play.bus, play.workspace, gone.conversation, gone.person)
        await keeper.run(kept, FAR)
        assert await read_history(play.bus, play.workspace, gone.conversation, gone.person) == before
        assert [
            seq for seq, subject, _ in await play.messages() if seq <= mark and staying.conversation not in subject
        ] == []
        assert staying.conversation in await lines(play)
        assert gone.conversation not in await lines(play)
        assert await positions.get(HOUSEKEEPING) == mark
        assert (await stream_state(play.bus, play.workspace.in_stream)).first > kept[0].manifest.input
    async with play.running() as run:
        await run.stepped(await play.say("visitor:gone"))
        assert len({record.person.id for _, entry in await play.records() for record in entry.loaded}) == 1


async def test_a_sender_that_is_behind_holds_everything_back(play: Play) -> None:
    await play.open_desk(archive=1, park_person=1)
    async with play.running() as run:
        gone = await closed(play, run, "visitor:gone")
        kept = await snapshot(play, run)
        positions = await raised(play, **{PEOPLE: 10_000, DEAD_LETTERS: 10_000, "site.0": 2})
        keeper = Housekeeper(play.bus, play.workspace, positions, replay_days=1)
        assert await keeper.mark(kept) == 2
        await keeper.run(kept, 0)
        assert gone.conversation in await lines(play)
        assert (await stream_state(play.bus, play.workspace.in_stream)).first == 1


async def test_without_two_snapshots_nothing_goes(play: Play) -> None:
    await play.open_desk()
    async with play.running() as run:
        await run.stepped(await play.say("visitor:1"))
        kept = (await snapshot(play, run))[:1]
        positions = await raised(play, **{PEOPLE: 10_000, DEAD_LETTERS: 10_000})
        assert await Housekeeper(play.bus, play.workspace, positions, replay_days=1).mark(kept) == 0


async def test_inputs_stay_for_as_long_as_replays_may_need_them(play: Play) -> None:
    await play.open_desk()
    async with play.running() as run:
        await run.stepped(await play.say("visitor:1"))
        kept = await snapshot(play, run)
        positions = await raised(play, **{PEOPLE: 10_000, DEAD_LETTERS: 10_000})
        now = (await play.records())[-1][1].now * 1_000_000
        await Housekeeper(play.bus, play.workspace, positions, replay_days=1).run(kept, now)
        assert (await stream_state(play.bus, play.workspace.in_stream)).first == 1


async def test_a_running_router_trims_by_itself(play: Play) -> None:
    await play.open_desk()
    async with play.running(msgspec.structs.replace(SETTINGS, snapshot_records=40)) as run:
        positions = Positions(play.bus, play.workspace, play.times.log_stream)

        async def trimmed() -> bool:
            await play.say_all([f"visitor:{n % 5}" for n in range(20)])
            return await positions.get(HOUSEKEEPING) > 0

        await until(trimmed)
        kept = await Snapshots(play.bus, play.workspace, play.times.log_stream).kept()
        assert len(kept) == 2
        assert run.stats.snapshots >= 2
