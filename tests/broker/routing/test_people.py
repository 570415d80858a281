"""People on their way between the router's memory and their store."""

import asyncio

from broker.routing.lookups import Lookups
from broker.routing.people import PeopleBucket, PeopleBuffer, PeopleStore, Stamps
from router.facts import ConversationOpened
from router.people import AddressState, Conversation, Person, PersonRecord
from router.record import Record, encode_record
from router.state import State
from router.step import Wanted
from tests.broker.routing.play import Play, until


def person(name: str, *addresses: str, log: int = 0, moved: str | None = None) -> PersonRecord:
    return PersonRecord(
        person=Person(id=name, addresses=list(addresses), moved=moved),
        addresses=[AddressState(address=address, person=name) for address in addresses],
        log=log,
    )


def test_somebody_parked_is_found_at_once_and_stands_for_no_position_before_the_acknowledgement() -> None:
    buffer = PeopleBuffer()
    parked = buffer.park(person("p1", "mail:a"))
    found = buffer.address("mail:a")
    assert found is not None
    assert (found.person.id, found.log) == ("p1", 0)
    assert buffer.next_writes(10) == []
    buffer.acknowledge(parked, 7)
    found = buffer.person("p1")
    assert found is not None
    assert found.log == 7


def test_what_is_found_does_not_change_when_the_router_goes_on_with_the_person() -> None:
    buffer = PeopleBuffer()
    record = person("p1", "mail:a")
    buffer.park(record)
    record.person.addresses.append("mail:b")
    found = buffer.person("p1")
    assert found is not None
    assert found.person.addresses == ["mail:a"]


def test_somebody_written_stays_until_every_input_read_ahead_is_stepped() -> None:
    buffer = PeopleBuffer()
    parked = buffer.park(person("p1", "mail:a"))
    buffer.acknowledge(parked, 7)
    [due] = buffer.next_writes(10)
    buffer.written(due, read_ahead=20)
    buffer.forget(19)
    assert buffer.address("mail:a") is not None
    buffer.forget(20)
    assert buffer.address("mail:a") is None
    assert buffer.person("p1") is None


def test_a_second_parking_replaces_the_first_and_outlives_its_write() -> None:
    buffer = PeopleBuffer()
    first = buffer.park(person("p1", "mail:a", "mail:b"))
    buffer.acknowledge(first, 7)
    buffer.next_writes(10)
    second = buffer.park(person("p1", "mail:a"))
    assert buffer.address("mail:b") is None
    buffer.written(first, read_ahead=1)
    buffer.forget(99)
    assert buffer.address("mail:a") is not None
    buffer.acknowledge(second, 9)
    assert buffer.backlog()[0].log == 9


def test_the_position_stops_below_the_first_write_that_is_not_confirmed() -> None:
    buffer = PeopleBuffer()
    assert buffer.position(50) == 50
    for number in (10, 20, 30):
        buffer.acknowledge(buffer.park(person(f"p{number}")), number)
    assert buffer.position(50) == 9
    first, second = buffer.next_writes(2)
    buffer.written(second, 0)
    assert buffer.position(50) == 9
    buffer.written(first, 0)
    assert buffer.position(50) == 29
    assert [record.log for record in buffer.backlog()] == [30]


async def test_an_older_value_never_replaces_a_newer_one(play: Play) -> None:
    bucket = PeopleBucket(play.bus, play.workspace)
    await bucket.write(person("p2", "mail:a", log=20))
    await bucket.write(person("p1", "mail:a", log=10))
    found = await bucket.address("mail:a")
    assert found is not None
    assert found.person.id == "p2"
    await bucket.write(person("p1", "mail:a", log=30))
    found = await bucket.address("mail:a")
    assert found is not None
    assert found.person.id == "p1"


async def test_an_address_that_its_person_has_given_up_is_nobodys(play: Play) -> None:
    bucket = PeopleBucket(play.bus, play.workspace)
    await bucket.write(person("p1", "mail:a", "mail:b", log=10))
    await bucket.write(person("p1", "mail:b", log=20))
    assert await bucket.address("mail:a") is None
    assert await bucket.address("mail:never") is None


