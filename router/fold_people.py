"""Folds of what happens to people: who they are, and when they leave the memory."""

from collections.abc import Mapping
from types import MappingProxyType

from router import facts as f
from router.change import Change, Fold
from router.deadlines import ARCHIVE, PARK, timer_id
from router.people import AddressState, Person


def _person_created(c: Change, fact: f.PersonCreated) -> None:
    c.put(c.state.people, fact.person, Person(id=fact.person, addresses=[fact.address]))
    c.put(c.state.addresses, fact.address, AddressState(address=fact.address, person=fact.person))


def _address_taken(c: Change, fact: f.AddressTaken) -> None:
    people = c.state.people
    before = people[fact.before]
    c.set(before, "addresses", [a for a in before.addresses if a != fact.address])
    if fact.person not in people:
        c.put(people, fact.person, Person(id=fact.person, addresses=[]))
    person = people[fact.person]
    c.set(person, "addresses", [*person.addresses, fact.address])
    c.set(c.state.addresses[fact.address], "person", fact.person)


def _person_merged(c: Change, fact: f.PersonMerged) -> None:
    state = c.state
    person, other = state.people[fact.person], state.people[fact.other]
    names = [n for n in (*person.past, person.conversation, *other.past, other.conversation) if n is not None]
    c.set(person, "past", [n for n in names if n != fact.conversation])
    c.set(person, "conversation", fact.conversation)
    if other.last_served > person.last_served:
        c.set(person, "last_operator", other.last_operator)
        c.set(person, "last_served", other.last_served)
    for name in (*other.past, other.conversation):
        if name is not None:
            c.set(state.conversations[name], "person", fact.person)
            _move_archive(c, name, fact.other, fact.person)
    c.drop(state.people, fact.other)
    c.timer(PARK, fact.other, 0)
    if fact.conversation is not None and state.conversations[fact.conversation].status != "closed":
        c.timer(PARK, fact.person, 0)


def _move_archive(c: Change, conversation: str, before: str, after: str) -> None:
    due = c.state.timers.get(timer_id(ARCHIVE, conversation, before))
    if due is not None:
        c.drop(c.state.timers, timer_id(ARCHIVE, conversation, before))
        c.put(c.state.timers, timer_id(ARCHIVE, conversation, after), due)


def _person_parked(c: Change, fact: f.PersonParked) -> None:
    state = c.state
    person = state.people[fact.person]
    for address in person.addresses:
        c.drop(state.addresses, address)
    for conversation in (*person.past, person.conversation):
        if conversation is not None:
            c.drop(state.conversations, conversation)
    c.drop(state.people, fact.person)


PEOPLE: Mapping[type, Fold] = MappingProxyType(
    {
        f.PersonCreated: _person_created,
        f.AddressTaken: _address_taken,
        f.PersonMerged: _person_merged,
        f.PersonParked: _person_parked,
    }
)
"""Facts of people."""
