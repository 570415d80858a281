"""The active router: every input once, in order, over the real bus."""

import asyncio

import msgspec
import pytest

from broker.bus.dead import DeadLetters
from broker.bus.errors import PublishUnknown
from broker.routing.ask import POSITION, STATISTICS, Standing, Statistics
from broker.routing.people import PeopleBucket, PeopleStore
from broker.routing.tasks import end
from normalizer.content import Text
from normalizer.outbound import Receipt, ReceiptState
from router import facts as f
from router import inputs as i
from router.people import PersonRecord
from router.rules import Need, Route, Rules, When
from router.snapshot import state_hash
from tests.broker.routing.play import SETTINGS, Play, Run, rules, until


class Hanging(PeopleBucket):
    """A store that never answers a write."""

    async def write(self, record: PersonRecord) -> None:  # noqa: ARG002  # nothing is written
        await asyncio.Event().wait()


async def test_messages_become_conversations_and_a_fold_of_the_log_gives_the_same_state(play: Play) -> None:
    await play.open_desk()
    await play.say_all([f"visitor:{n % 50}" for n in range(500)])
    async with play.running() as run:
        await run.stepped(504)
        active = run.router.active
        assert active is not None
        assert len(active.machine.state.conversations) == 50
        assert await play.count(f.MessageTaken) == 500
    async with play.following() as follower:
        assert state_hash(follower.state) == state_hash(active.machine.state) == state_hash(await play.fold())
    await play.ids_once()


async def test_a_message_that_comes_twice_is_taken_once_and_leaves_no_record(play: Play) -> None:
    await play.open_desk()
    async with play.running() as run:
        await play.say("visitor:1", "same")
        await run.stepped(await play.say("visitor:1", "same"))
        assert await play.count(f.MessageTaken) == 1
        assert run.stats.silent >= 1


async def test_ten_messages_of_an_unknown_address_in_one_go_are_one_person_and_one_conversation(play: Play) -> None:
    await play.open_desk()
    await play.say_all(["visitor:album"] * 10)
    async with play.running() as run:
        await run.stepped(14)
        assert await play.count(f.PersonCreated) == 1
        assert await play.count(f.ConversationOpened) == 1
        assert await play.count(f.MessageTaken) == 10


async def test_somebody_who_was_parked_is_known_again_whatever_arrives_at_once(play: Play) -> None:
    await play.open_desk(park_person=1)
    async with play.running() as run:
        await run.stepped(await play.say("visitor:back"))
        opened = (await play.facts(f.ConversationOpened))[0]
        assert isinstance(opened, f.ConversationOpened)
        await play.command(i.Close(conversation=opened.conversation))
        bucket = PeopleBucket(play.bus, play.workspace)

        async def parked() -> bool:
            return await bucket.address("visitor:back") is not None

        await until(parked)
        await play.say_all(["visitor:back"] * 10)
        await run.stepped(await play.tick())
        assert await play.count(f.PersonCreated) == 1
        records = [record for _, record in await play.records()]
        assert sum(len(record.loaded) for record in records) == 1
        stored = await bucket.address("visitor:back")
        assert stored is not None
        assert stored.log > 0


async def test_an_answer_that_fails_after_its_person_has_left_the_memory_is_work_again(play: Play) -> None:
    await play.open_desk(park_person=1)
    async with play.running() as run:
        await run.stepped(await play.say("visitor:back"))
        opened = (await play.facts(f.ConversationOpened))[0]
        assert isinstance(opened, f.ConversationOpened)
        name = opened.conversation
        await play.command(i.Reply(conversation=name, content=Text(text="hi"), seen=1))
        await play.command(i.Close(conversation=name))

        async def parked() -> bool:
            return await play.count(f.PersonParked) == 1

        await until(parked)
        failed = Receipt(outbound=f"{name}-2", state=ReceiptState.FAILED, at=1, error="no such mailbox")
        await run.stepped((await play.bus.publish(play.workspace.in_subject("site"), i.encode_input(failed))).seq)
        assert await play.count(f.OutboundChanged) == 1
        assert await play.count(f.ConversationReopened) == 1
        ours = i.encode_input(Receipt(outbound="c999-2", state=ReceiptState.FAILED, at=1))
        await run.stepped((await play.bus.publish(play.workspace.in_subject("site"), ours)).seq)
        assert await play.count(f.OutboundChanged) == 1


async def close_before_a_hanging_store(play: Play, run: Run) -> PeopleStore:
    """Close the only conversation, so that its person is parked, while the store of people answers nothing any more."""
    active = run.router.active
    assert active is not None
    active._people.bucket = Hanging(play.bus, play.workspace)
    opened = (await play.facts(f.ConversationOpened))[0]
    assert isinstance(opened, f.ConversationOpened)
    await play.command(i.Close(conversation=opened.conversation))
    return active._people


async def test_a_restarted_router_knows_parked_people_even_when_their_bucket_was_never_written(play: Play) -> None:
    await play.open_desk(park_person=1)
    async with play.running() as run:
        await run.stepped(await play.say("visitor:gone"))
        await close_before_a_hanging_store(play, run)

        async def parked() -> bool:
            return await play.count(f.PersonParked) == 1

        await until(parked)
        await run.kill()
    async with play.running() as run:
        await run.stepped(await play.say("visitor:gone"))
        assert await play.count(f.PersonCreated) == 1


