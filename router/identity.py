"""Joining two people who are one, and separating them again; with evidence, never by guessing (promise P7)."""

from router import facts as f
from router.deadlines import PARK, SAY, UNANSWERED, timer_id
from router.draft import Draft, Refused
from router.inputs import Command, Link, Unlink
from router.people import Conversation, LiveCall, Person, PersonRecord
from router.phone import live_calls
from router.queueing import answer_due
from router.rights import find_person

MOST_ADDRESSES = 250
"""Of one person: nobody has more, and all of them travel in one message."""


def person_line(person: str) -> str:
    """Name the line of a person's own records."""
    return f"p-{person}"


def link(d: Draft, command: Command, action: Link) -> None:
    """Make two people one: the older open conversation goes on, the younger is closed as ``linked``."""
    person, other = find_person(d, action.person), find_person(d, action.other)
    if person is other:
        raise Refused("same_person", "Both are the same person already.", now=person.id)
    if len(person.addresses) + len(other.addresses) > MOST_ADDRESSES:
        raise Refused("too_many_addresses", f"Both have over {MOST_ADDRESSES} addresses together: no customer does.")
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
        older, younger = going_on[0].id, going_on[1].id
        calls: tuple[tuple[f.Todo, str], ...] = (("calls", older),) if live_calls(going_on[1]) else ()
        roused: tuple[tuple[f.Todo, str], ...] = (("wake", older),) if going_on[0].parked_at else ()
        d.emit(f.Scheduled(items=(*roused, ("join", f"{older}:{younger}"), *calls, ("merge", younger))))
    elif not going_on or going_on[0].status == "closed":
        d.emit(f.TimerSet(timer=timer_id(PARK, person.id), due=d.now + d.rules.times.park_person))


def _by_age(d: Draft, *people: Person) -> list[Conversation]:
    """Give the latest conversation of each: open ones first, the oldest of them leading; else the last one closed."""
    found = [d.state.conversations[one.conversation] for one in people if one.conversation is not None]
    return sorted(found, key=lambda one: (one.status == "closed", -one.closed_at, one.opened_at, len(one.id), one.id))


def join(d: Draft, about: str) -> None:
    """Let the older conversation wait for what the younger has not been answered, where the customer wrote last."""
    name, _, other = about.partition(":")
    conversation, younger = d.conversation(name), d.state.conversations[other]
    timers = d.state.timers
    asking = [one for one in (conversation, younger) if one.unanswered]
    first = min(asking, key=lambda one: one.unanswered, default=conversation)
    due = timers.get(timer_id(UNANSWERED, name), 0)
    if asking and not due and conversation.owner is not None:
        due = answer_due(d, conversation)
    d.emit(
        f.ConversationJoined(
            conversation=name,
            other=other,
            address=max(conversation.last_address, younger.last_address, key=lambda address: _heard(d, address)),
            unanswered=first.unanswered,
            said=first.said,
            say_at=timers.get(timer_id(SAY, first.id), 0),
            unanswered_at=due,
            tier=younger.tier if younger.tier < conversation.tier else None,
            v=_ahead(d, conversation, younger),
        )
    )


def _ahead(d: Draft, conversation: Conversation, other: Conversation) -> int | None:
    """Carry the other conversation's boost over, within bounds; None if it would not move this one forward."""
    boost = min(other.enqueued_at - other.v, d.rules.times.boost_max)
    moved = conversation.enqueued_at - boost
    return moved if moved < conversation.v else None


def _heard(d: Draft, address: str) -> int:
    """When the address wrote last."""
    known = d.state.addresses.get(address)
    return next(reversed(known.seen.values()), 0) if known is not None else 0


def unlink(d: Draft, command: Command, action: Unlink) -> None:
    """Give the address a person of its own; answers of the old conversation do not go there any more."""
    person = find_person(d, action.person)
    d.line = person_line(person.id)
    if action.address not in person.addresses:
        raise Refused("no_address", "The address does not belong to this person.")
    if len(person.addresses) == 1:
        raise Refused("only_address", "It is the only address of this person: there is nothing to separate.")
    if any(call.address == action.address for call in _calls_of(d, person)):
        raise Refused("on_call", "There is a call with this number now. Separate it when the call is over.")
    name = f"p{d.number}"
    d.emit(
        f.AddressTaken(
            person=name, address=action.address, before=person.id, evidence=action.evidence, by=command.operator
        )
    )
    d.emit(f.TimerSet(timer=timer_id(PARK, name), due=d.now + d.rules.times.park_person))


def _calls_of(d: Draft, person: Person) -> list[LiveCall]:
    names = (*person.past, person.conversation)
    found = (d.state.conversations[name] for name in names if name is not None)
    return [call for conversation in found for call in live_calls(conversation)]
