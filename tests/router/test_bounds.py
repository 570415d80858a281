"""What grows with use has a bound: languages, addresses, and whoever is put away as one message."""

import msgspec

from normalizer.content import Language, Text
from normalizer.envelope import Sender
from router import facts as f
from router import inputs as i
from router.evolve import gather
from router.identity import MOST_ADDRESSES
from router.policy import MOST_LANGUAGES
from router.rules import Times
from router.timers import LARGEST_PARKED
from tests.router.team import refusal
from tests.router.world import World, make_rules, only

HOUR = 3_600_000


def codes(count: int) -> tuple[Language, ...]:
    return tuple(Language(code=f"{chr(97 + n // 26)}{chr(97 + n % 26)}") for n in range(count))


def test_a_conversation_knows_the_first_languages_of_a_sender_who_names_hundreds() -> None:
    world = World(make_rules())
    world.write("v1", sender=Sender(languages=codes(300)))
    assert world.of("v1").languages == tuple(each.code for each in codes(MOST_LANGUAGES))


def test_a_conversation_knows_the_latest_languages_of_a_customer_who_writes_in_hundreds() -> None:
    world = World(make_rules())
    for language in codes(100):
        world.write("v1", Text(text="hello", language=language))
    assert world.of("v1").languages == tuple(each.code for each in reversed(codes(100)[-MOST_LANGUAGES:]))


def test_a_customer_is_not_joined_beyond_a_number_of_addresses() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v0")
    first = world.of("v0").person
    for number in range(1, MOST_ADDRESSES):
        world.write(f"v{number}")
        world.order("anna", i.Link(person=first, other=world.of(f"v{number}").person, evidence="x"))
    assert len(world.state.people[first].addresses) == MOST_ADDRESSES
    world.write("late")
    told = world.order("anna", i.Link(person=first, other=world.of("late").person, evidence="x"))
    assert refusal(told) == "too_many_addresses"
    assert world.of("late").person != first


def always_anew() -> World:
    """A world in which each message of a machine is a conversation of its own."""
    return World(make_rules(times=Times(reopen=0)))


def test_whoever_is_too_large_for_one_message_stays_in_memory_until_it_is_not_so_any_more() -> None:
    """A store that refuses them would forget them, and a record that brings them back could not be written."""
    world = always_anew()
    world.machine.largest = 100_000
    for _ in range(100):
        world.write("v1", automatic=True, after=1)
    person = world.of("v1").person
    assert len(msgspec.json.encode(gather(world.state, person))) > 25_000
    world.tick(2 * HOUR)
    assert person in world.state.people
    world.tick(60 * HOUR)  # all of it is in the archive by now
    world.tick(2 * HOUR)
    assert person not in world.state.people
    assert len(msgspec.json.encode(world.people[person])) < 10_000
    assert only(world.write("v1"), f.MessageTaken)
    assert world.of("v1").person == person


def test_that_is_so_as_well_where_the_server_takes_any_message() -> None:
    world = always_anew()
    machine = world.machine  # without a follower, which would be compared after each of thousands of records
    for number in range(7_000):
        envelope = world.envelope("v1", native_id=f"x{number}", automatic=True)
        machine.advance(world.seq + number + 1, world.now + number, i.Message(envelope=envelope))
    person = world.of("v1").person
    assert len(msgspec.json.encode(gather(world.state, person))) > LARGEST_PARKED
    entries = machine.advance(world.seq + 7_001, world.now + 2 * HOUR, i.Tick())
    assert entries
    assert not any(entry.parked for entry in entries)
    assert person in world.state.people