async def test_a_router_stops_without_the_store_of_people_and_says_so(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    """It used to end with an error, as if something had been lost; the next one writes what is in the log."""
    await play.open_desk(park_person=1)
    async with play.running() as run:
        await run.stepped(await play.say("visitor:gone"))
        people = await close_before_a_hanging_store(play, run)
        await until(lambda: people.buffer.unwritten == 1)
    assert "router.not_finished" in capsys.readouterr().out
    async with play.running() as run:
        await run.stepped(await play.say("visitor:gone"))
        assert await play.count(f.PersonCreated) == 1


async def test_a_poisoned_input_is_refused_and_buried_once_and_the_router_goes_on(play: Play) -> None:
    await play.open_desk()
    bad = Rules(channels={}, operators={}, routes=(Route(name="x", when=When(text=("(",))), Route(name="all")))
    async with play.running() as run:
        await play.bus.publish(play.workspace.in_subject("site"), b"{broken")
        await play.bus.publish(play.workspace.in_subject("site"), b'{"kind":"tick"}')
        await play.bus.publish(play.workspace.in_subject("site"), b"[" * 300_000)
        await play.propose(bad)
        await run.stepped(await play.say("visitor:1"))
        letters = DeadLetters(play.bus)

        async def buried() -> bool:
            return len(await letters.list(play.workspace)) == 4

        await until(buried)
        assert await play.count(f.InputRefused) == 4
        assert await play.count(f.MessageTaken) == 1
        assert run.stats.refused == 4
    async with play.running() as run:
        await run.stepped(await play.say("visitor:2"))
        found = await letters.list(play.workspace)
        assert sorted(letter.source.rpartition(".")[2] for letter in found) == ["_rules", "site", "site", "site"]
        assert found[0].payload == b"{broken"
        assert len(found) == 4


async def test_inputs_without_effect_leave_a_position_behind_after_a_time_and_after_a_number(play: Play) -> None:
    await play.open_desk()
    quiet = msgspec.structs.replace(SETTINGS, tick_every=60.0, position_inputs=20, position_ms=3_600_000)
    async with play.running(quiet) as run:
        for _ in range(45):
            last = await play.tick()
        await run.stepped(last)
        positions = [record for _, record in await play.records() if record.cause == "position"]
        assert len(positions) == 2
        assert all(not record.facts for record in positions)
    often = msgspec.structs.replace(SETTINGS, tick_every=0.05, position_ms=100)
    async with play.running(often):

        async def written() -> bool:
            return len([record for _, record in await play.records() if record.cause == "position"]) > 2

        await until(written)


async def test_the_active_router_says_where_it_stands_and_who_waits(play: Play) -> None:
    await play.propose(Rules(channels={}, operators={}, routes=(Route(name="all"),)))
    async with play.running() as run:
        await run.stepped(await play.say("visitor:1"))
        answer = await play.bus.request(play.workspace.ask_subject(POSITION), b"")
        standing = msgspec.json.decode(answer, type=Standing)
        assert standing.term == 1
        assert standing.log >= len(await play.records())
        answer = await play.bus.request(play.workspace.ask_subject(STATISTICS), b"")
        counted = msgspec.json.decode(answer, type=Statistics)
        assert counted.people == 1


async def test_an_input_that_causes_hundreds_of_steps_leaves_others_their_turns(play: Play) -> None:
    """Else a change of rules with thousands waiting would take longer than the lease, for every router in turn."""
    await play.propose(rules())
    await play.say_all([f"visitor:{n}" for n in range(300)])
    between: set[int] = set()
    async with play.running() as run:
        await run.stepped(301)
        active = run.router.active
        assert active is not None
        state = active.machine.state

        async def look() -> None:
            while True:
                if state.version == 2:
                    between.add(state.step)
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        needs = (Route(name="all", need=Need(skills={"billing": 1})),)
        await play.propose(msgspec.structs.replace(rules(), routes=needs))
        await until(lambda: state.version == 2 and not state.todo, "everybody is queued anew")
        await end([looking])
        assert max(between) > 300
        assert len(between) > 10
        assert run.stats.barriers == 1
        await run.stepped(await play.tick())
        assert state_hash(await play.fold()) == state_hash(state)
    await play.ids_once()


async def test_a_router_that_ends_between_two_steps_of_an_input_goes_on_where_it_was(play: Play) -> None:
    """As when its term ends in the middle: the next one does what is left, and nothing twice."""
    await play.propose(rules())
    await play.say_all([f"visitor:{n}" for n in range(300)])
    needs = (Route(name="all", need=Need(skills={"billing": 1})),)
    async with play.running() as run:
        await run.stepped(301)
        active = run.router.active
        assert active is not None
        state = active.machine.state
        changed = await play.propose(msgspec.structs.replace(rules(), routes=needs))
        await until(lambda: state.version == 2 and state.step > 20, "it is in the middle")
        fenced = active._outbox._log
        assert fenced is not None
        fenced._end(PublishUnknown("the connection was lost"))
        assert state.todo
        await run.stepped(await play.tick())
        assert run.stats.barriers == 2
        assert state_hash(await play.fold()) == state_hash(state)
    queued = [fact for fact in await play.facts(f.ConversationQueued) if isinstance(fact, f.ConversationQueued)]
    again = [fact.conversation for fact in queued if fact.reason == "rules"]
    assert len(again) == len(set(again)) == 300
    assert [record.input for _, record in await play.records() if record.ref == "" and record.input == changed]
    await play.ids_once()