async def test_a_value_from_the_past_is_not_believed(play: Play) -> None:
    """As a leader answers that was suspended; here the newer value comes a moment later."""
    stamps = Stamps()
    bucket = PeopleBucket(play.bus, play.workspace, stamps)
    await bucket.write(person("p1", "mail:a", log=7))
    stamps.note("p1", ["mail:a", "mail:b"], 9)
    asked = [asyncio.create_task(each) for each in (bucket.person("p1"), bucket.address("mail:b"))]
    done, _ = await asyncio.wait(asked, timeout=0.3)
    assert not done
    newer = person("p1", "mail:a", "mail:b", log=9)
    await bucket.write(newer)
    assert await asyncio.gather(*asked) == [newer, newer]
    assert await bucket.person("p2") is None


def test_the_oldest_stamps_make_room() -> None:
    stamps = Stamps(limit=2)
    for log, name in enumerate(("p1", "p2", "p1", "p3"), 1):
        stamps.note(name, [f"mail:{name}"], log)
    assert [stamps.person(name) for name in ("p1", "p2", "p3")] == [3, 0, 4]
    assert [stamps.address(f"mail:{name}") for name in ("p1", "p2", "p3")] == [3, 0, 4]


async def test_a_backlog_is_written_and_the_position_follows(play: Play) -> None:
    store = PeopleStore(play.bus, play.workspace, [person(f"p{n}", f"mail:{n}", log=n) for n in range(1, 100)])
    writing = asyncio.create_task(store.write_behind())
    await asyncio.wait_for(store.wait_written(), 10)
    assert store.buffer.position(120) == 120
    assert await store.bucket.person("p99") is not None
    writing.cancel()
    await asyncio.wait([writing])


async def test_a_look_up_that_began_before_a_write_does_not_decide(play: Play) -> None:
    store, state = PeopleStore(play.bus, play.workspace), State()
    need = Wanted(addresses=("mail:a",))
    store.read_ahead = 5
    lookups = Lookups(store, state)
    lookups.begin(need)
    await until(lambda: all(task.done() for task in lookups._reading.values()))
    store.acknowledge(store.park(person("p1", "mail:a")), 3)
    writing = asyncio.create_task(store.write_behind())
    await asyncio.wait_for(store.wait_written(), 10)
    store.buffer.forget(4)
    assert [record.person.id for record in await lookups.found(need)] == ["p1"]
    writing.cancel()
    await asyncio.wait([writing])


async def test_who_turned_out_to_be_another_is_followed_and_who_is_in_memory_is_not_loaded(play: Play) -> None:
    store, state = PeopleStore(play.bus, play.workspace), State()
    await store.bucket.write(person("p1", moved="p2", log=1))
    await store.bucket.write(person("p2", "mail:b", log=2))
    need = Wanted(people=("p1",))
    assert [record.person.id for record in await Lookups(store, state).found(need)] == ["p2"]
    state.people["p2"] = Person(id="p2", addresses=[])
    assert await Lookups(store, state).found(need) == []
    assert not Lookups(store, state).known(need)


async def test_whose_conversation_it_was_is_read_from_the_log(play: Play) -> None:
    opened = ConversationOpened(conversation="c7", person="p1", channel="mail", address="mail:a")
    record = Record(input=7, step=0, now=1, term=1, rules=1, cause="input", facts=(opened,))
    await play.bus.publish(play.workspace.log_subject("c7"), encode_record(record))
    store, state = PeopleStore(play.bus, play.workspace), State()
    await store.bucket.write(person("p1", moved="p2", log=1))
    await store.bucket.write(person("p2", "mail:a", log=2))
    need = Wanted(conversations=("c7",))
    assert not Lookups(store, state).known(need)
    lookups = Lookups(store, state)
    lookups.begin(need)
    assert [record.person.id for record in await lookups.found(need)] == ["p2"]
    assert await Lookups(store, state).found(Wanted(conversations=("c8",))) == []
    state.conversations["c7"] = Conversation(id="c7", person="p2", channel="mail", address="mail:a", opened_at=1)
    assert Lookups(store, state).known(need)
    assert await Lookups(store, state).found(need) == []
