"""Two people who are one, and one who is two after all; with evidence, and never by guessing (promise P7)."""

from router import facts as f
from router.deadlines import PARK, timer_id
from router.draft import Draft, Refused
from router.inputs import Command, Link, Unlink
from router.people import Conversation, Person, PersonRecord
from router.rights import find_person


def person_line(person: str) -> str:
    """Name the line of a person's own records."""
    return f"p-{person}"


def link(d: Draft, command: Command, action: Link) -> None:
    """Make two people one: the older open conversation goes on, the younger is closed as ``linked``."""
    person, other = find_person(d, action.person), find_person(d, action.other)
    if person is other:
        raise Refused("same_person", "Both are the same person already.", now=person.id)
    d.line = person_line(person.id)
    going_on = _by_age(d, person, other)
    for address in other.addresses:
        d.emit(
            f.AddressTaken(
                person=person.id, address=address, before=other.id, evidence=action.evidence, by=command.operator
            )
        )
    d.emit(
        f.PersonMerged(
            person=person.id,
            other=other.id,
            conversation=going_on[0].id if going_on else None,
            evidence=action.evidence,
            by=command.operator,
        )
    )
    d.parked.append(PersonRecord(person=Person(id=other.id, addresses=[], moved=person.id), addresses=[]))
    if len(going_on) > 1 and going_on[1].status != "closed":
        d.emit(f.Scheduled(items=(("merge", going_on[1].id),)))
    elif not going_on or going_on[0].status == "closed":
        d.emit(f.TimerSet(timer=timer_id(PARK, person.id), due=d.now + d.rules.times.park_person))


def _by_age(d: Draft, *people: Person) -> list[Conversation]:
    """Give the latest conversation of each: open ones first, the oldest of them leading; else the last one closed."""
    found = [d.state.conversations[one.conversation] for one in people if one.conversation is not None]
    return sorted(found, key=lambda one: (one.status == "closed", -one.closed_at, one.opened_at, len(one.id), one.id))


def unlink(d: Draft, command: Command, action: Unlink) -> None:
    """Give the address a person of its own; answers of the old conversation do not go there any more."""
    person = find_person(d, action.person)
    d.line = person_line(person.id)
    if action.address not in person.addresses:
        raise Refused("no_address", "The address does not belong to this person.")
    if len(person.addresses) == 1:
        raise Refused("only_address", "It is the only address of this person: there is nothing to separate.")
    name = f"p{d.input}"
    d.emit(
        f.AddressTaken(
            person=name, address=action.address, before=person.id, evidence=action.evidence, by=command.operator
        )
    )
    d.emit(f.TimerSet(timer=timer_id(PARK, name), due=d.now + d.rules.times.park_person))
